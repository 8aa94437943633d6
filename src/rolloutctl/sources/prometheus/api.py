"""What is asked of Prometheus' HTTP API, and how it says no.

https://prometheus.io/docs/prometheus/latest/querying/api/ (2.42 observed): errors are
JSON with `errorType`: bad_data 400, execution 422, timeout and canceled 503, internal 500;
what stands before it (a proxy, another path) answers in plain text or HTML.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from rolloutctl.core.secret import SecretRef
from rolloutctl.credentials import read_place, redact
from rolloutctl.errors import NotFound, Rejected, RolloutctlError, Unavailable
from rolloutctl.http import (
    Access,
    HttpClient,
    HttpRequest,
    HttpResponse,
    error_for,
    with_path,
    without_user,
)

#: Statuses whose body explains them (see above).
_EXPLAINED = frozenset({400, 422, 500, 503})
#: How much of a warning or of a refusal is kept.
_REASON_CHARS_MAX = 300
_VERSION_CHARS_MAX = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The `data` of a successful query."""

    kind: str  # "vector" | "matrix" | "scalar" | "string"
    result: Sequence[Any]  # as JSON; readings.py checks it
    warnings: str = ""


class PrometheusApi:
    """Sends queries; keeps nothing between calls but connections."""

    def __init__(self, url: str | SecretRef, access: Access, *, tenant: str) -> None:
        self._url = url
        self._access = access
        self._tenant = tenant
        self._client = HttpClient(access.tls, total_timeout_s=access.timeout_s)

    def instant(self, query: str, at: datetime) -> Answer:
        """Evaluates at one time. Raises `Rejected` if the query itself is wrong."""
        return self._ask("/api/v1/query", query, {"time": seconds(at)})

    def range(self, query: str, start: datetime, end: datetime, *, step_s: float) -> Answer:
        """Evaluates at start, start + step … up to end."""
        when = {"start": seconds(start), "end": seconds(end), "step": f"{step_s:.3f}"}
        return self._ask("/api/v1/query_range", query, when)

    def metric_names(
        self, start: datetime, end: datetime, *, matching: str = "", limit: int
    ) -> list[str]:
        """Names of metrics with samples in the time, at most `limit`.

        https://prometheus.io/docs/prometheus/latest/querying/api/#querying-label-values;
        servers before 2.49 ignore `limit`.
        """
        fields = {"start": seconds(start), "end": seconds(end), "limit": str(limit)}
        if matching:
            fields["match[]"] = matching
        path = f"/api/v1/label/__name__/values?{urlencode(fields)}"
        response = self._send("GET", path, b"")
        if response.status not in range(200, 300):
            raise _explained(response, matching)
        document = response.json()
        data = document.get("data") if isinstance(document, dict) else None
        if not isinstance(data, list):
            raise _misshapen(response)
        return _texts(data)[:limit]

    def rules(self) -> Mapping[str, Any]:  # Any: JSON; rules.py checks it
        """The `data` of all loaded alerting rules with their active alerts.

        https://prometheus.io/docs/prometheus/latest/querying/api/#rules; Thanos leaves out
        what it cannot reach unless it is told not to, and its warnings say so.
        """
        response = self._send("GET", "/api/v1/rules?type=alert&partial_response=false", b"")
        if response.status not in range(200, 300):
            raise _explained(response, "the loaded rules")
        document = response.json()
        data = document.get("data") if isinstance(document, dict) else None
        if not isinstance(data, dict) or document.get("status") != "success":
            raise _misshapen(response)
        if notes := _texts(document.get("warnings")):
            reason = redact("; ".join(notes))[:_REASON_CHARS_MAX]
            raise Unavailable(f"{response.request.title}: not all rules are told: {reason}")
        return data

    def build_info(self) -> tuple[str, HttpResponse | None]:
        """The version, or "" where the service does not tell, and the answer."""
        try:
            response = self._send("GET", "/api/v1/status/buildinfo", b"")
        except (NotFound, Rejected):
            return "", None  # Thanos, Mimir and old versions have no such page
        if response.status in _EXPLAINED:
            return "", response
        document = response.json()
        data = document.get("data") if isinstance(document, dict) else None
        version = data.get("version") if isinstance(data, dict) else None
        return (version[:_VERSION_CHARS_MAX] if isinstance(version, str) else ""), response

    @property
    def address(self) -> str:
        """The address without user and password. Raises as a query."""
        return without_user(read_place(self._url))[0]

    def _ask(self, path: str, query: str, when: Mapping[str, str]) -> Answer:
        form = {
            "query": query,
            **when,
            # Prometheus then stops evaluating too, instead of working for nobody.
            "timeout": f"{math.ceil(self._access.timeout_s * 1000)}ms",
            # Thanos answers with half of the data by default and only warns of it; Prometheus
            # ignores the field. https://thanos.io/tip/components/query.md/#partial-response
            "partial_response": "false",
        }
        response = self._send("POST", path, urlencode(form).encode())
        return _answer(response, query)

    def _send(self, method: str, path: str, body: bytes) -> HttpResponse:
        url, user = without_user(read_place(self._url))
        headers = self._access.sent_headers(user)
        if self._tenant:
            headers["X-Scope-OrgID"] = self._tenant
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self._client.send(
            HttpRequest(
                method=method,
                url=with_path(url, path),
                headers=headers,
                body=body,
                writes=False,
                expected=_EXPLAINED,
            )
        )


def seconds(at: datetime) -> str:
    """A time as the API takes it: Unix seconds, to the millisecond it works with."""
    return f"{at.timestamp():.3f}"


def _answer(response: HttpResponse, query: str) -> Answer:
    if response.status not in range(200, 300):
        raise _explained(response, query)
    document = response.json()
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict) or document.get("status") != "success":
        raise Unavailable(
            f"{response.request.title}: an answer of another shape: {response.excerpt}"
        )
    kind, result = data.get("resultType"), data.get("result")
    if not isinstance(kind, str) or not isinstance(result, list):
        raise Unavailable(
            f"{response.request.title}: an answer of another shape: {response.excerpt}"
        )
    notes = [*_texts(document.get("warnings")), *_texts(document.get("infos"))]
    return Answer(kind=kind, result=result, warnings=redact("; ".join(notes))[:_REASON_CHARS_MAX])


def _misshapen(response: HttpResponse) -> Unavailable:
    return Unavailable(
        f"{response.request.title}: an answer of another shape: {response.excerpt}",
        hint="url must be the base address of a Prometheus",
    )


def _explained(response: HttpResponse, query: str) -> RolloutctlError:
    plain = error_for(response)
    if response.content_type != "application/json":
        return plain
    document = response.json()
    if not isinstance(document, dict) or not isinstance(document.get("error"), str):
        return plain
    reason = redact(document["error"])[:_REASON_CHARS_MAX]
    text = f"{response.request.title}: {document.get('errorType', response.status)}: {reason}"
    if isinstance(plain, Rejected):
        return Rejected(text, hint=f"correct the query: {query[:_REASON_CHARS_MAX]}")
    if isinstance(plain, Unavailable):
        return Unavailable(text, hint=plain.hint, retry_after_s=plain.retry_after_s)
    return plain


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
