"""A request, its answer, and what a bad answer means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from rolloutctl.clock import SystemClock
from rolloutctl.credentials import redact
from rolloutctl.errors import (
    Conflict,
    NotFound,
    Rejected,
    RolloutctlError,
    Unauthorized,
    Unavailable,
)
from rolloutctl.http.address import shown

#: How much of an error's body a message quotes.
EXCERPT_CHARS_MAX = 200
#: A server that asks for a longer pause is asked again after this one: a wrong clock or a
#: hostile header must not silence a gate for days.
RETRY_AFTER_MAX_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request.

    Attributes:
        writes: False promises that the request changes nothing; only then does a lost
            answer not count as a write that may have landed.
        expected: statuses besides 2xx that are handed back instead of raised.
        shows_path: False keeps the path out of messages: it is a secret.
        needs_body: False returns as soon as the status is known to be good.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    writes: bool = True
    expected: frozenset[int] = frozenset()
    shows_path: bool = True
    needs_body: bool = True

    @property
    def title(self) -> str:
        """`METHOD address` for messages, nothing secret in it."""
        return f"{self.method} {shown(self.url, path=self.shows_path)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """One answer; header names are lower case. `body` may be cut if status is an error."""

    request: HttpRequest
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type without parameters, lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def excerpt(self) -> str:
        """The start of the body for a message: one line, redacted, printable."""
        if self.content_type == "text/html":
            return "an HTML page (a proxy or a login page?)"
        text = redact(self.body.decode(errors="replace"))
        line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return line if len(line) <= EXCERPT_CHARS_MAX else line[:EXCERPT_CHARS_MAX] + "…"

    def json(self) -> Any:  # Any: the shape is the caller's to check
        """The body as JSON. Raises `Unavailable`, naming the content type, if it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            # SAFETY: not chained; the exception carries the whole body.
            raise Unavailable(
                f"{self.request.title}: {self.status} with {self.content_type or 'no content type'}"
                f" instead of JSON: {self.excerpt or 'an empty body'}",
                hint="check the address; a proxy or login page may be answering in its place",
                may_have_landed=self.request.writes,
            ) from None

    def date(self) -> datetime | None:
        """The server's clock when it answered, to the second, if it told."""
        return _parse_date(self.headers.get("date", ""))


def raise_for_status(response: HttpResponse) -> None:
    """Returns for 2xx and expected statuses; raises what any other status means."""
    status = response.status
    if 200 <= status < 300 or status in response.request.expected:  # noqa: PLR2004 - RFC 9110 15.3
        return
    raise error_for(response)


def error_for(response: HttpResponse) -> RolloutctlError:
    """The error a status means, whole message included."""
    status, excerpt = response.status, response.excerpt
    text = f"{response.request.title}: {status}" + (f": {excerpt}" if excerpt else "")
    match status:
        case 401 | 403 | 407:
            return Unauthorized(text, hint="check that the credentials are set, valid and allowed")
        case 404 | 410:
            return NotFound(text, hint="check the address")
        case 409 | 412:
            return Conflict(text)
        case 408 | 425 | 429:
            # The three that say "not processed, come again" (RFC 9110 15.5.9, 8470, 6585).
            return Unavailable(text, retry_after_s=retry_after_s(response))
        case _ if 400 <= status < 500:  # noqa: PLR2004 - RFC 9110 15.5
            return Rejected(text)
        case _ if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110 15.4
            where = shown(response.headers.get("location", ""), path=response.request.shows_path)
            return Rejected(
                f"{response.request.title}: {status}, a redirect to {where}; none is followed",
                hint="give the final address; a redirect to a login page means no credentials",
            )
        case _:
            return Unavailable(
                text,
                retry_after_s=retry_after_s(response),
                may_have_landed=response.request.writes,
            )


def retry_after_s(response: HttpResponse) -> float | None:
    """Seconds from `Retry-After` (RFC 9110 10.2.3: seconds or a date), 0 to the limit."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        # int() refuses thousands of digits; ten are more than the limit anyway.
        return min(float(value[:10]), RETRY_AFTER_MAX_S)
    until = _parse_date(value)
    if until is None:
        return None
    # Against the server's own clock where it shows it: ours may differ.
    now = response.date() or SystemClock().now()
    return min(max((until - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)


def _parse_date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
