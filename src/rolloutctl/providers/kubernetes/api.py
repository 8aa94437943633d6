"""The calls to the API server, with limits of ours, and its refusals as our own errors.

Plain JSON over the official client's connection: its typed calls would send a JSON patch of
a custom resource with the wrong content type, and cost more than the call itself. Nothing is
retried here. https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from rolloutctl.clock import Deadline, monotonic_s
from rolloutctl.errors import (
    Conflict,
    NotFound,
    Rejected,
    RolloutctlError,
    Unauthorized,
    Unavailable,
)
from rolloutctl.providers.kubernetes.connection import Connection, connect, forget
from rolloutctl.providers.kubernetes.place import TargetSpec

#: Who we are in managedFields.
MANAGER = "rolloutctl"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 10.0
#: One answer; a list of some ten thousand pods.
ANSWER_BYTES_MAX = 64 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 300, 401, 403, 404
_CONFLICT, _INVALID, _TOO_MANY, _SERVER = 409, 422, 429, 500

Object = dict[str, Any]  # Any: JSON as the API server keeps it
Patch = Sequence[Mapping[str, Any]]


class Moved(Conflict):
    """A tested patch did not apply: the object changed since it was read, or is not as said."""


class Api:
    """One cluster, as one target names it, until one deadline."""

    def __init__(self, spec: TargetSpec, deadline: Deadline) -> None:
        self.spec = spec
        self.deadline = deadline

    def get(self, path: str) -> Object:
        """One object."""
        return self._call("GET", path)

    def raise_unless_ok(self, path: str) -> None:
        """Asks what may answer anything; any 2xx is well. Raises as every call."""
        self._call("GET", path, has_object=False)

    def listed(self, path: str, *, labels: Mapping[str, str] | None = None) -> list[Object]:
        """The objects of a collection, by labels."""
        chosen = ",".join(f"{name}={value}" for name, value in sorted((labels or {}).items()))
        query = {"labelSelector": chosen} if chosen else {}
        found: list[Object] = self._call("GET", path, query=query).get("items") or []
        return found

    def patch(self, path: str, patch: Patch, *, is_dry: bool = False) -> Object:
        """A JSON patch; unknown fields are refused, not dropped.

        Raises `Moved` where a test in it failed: nothing was written.
        """
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        query |= {"dryRun": "All"} if is_dry else {}
        return self._call("PATCH", path, query=query, body=list(patch), content_type=JSON_PATCH)

    def merge(self, path: str, patch: Mapping[str, Any]) -> Object:
        """A merge patch of an object without lists that others own."""
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        return self._call("PATCH", path, query=query, body=patch, content_type=MERGE_PATCH)

    def create(self, path: str, value: Mapping[str, Any]) -> Object:
        """Asks by creating: access reviews."""
        return self._call("POST", path, body=value, content_type="application/json")

    def delete(self, path: str) -> None:
        """Deletes one object."""
        self._call("DELETE", path)

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "",
        has_object: bool = True,
    ) -> Object:
        what = f"{self.spec.context}: {method} {path}"
        headers = {"Accept": "application/json", "User-Agent": MANAGER}
        if content_type:
            headers["Content-Type"] = content_type
        place = path + (f"?{urlencode(query)}" if query else "")
        raw = None if body is None else json.dumps(body).encode()
        request = (method, place, headers, raw)
        status, told, answer = self._exchange(connect(self.spec), request, what)
        if status == _UNAUTHORIZED:
            # A token that expired or was rotated since it was read. A refused call did nothing,
            # so it is sent again, once, with what files and credential plug-ins say now.
            forget()
            status, told, answer = self._exchange(connect(self.spec), request, what)
        if status < _OK:
            return _decoded(answer, what) if has_object else {}
        raise _refusal(status, told, answer, what, is_write=method != "GET")

    def _exchange(
        self,
        connection: Connection,
        request: tuple[str, str, Mapping[str, str], bytes | None],
        what: str,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body. Raises `Unavailable`."""
        import urllib3  # noqa: PLC0415 - comes with the client

        method, place, headers, raw = request
        if self.deadline.remaining_s <= 0:
            raise Unavailable(f"{what}: no time was left")
        left_s = max(0.05, min(READ_TIMEOUT_S, self.deadline.remaining_s))
        timeout = urllib3.Timeout(connect=min(CONNECT_TIMEOUT_S, left_s), read=left_s)
        try:
            answer = connection.pool.request(
                method,
                connection.url + place,
                body=raw,
                headers={**headers, **connection.headers()},
                timeout=timeout,
                retries=False,
                preload_content=False,
            )
            return answer.status, answer.headers, _read(answer, left_s)
        except urllib3.exceptions.HTTPError as error:
            raise _failure(error, what, is_write=method != "GET") from error


