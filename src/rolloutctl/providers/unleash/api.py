"""Calls of the Admin API: one request, one answer or one mapped error, within the time.

Nothing is sent twice. Unleash's own words stand in the messages, with the way out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from rolloutctl.core.json_types import Json
from rolloutctl.credentials import redact
from rolloutctl.errors import (
    NotFound,
    Rejected,
    RolloutctlError,
    Unauthorized,
    Unavailable,
)
from rolloutctl.http import HttpClient, HttpRequest, HttpResponse, checked_header, error_for
from rolloutctl.providers.unleash.place import TargetSpec, base_url

#: How long an answer may take; the server needs about 15 ms.
READ_TIMEOUT_S = 5.0
#: How much of Unleash's own message is quoted.
MESSAGE_CHARS_MAX = 400
#: Statuses that carry a reason worth more than their number.
_EXPLAINED = frozenset({400, 401, 403, 404, 409})


class Api:
    """The Admin API for one project and environment; holds no connection and no secret."""

    __slots__ = ("_base", "_client", "_spec")

    def __init__(self, spec: TargetSpec) -> None:
        self._spec = spec
        self._base = base_url(spec)
        self._client = HttpClient(spec.tls)

    def get(self, path: str, query: Mapping[str, str] | None = None, *, timeout_s: float) -> object:
        """The answer's JSON."""
        text = f"?{urlencode(query)}" if query else ""
        request = self._request("GET", f"/api/admin{path}{text}", writes=False)
        return self._send(request, timeout_s).json()

    def write(self, method: str, path: str, body: Json, *, timeout_s: float) -> None:
        """Sends a change of the flag's environment; the answer's body is not needed."""
        content = b"" if body is None else json.dumps(body).encode()
        self._send(self._request(method, f"/api/admin{path}", content), timeout_s)

    def flag_path(self, flag: str) -> str:
        """The flag, without its environment."""
        project = quote(self._spec.project, safe="")
        return f"/projects/{project}/features/{quote(flag, safe='')}"

    def environment_path(self, flag: str) -> str:
        """The flag in the target's environment."""
        return f"{self.flag_path(flag)}/environments/{quote(self._spec.environment, safe='')}"

    def _request(
        self, method: str, path: str, body: bytes = b"", *, writes: bool = True
    ) -> HttpRequest:
        headers = {"Authorization": checked_header("Authorization", self._spec.token)}
        if body:
            headers["Content-Type"] = "application/json"
        return HttpRequest(
            method=method,
            url=self._base + path,
            headers=headers,
            body=body,
            writes=writes,
            expected=_EXPLAINED,
            needs_body=not writes,
        )

    def _send(self, request: HttpRequest, timeout_s: float) -> HttpResponse:
        response = self._client.send(request, timeout_s=timeout_s)
        if response.status in _EXPLAINED:
            raise _explained(response, self._spec)
        return response


def _explained(response: HttpResponse, spec: TargetSpec) -> RolloutctlError:
    """The error of the status with Unleash's reason and the way out."""
    error = error_for(response)
    reason, name = _reason(response)
    error.message = f"{response.request.title}: {response.status}: {reason}"
    error.args = (error.message,)
    error.hint = _way_out(response.status, reason, name, spec) or error.hint
    return error


def _reason(response: HttpResponse) -> tuple[str, str]:
    """Unleash's own sentence and the name of its error."""
    try:
        found = response.json()
    except Unavailable:
        return response.excerpt, ""
    if not isinstance(found, Mapping):
        return response.excerpt, ""
    text = redact(str(found.get("message", "")))
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line[:MESSAGE_CHARS_MAX], str(found.get("name", ""))


def _way_out(status: int, reason: str, name: str, spec: TargetSpec) -> str:
    place = f"project {spec.project}, environment {spec.environment}"
    lowered = reason.lower()
    if "change request" in lowered:
        return change_request_hint(spec)
    if name == "ArchivedFeatureError" or "archived" in lowered:
        return "the flag is archived: revive it in Unleash, or drive another one"
    match status:
        case 401:
            return f"{spec.token} holds no token that this server knows: make one under Admin"
        case 403 if "token type" in lowered:
            return (
                f"{spec.token} is an SDK's token, which can only read: use an admin API token"
                " or a personal access token"
            )
        case 403:
            return f"give the token's user that permission for {place}"
        case 404 if "in project" in lowered and "there's a feature" in lowered:
            return "write that project in the target"
        case 404:
            return f"check flag, project and environment ({place})"
        case _:
            return ""


def change_request_hint(spec: TargetSpec) -> str:
    """What to do where Unleash wants every change approved by people."""
    return (
        f"change requests protect {spec.environment}: use a token whose role has"
        " SKIP_CHANGE_REQUEST there, or leave this environment to people; rolloutctl cannot"
        " file change requests"
    )


#: What an adapter's caller may be told besides `Unavailable`; all certain that nothing landed.
CERTAIN = (NotFound, Rejected, Unauthorized)
