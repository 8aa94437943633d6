"""What is asked of Alertmanager's HTTP API v2; nothing is changed there.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml (0.25 observed):
`/api/v2/alerts` answers a bare array of alerts that are not resolved, silenced and inhibited
ones included where asked; `/api/v2/status` tells when the process started and how its cluster
is; `/-/ready` answers 200 once it serves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from rolloutctl.core.references import quote_label
from rolloutctl.core.secret import SecretRef
from rolloutctl.core.selector import Matcher
from rolloutctl.credentials import read_place, redact
from rolloutctl.errors import Rejected, Unavailable
from rolloutctl.http import Access, HttpClient, HttpRequest, HttpResponse, with_path, without_user

#: Alerts of one answer; the rest of what is asked for is another matter.
ALERTS_MAX = 5_000
_VERSION_CHARS_MAX = 40
#: What is kept of an alert's silences: a few ids (UUIDs).
_IDS_MAX, _ID_CHARS_MAX = 5, 64

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveAlert:
    """An alert that is not resolved. `silenced_by` are the ids of its silences."""

    labels: Labels
    silenced_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the server is.

    Attributes:
        version: as it calls itself.
        started_at: when the process began; what it knew before is gone.
        is_settling: it is still joining its cluster.
        response: the answer, for its clock.
    """

    version: str
    started_at: datetime
    is_settling: bool
    response: HttpResponse


class AlertmanagerApi:
    """Reads; keeps nothing between calls but connections."""

    def __init__(self, url: str | SecretRef, access: Access) -> None:
        self._url, self._access = url, access
        self._client = HttpClient(access.tls, total_timeout_s=access.timeout_s)

    @property
    def address(self) -> str:
        """The address without user and password. Raises as a query."""
        return without_user(read_place(self._url))[0]

    def standing(self) -> Standing:
        """Whether it serves. Raises `Unavailable` where it is not ready."""
        self._get("/-/ready", needs_body=False)
        response = self._get("/api/v2/status")
        match response.json():
            case {"uptime": str() as started, "cluster": {"status": str() as cluster}, **rest}:
                try:
                    started_at = datetime.fromisoformat(started).astimezone(UTC)
                except ValueError as error:
                    raise _misshapen(response) from error
            case _:
                raise _misshapen(response)
        info = rest.get("versionInfo")
        version = str(info.get("version", "")) if isinstance(info, dict) else ""
        return Standing(
            version=redact(version)[:_VERSION_CHARS_MAX],
            started_at=started_at,
            is_settling=cluster == "settling",
            response=response,
        )

    def active(self, matchers: Sequence[Matcher]) -> list[ActiveAlert]:
        """The alerts that are not resolved and meet all conditions, silenced ones included."""
        every = [("active", "true"), ("silenced", "true"), ("inhibited", "true")]
        every.append(("unprocessed", "true"))
        filters = [("filter", f'{m.label}{m.operator}"{quote_label(m.value)}"') for m in matchers]
        response = self._get("/api/v2/alerts?" + urlencode([*every, *filters]))
        document = response.json()
        if not isinstance(document, list):
            raise _misshapen(response)
        if len(document) > ALERTS_MAX:
            raise Rejected(
                f"{len(document)} active alerts; the limit is {ALERTS_MAX}",
                hint="name the alerts, or add a label",
            )
        return [_alert(entry, response) for entry in document]

    def _get(self, path: str, *, needs_body: bool = True) -> HttpResponse:
        url, user = without_user(read_place(self._url))
        return self._client.send(
            HttpRequest(
                method="GET",
                url=with_path(url, path),
                headers=self._access.sent_headers(user),
                writes=False,
                needs_body=needs_body,
            )
        )


def _alert(entry: Any, response: HttpResponse) -> ActiveAlert:  # Any: JSON
    match entry:
        case {"labels": dict() as labels, "status": {"silencedBy": list() as silences}}:
            # Labels go into the journal; a server that repeats what it was sent must not fill it.
            pairs = sorted((str(name), redact(str(value))) for name, value in labels.items())
            named = tuple(redact(str(one))[:_ID_CHARS_MAX] for one in silences[:_IDS_MAX])
            return ActiveAlert(labels=tuple(pairs), silenced_by=named)
    raise _misshapen(response)


def _misshapen(response: HttpResponse) -> Unavailable:
    return Unavailable(
        f"{response.request.title}: an answer of another shape: {response.excerpt}",
        hint="url must be the base address of an Alertmanager, such as http://host:9093",
    )