def _read(answer: Any, limit_s: float) -> bytes:
    """The whole body; a server that drips bytes is given up at the limit."""
    import urllib3  # noqa: PLC0415 - as above

    ends_at, chunks, size = monotonic_s() + limit_s, [], 0
    is_whole = False
    try:
        for chunk in answer.stream(_CHUNK_BYTES):
            chunks.append(chunk)
            size += len(chunk)
            if size > ANSWER_BYTES_MAX or monotonic_s() > ends_at:
                raise urllib3.exceptions.HTTPError(f"no whole answer, {size} bytes so far")
        is_whole = True
    finally:
        if is_whole:
            answer.release_conn()
        else:
            answer.close()
    return b"".join(chunks)


def _decoded(answer: bytes, what: str) -> Object:
    try:
        found = json.loads(answer)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unavailable(f"{what}: the answer is no object; is it an API server?")
    return found


def _refusal(
    status: int, headers: Mapping[str, str], answer: bytes, what: str, *, is_write: bool
) -> RolloutctlError:
    """The server's Status as an error of ours. A missing API answers plain text."""
    try:
        told = json.loads(answer)
        said = str(told.get("message", "")) if isinstance(told, dict) else ""
    except ValueError:
        said = answer[:200].decode(errors="replace").strip()
    message = f"{what}: {status}: {said}"
    context = what.split(":", 1)[0]
    if status == _UNAUTHORIZED:
        forget()
        hint = f"the credentials are wrong or expired: kubectl --context {context} auth whoami"
        return Unauthorized(message, hint=hint)
    if status == _FORBIDDEN:
        return Unauthorized(message, hint="docs/providers/kubernetes.md has the Role that it needs")
    if status == _NOT_FOUND:
        return NotFound(message, hint=_missing_hint(said))
    if status == _CONFLICT or (status == _INVALID and is_write):
        return Moved(message, hint="look at it; rolloutctl reads it again before its next write")
    if status == _TOO_MANY:
        after = headers.get("Retry-After", "1")
        wait_s = float(after) if after.isdigit() else 1.0
        return Unavailable(message, retry_after_s=wait_s)
    if status >= _SERVER:
        return Unavailable(message, may_have_landed=is_write)
    return Rejected(message, hint="the API server refused it as it stands")


def _missing_hint(said: str) -> str:
    if "page not found" in said:
        return "this cluster does not have that API: is its CRD installed?"
    return "check context, namespace and name of the target"


def _failure(error: Exception, what: str, *, is_write: bool) -> RolloutctlError:
    """What happened before or instead of an answer."""
    from urllib3 import exceptions as http  # noqa: PLC0415 - as above

    reason = getattr(error, "reason", None) or error
    never_sent = (http.NewConnectionError, http.ConnectTimeoutError, http.NameResolutionError)
    message = f"{what}: {type(reason).__name__}: {str(reason)[:200]}"
    if isinstance(reason, never_sent) or isinstance(error, never_sent):
        return Unavailable(message, hint="is the API server reachable from here?")
    if isinstance(reason, http.SSLError) or isinstance(error, http.SSLError):
        hint = "the certificate is not the one that the kubeconfig trusts"
        return Unavailable(message, hint=hint)
    return Unavailable(message, may_have_landed=is_write)
