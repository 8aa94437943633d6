"""Addresses: checked before use, shown without what may be secret in them."""

from __future__ import annotations

from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from rolloutctl.credentials import redact, remember
from rolloutctl.errors import Rejected

#: No service has a longer address; a longer one is a pasted document.
URL_CHARS_MAX = 8_192


def split(url: str) -> SplitResult:
    """Splits an http(s) address. Raises `Rejected` if it is not one."""
    if len(url) > URL_CHARS_MAX:
        raise Rejected(f"an address of {len(url)} characters; the limit is {URL_CHARS_MAX}")
    if any(character <= " " or character == "\x7f" for character in url):
        raise Rejected("an address contains a space or a control character")
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed at first use; raises for a bad number
    except ValueError as error:
        raise Rejected(f"not an address: {redact(str(error))}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Rejected(
            f"not an http address: {shown(url)!r}", hint="write it as https://host:port/path"
        )
    return parts


def shown(url: str, *, path: bool = True) -> str:
    """The address for people: no user, password, query or fragment.

    Args:
        url: any text, also one that is no address.
        path: False hides the path too (an incoming-webhook's path is its secret).
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not an address)"
    host = parts.netloc.rpartition("@")[2]
    tail = "" if parts.path in {"", "/"} else (parts.path if path else "/…")
    query = "?…" if parts.query and path else ""
    if not parts.netloc:
        return redact(tail + query) if path else "/…"
    return redact(f"{parts.scheme}://{host}{tail}{query}")


def without_user(url: str) -> tuple[str, tuple[str, str] | None]:
    """The address without `user:password@`, and that pair, remembered as secret."""
    parts = split(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    name, _, password = user.partition(":")
    remember(unquote(password))
    remember(user)
    bare = urlunsplit(parts._replace(netloc=host))
    return bare, (unquote(name), unquote(password))


def is_clear_text(url: str) -> bool:
    """True if what is sent there crosses a network unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}


def with_path(url: str, path: str) -> str:
    """`url` with `path` (starting with a slash) after its own; its query is dropped."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + path, "", ""))


def host_of(url: str) -> str:
    """`host:port` as written; what a rate budget and the limits on hung calls count by."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()
