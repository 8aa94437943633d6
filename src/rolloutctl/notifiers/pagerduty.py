"""Notifier `pagerduty`: wakes somebody when a rollback or kill is not confirmed.

Events API v2, https://developer.pagerduty.com/docs/send-alert-event: one incident a rollout,
by its `dedup_key`, resolved when the rollout is over. By default only what a human must look
at now: `stuck` and `kill-not-confirmed`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from rolloutctl.core.ports import Message
from rolloutctl.core.secret import SecretRef
from rolloutctl.core.units import doc
from rolloutctl.credentials import read_secret
from rolloutctl.http import HttpClient, HttpRequest
from rolloutctl.notifiers.telling_spec import Telling, at_text, hears, worded

API_URL = "https://events.pagerduty.com"
#: Told unless `on` says otherwise.
WAKING = frozenset({"stuck", "kill-not-confirmed"})
#: The end of an incident.
_END = "finished"
#: What is kept while an incident is open.
_OPEN = "open"
_RESOLVED = "resolved"
#: Longer summaries are refused.
_SUMMARY_CHARS_MAX = 1_024
_KEY_CHARS_MAX = 255


class PagerSeverity(StrEnum):
    """How bad it is; PagerDuty's words."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutySpec(Telling):
    """Which service is alerted."""

    routing_key: SecretRef = doc("the integration key of the service, Events API v2")
    severity: PagerSeverity = doc("of what is told", default=PagerSeverity.CRITICAL)
    url: str = doc("the Events API's address", default=API_URL)


class PagerDuty:
    """Alerts a PagerDuty service."""

    name: ClassVar[str] = "pagerduty"
    Spec: ClassVar[type] = PagerDutySpec

    def __init__(self, spec: PagerDutySpec) -> None:
        self._spec = spec
        self._client = HttpClient(spec.tls, total_timeout_s=spec.timeout_s)

    def notify(self, message: Message, *, timeout_s: float) -> str | None:
        """Triggers, or resolves what was triggered before. Raises as `HttpClient`.

        Telling again is harmless: one `dedup_key` is one incident.
        """
        if message.event == _END and message.reference == _OPEN:
            self._send({"event_action": "resolve"}, message, timeout_s)
            return _RESOLVED
        if not hears(self._spec, message, by_default=WAKING):
            return None
        self._send(
            {"event_action": "trigger", "payload": self._payload(message)}, message, timeout_s
        )
        return _OPEN

    def _payload(self, message: Message) -> Mapping[str, Any]:
        who = message.rollout_id or message.playbook
        text = worded(self._spec, message)
        return {
            "summary": f"rolloutctl {who}: {text}"[:_SUMMARY_CHARS_MAX],
            "source": who,
            "severity": self._spec.severity.value,
            "timestamp": at_text(message),
            "component": message.playbook,
            "class": message.event,
            "custom_details": {
                "rollout": message.rollout_id,
                "playbook": message.playbook,
                "phase": message.phase,
                "what to do": f"rolloutctl status {message.rollout_id}".rstrip(),
            },
        }

    def _send(self, event: Mapping[str, Any], message: Message, timeout_s: float) -> None:
        body = {
            "routing_key": read_secret(self._spec.routing_key).reveal(),
            "dedup_key": f"rolloutctl:{message.rollout_id or message.playbook}"[:_KEY_CHARS_MAX],
            **event,
        }
        request = HttpRequest(
            method="POST",
            url=f"{self._spec.url.rstrip('/')}/v2/enqueue",
            headers={"Content-Type": "application/json", **self._spec.sent_headers()},
            body=json.dumps(body, ensure_ascii=False).encode(errors="replace"),
        )
        self._client.send(request, timeout_s=min(timeout_s, self._spec.timeout_s))
