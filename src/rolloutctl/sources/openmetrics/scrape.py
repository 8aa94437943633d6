"""Reads one instance's page once for all queries of the same moment."""

from __future__ import annotations

import threading
from datetime import datetime

from rolloutctl.core.secret import SecretRef
from rolloutctl.credentials import read_place
from rolloutctl.errors import RolloutctlError
from rolloutctl.http import Access, HttpClient, HttpRequest, without_user
from rolloutctl.sources.openmetrics.exposition import ACCEPT, Page, parse_page


class Instance:
    """One address; remembers its last answer, also when that was an error.

    A tick asks several gates' queries at one time: they are answered from one scrape, so
    that a ratio's two counters are of the same moment and a dead instance costs one timeout.
    """

    def __init__(self, url: str | SecretRef, access: Access, client: HttpClient) -> None:
        self._url = url
        self._access = access
        self._client = client
        self._lock = threading.Lock()
        self._at: datetime | None = None
        self._page: Page | RolloutctlError = Page()

    @property
    def address(self) -> str:
        """The address without user and password. Raises as `page`."""
        return without_user(read_place(self._url))[0]

    def page(self, at: datetime) -> Page:
        """The page as of `at`: read now, unless it was read for the same time before.

        Raises the errors of `HttpClient.send`, and `Unavailable` for what is no page.
        """
        with self._lock:
            if self._at != at:
                self._page = self._scrape()
                self._at = at
            if isinstance(self._page, RolloutctlError):
                raise self._page
            return self._page

    def _scrape(self) -> Page | RolloutctlError:
        try:
            url, user = without_user(read_place(self._url))
            headers = {"Accept": ACCEPT, **self._access.sent_headers(user)}
            request = HttpRequest(method="GET", url=url, headers=headers, writes=False)
            return parse_page(self._client.send(request))
        except RolloutctlError as error:
            return error
