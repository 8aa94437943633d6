"""Notifier `webhook`: POSTs each message to an address, once.

Format `json` (the default) is ours, documented in `_document`; `slack` is what Slack's and
Mattermost's incoming webhooks take. Auth: the address itself, headers, or a signature of the
body. The receiver can recognise a repeated message by the header `Idempotency-Key`. Redirects
are not followed. The address's path is never shown: for incoming webhooks it is the secret.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar
from urllib.parse import quote, unquote, urlsplit

from rolloutctl.clock import SystemClock
from rolloutctl.core.ports import Message
from rolloutctl.core.secret import SecretRef
from rolloutctl.core.units import doc
from rolloutctl.credentials import read_secret, remember
from rolloutctl.http import HttpClient, HttpRequest, without_user
from rolloutctl.notifiers.slack_text import escaped
from rolloutctl.notifiers.telling_spec import Telling, at_text, hears, worded

#: The version of the JSON; it only changes by addition within one.
SCHEMA = "rolloutctl.message/v1"
#: Carries `t=SECONDS,v1=HEX`: HMAC-SHA256 of `SECONDS.BODY` under the shared secret.
SIGNATURE = "X-Rolloutctl-Signature"
_KEY_CHARS_MAX = 200
#: A part of a path that looks like a token: no word that other texts hold too.
_TOKEN_LIKE = re.compile(r"(?=.*[A-Z0-9]).{8,}")


class WebhookFormat(StrEnum):
    """What the body looks like."""

    JSON = "json"
    SLACK = "slack"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSpec(Telling):
    """Where to, and in which format."""

    url: str | SecretRef = doc("the address; ${env.NAME} if its path is secret")
    format: WebhookFormat = doc("json (ours) or slack", default=WebhookFormat.JSON)
    secret: SecretRef | None = doc("signs each body, in X-Rolloutctl-Signature", default=None)


class Webhook:
    """Tells an HTTP endpoint."""

    name: ClassVar[str] = "webhook"
    Spec: ClassVar[type] = WebhookSpec

    def __init__(self, spec: WebhookSpec) -> None:
        self._spec = spec
        self._client = HttpClient(spec.tls, total_timeout_s=spec.timeout_s)

    def notify(self, message: Message, *, timeout_s: float) -> None:
        """Returns after a 2xx answer; its body is of no interest. Raises as `HttpClient`."""
        if not hears(self._spec, message):
            return
        url, user = self._address()
        body = self._body(message)
        headers = {
            "Content-Type": "application/json",
            **self._spec.sent_headers(user),
            "Idempotency-Key": quote(message.key, safe=":/-_.~ ")[:_KEY_CHARS_MAX],
            **self._signed(body),
        }
        request = HttpRequest(
            method="POST",
            url=url,
            headers=headers,
            body=body,
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

    def _signed(self, body: bytes) -> Mapping[str, str]:
        if self._spec.secret is None:
            return {}
        return {SIGNATURE: signature(read_secret(self._spec.secret).reveal(), body, _now_s())}

    def _body(self, message: Message) -> bytes:
        text = worded(self._spec, message)
        document = _document(message, text)
        if self._spec.format is WebhookFormat.SLACK:
            document = {"text": _slack_text(message, text)}
        return json.dumps(document, ensure_ascii=False).encode(errors="replace")


def signature(secret: str, body: bytes, at_s: int) -> str:
    """The header's value. The time is signed with the body, so that neither is replayed."""
    signed = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256)
    return f"t={at_s},v1={signed.hexdigest()}"


def _now_s() -> int:
    return int(SystemClock().now().timestamp())


def _document(message: Message, text: str) -> Mapping[str, str]:
    """Our JSON: all values are texts, `at` is RFC 3339 UTC; `key` repeats on a repeat."""
    return {
        "schema": SCHEMA,
        "key": message.key,
        "rollout": message.rollout_id,
        "playbook": message.playbook,
        "event": message.event,
        "phase": message.phase,
        "text": text,
        "at": at_text(message),
    }


def _slack_text(message: Message, text: str) -> str:
    """Plain text."""
    said = f"{message.rollout_id} ({message.playbook}) {message.event}: {text}".lstrip()
    return escaped(said)
