"""Notifier `webhook`: POSTs each message to an address, once.

Format `json` (the default) is ours, documented in `_document`; `slack` is what Slack's and
Mattermost's incoming webhooks take. Auth: the address itself, or headers. The receiver can
recognise a repeated message by the header `Idempotency-Key`. Redirects are not followed.
The address's path is never shown: for incoming webhooks it is the secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from typing import ClassVar
from urllib.parse import quote, unquote, urlsplit

from rolloutctl.core.ports import Message
from rolloutctl.core.secret import SecretRef
from rolloutctl.core.units import doc
from rolloutctl.credentials import read_secret, redact, remember
from rolloutctl.http import Access, HttpClient, HttpRequest, without_user

#: The version of the JSON; it only changes by addition within one.
SCHEMA = "rolloutctl.message/v1"
#: Slack cuts longer texts itself (40,000); nobody reads this much.
TEXT_CHARS_MAX = 4_000
_KEY_CHARS_MAX = 200
#: A part of a path that looks like a token: no word that other texts hold too.
_TOKEN_LIKE = re.compile(r"(?=.*[A-Z0-9]).{8,}")


class WebhookFormat(StrEnum):
    """What the body looks like."""

    JSON = "json"
    SLACK = "slack"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSpec(Access):
    """Where to, and in which format."""

    url: str | SecretRef = doc("the address; ${env.NAME} if its path is secret")
    format: WebhookFormat = doc("json (ours) or slack", default=WebhookFormat.JSON)


class Webhook:
    """Tells an HTTP endpoint."""

    name: ClassVar[str] = "webhook"
    Spec: ClassVar[type] = WebhookSpec

    def __init__(self, spec: WebhookSpec) -> None:
        self._spec = spec
        self._client = HttpClient(spec.tls, total_timeout_s=spec.timeout_s)

    def notify(self, message: Message, *, timeout_s: float) -> None:
        """Returns after a 2xx answer; its body is of no interest. Raises as `HttpClient`."""
        url, user = self._address()
        headers = {
            "Content-Type": "application/json",
            **self._spec.sent_headers(user),
            "Idempotency-Key": quote(message.key, safe=":/-_.~ ")[:_KEY_CHARS_MAX],
        }
        request = HttpRequest(
            method="POST",
            url=url,
            headers=headers,
            body=self._body(message),
            shows_path=False,
            needs_body=False,
        )
        self._client.send(request, timeout_s=min(timeout_s, self._spec.timeout_s))

    def _address(self) -> tuple[str, tuple[str, str] | None]:
        if isinstance(self._spec.url, str):
            return without_user(self._spec.url)
        url, user = without_user(read_secret(self._spec.url).reveal())
        parts = urlsplit(url)
        # A service may quote only the path, or a part of it, in its answer.
        for part in (parts.path, parts.query, *re.split("[/&=]", parts.path + "/" + parts.query)):
            if _TOKEN_LIKE.fullmatch(part):
                remember(unquote(part))
        return url, user

    def _body(self, message: Message) -> bytes:
        document = _document(message)
        if self._spec.format is WebhookFormat.SLACK:
            document = {"text": _slack_text(message)}
        return json.dumps(document, ensure_ascii=False).encode(errors="replace")


def _document(message: Message) -> Mapping[str, str]:
    """Our JSON: all values are texts, `at` is RFC 3339 UTC; `key` repeats on a repeat."""
    return {
        "schema": SCHEMA,
        "key": message.key,
        "rollout": message.rollout_id,
        "playbook": message.playbook,
        "event": message.event,
        "phase": message.phase,
        "text": _text(message),
        "at": message.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }


def _text(message: Message) -> str:
    return redact(message.text)[:TEXT_CHARS_MAX]


def _slack_text(message: Message) -> str:
    """Plain text; the three characters that Slack reads as markup are escaped.

    https://api.slack.com/reference/surfaces/formatting#escaping: without it a gate's text
    could mention everybody with <!channel>.
    """
    text = f"{message.rollout_id} ({message.playbook}) {message.event}: {_text(message)}".lstrip()
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
