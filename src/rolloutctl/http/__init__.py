"""The one way adapters speak HTTP: limits, error mapping, nothing secret in a message."""

from rolloutctl.http.access import Access, BasicAuth, Tls, checked_header
from rolloutctl.http.address import shown, with_path, without_user
from rolloutctl.http.client import HttpClient
from rolloutctl.http.exchange import HttpRequest, HttpResponse, error_for

__all__ = [
    "Access",
    "BasicAuth",
    "HttpClient",
    "HttpRequest",
    "HttpResponse",
    "Tls",
    "checked_header",
    "error_for",
    "shown",
    "with_path",
    "without_user",
]
