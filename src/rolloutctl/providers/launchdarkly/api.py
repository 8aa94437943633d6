"""Calls of the REST API: one request, one answer or one mapped error, within the time.

Nothing is sent twice. LaunchDarkly's own words stand in the messages, with the way out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from rolloutctl.clock import SystemClock
from rolloutctl.core.json_types import Json
from rolloutctl.credentials import redact
from rolloutctl.errors import Rejected, RolloutctlError, Unavailable
from rolloutctl.http import HttpClient, HttpRequest, HttpResponse, checked_header, error_for
from rolloutctl.providers.launchdarkly import budget
from rolloutctl.providers.launchdarkly.place import TargetSpec, base_url

#: The version of the API that this was written for.
API_VERSION = "20240415"
#: How long an answer may take.
READ_TIMEOUT_S = 5.0
#: How much of LaunchDarkly's own message is quoted.
MESSAGE_CHARS_MAX = 400
#: Comments longer than this are cut.
COMMENT_CHARS_MAX = 500
#: Without it the API takes the body for a JSON patch.
_SEMANTIC = "application/json; domain-model=launchdarkly.semanticpatch"
_APPROVAL = 405
_RATE_LIMITED = 429
#: Statuses that carry a reason worth more than their number.
_EXPLAINED = frozenset({400, 401, 403, 404, _APPROVAL, 409, 422, _RATE_LIMITED})


class ApprovalRequired(Rejected):
    """The environment takes this change only when people have approved it."""


class Api:
    """The REST API for one project and environment; holds no connection and no secret."""

    __slots__ = ("_base", "_client", "_spec")

    def __init__(self, spec: TargetSpec) -> None:
        self._spec = spec
        self._base = base_url(spec)
        self._client = HttpClient(spec.tls)

    def get(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        timeout_s: float,
        version: str = API_VERSION,
    ) -> object:
        """The answer's JSON. `version` "beta" is for resources that are still in beta."""
        text = f"?{urlencode(query)}" if query else ""
        request = self._request("GET", f"/api/v2{path}{text}", version=version)
        return self._send(request, timeout_s).json()

    def patch(
        self,
        flag: str,
        instructions: Sequence[Mapping[str, Json]],
        *,
        comment: str,
        timeout_s: float,
        rescues: bool = False,
        dry: bool = False,
    ) -> object:
        """One semantic patch, all or nothing; the flag as it is then.

        Args:
            flag: its key.
            instructions: what to do, in order.
            comment: for the audit log.
            timeout_s: limit of the exchange.
            rescues: goes past pending scheduled changes, which it may make fail.
            dry: checked by LaunchDarkly, but not done.
        """
        query = {"ignoreConflicts": "true"} if rescues else {}
        query |= {"dryRun": "true"} if dry else {}
        text = f"?{urlencode(query)}" if query else ""
        document = {
            "environmentKey": self._spec.environment,
            "instructions": [dict(each) for each in instructions],
            "comment": comment[:COMMENT_CHARS_MAX],
        }
        request = self._request(
            "PATCH", f"/api/v2{self.flag_path(flag)}{text}", json.dumps(document).encode()
        )
        return self._send(request, timeout_s).json()

    def flag_path(self, flag: str) -> str:
        """The flag, in every environment."""
        return f"/flags/{quote(self._spec.project, safe='')}/{quote(flag, safe='')}"

    def dependents_path(self, flag: str) -> str:
        """The flags of the environment that have the flag as a prerequisite (in beta)."""
        place = (self._spec.project, self._spec.environment, flag)
        return f"/flags/{'/'.join(quote(each, safe='') for each in place)}/dependent-flags"

    def environment_path(self, flag: str = "") -> str:
        """The environment of the project, or the flag's in it."""
        project = f"/projects/{quote(self._spec.project, safe='')}"
        own = f"/flags/{quote(flag, safe='')}" if flag else ""
        return f"{project}{own}/environments/{quote(self._spec.environment, safe='')}"

    def reserved_s(self) -> float:
        """Seconds for which looking should leave the rate limit to writers."""
        return budget.reserved_s(self._base, SystemClock().now())

    def _request(
        self, method: str, path: str, body: bytes = b"", *, version: str = API_VERSION
    ) -> HttpRequest:
        headers = {
            "Authorization": checked_header("Authorization", self._spec.token),
            "LD-API-Version": version,
        }
        if body:
            headers["Content-Type"] = _SEMANTIC
        return HttpRequest(
            method=method,
            url=self._base + path,
            headers=headers,
            body=body,
            writes=method != "GET",
            expected=_EXPLAINED,
        )

    def _send(self, request: HttpRequest, timeout_s: float) -> HttpResponse:
        response = self._client.send(request, timeout_s=timeout_s)
        looks = not request.writes and "/api/v2/flags/" in request.url
        budget.note(self._base, response.headers, SystemClock().now(), looks=looks)
        if response.status in _EXPLAINED:
            raise _explained(response, self._spec)
        return response


def _explained(response: HttpResponse, spec: TargetSpec) -> RolloutctlError:
    """The error of the status with LaunchDarkly's reason and the way out."""
    reason = _reason(response)
    message = f"{response.request.title}: {response.status}: {reason}"
    hint = _way_out(response.status, reason, spec)
    if response.status == _APPROVAL:
        return ApprovalRequired(message, hint=hint)
    error = error_for(response)
    if isinstance(error, Unavailable):
        told_s = error.retry_after_s
        wait_s = budget.wait_s(response.headers, SystemClock().now()) if told_s is None else told_s
        error.retry_after_s = wait_s + budget.spread_s()
    error.message, error.hint = message, hint or error.hint
    error.args = (message,)
    return error


def _reason(response: HttpResponse) -> str:
    """LaunchDarkly's own sentence."""
    try:
        found = response.json()
    except Unavailable:
        return response.excerpt
    if not isinstance(found, Mapping) or not found.get("message"):
        return response.excerpt
    text = redact(str(found["message"]))
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line[:MESSAGE_CHARS_MAX]


def _way_out(status: int, reason: str, spec: TargetSpec) -> str:
    resource = f"proj/{spec.project}:env/{spec.environment}:flag/{spec.flag}"
    lowered = reason.lower()
    match status:
        case 405:
            return approval_hint(spec)
        case 401:
            return f"{spec.token} holds no access token that LaunchDarkly knows; SDK keys are none"
        case 403:
            return f"give the token's role the actions on {resource} (a writer has them)"
        case 404:
            return f"check project, environment and flag ({resource}) and the url's region"
        case 429:
            return "all tokens of the account share this limit: fewer rollouts, longer intervals"
        case 400 if "guarded" in lowered or "progressive" in lowered:
            return "stop LaunchDarkly's own rollout on the flag's page first"
        case 400 if "conflict" in lowered or "scheduled" in lowered:
            return "a scheduled change or approval request is pending: remove it on the flag's page"
        case _:
            return ""


def approval_hint(spec: TargetSpec) -> str:
    """What to do where LaunchDarkly wants every change approved by people."""
    return (
        f"{spec.environment} takes changes only when approved: give the token's role the action"
        f" bypassRequiredApproval, or make and approve the change at {page_of(spec)}"
    )


def page_of(spec: TargetSpec) -> str:
    """Where people see the flag."""
    place = "/".join(quote(each, safe="") for each in (spec.project, "flags", spec.flag))
    environment = quote(spec.environment, safe="")
    return f"{base_url(spec)}/projects/{place}/targeting?env={environment}"
