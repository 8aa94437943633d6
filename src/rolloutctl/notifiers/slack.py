"""Notifier `slack`: one message a rollout, kept up to date, with the details in its thread.

Slack's Web API with a bot token (scope chat:write):
https://api.slack.com/methods/chat.postMessage and https://api.slack.com/methods/chat.update.
Which message it is stands in the journal, so whoever drives next updates the same one. An
incoming webhook cannot update: for one, take `webhook` with `format: slack`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from rolloutctl.core.ports import Message
from rolloutctl.core.secret import SecretRef
from rolloutctl.core.units import doc
from rolloutctl.credentials import read_secret, redact
from rolloutctl.errors import NotFound, Rejected, Unauthorized, Unavailable
from rolloutctl.http import HttpClient, HttpRequest
from rolloutctl.notifiers.slack_text import escaped
from rolloutctl.notifiers.telling_spec import Telling, at_text, hears, worded

API_URL = "https://slack.com/api"
#: Errors of an answer that is 200 all the same, https://api.slack.com/methods/chat.postMessage.
_UNAUTHORIZED = frozenset(
    {
        "not_authed",
        "invalid_auth",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "no_permission",
        "missing_scope",
        "not_allowed_token_type",
    }
)
_UNAVAILABLE = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable"}
)
_HINTS = {
    "channel_not_found": "give the channel's id, and invite the bot if it is private",
    "not_in_channel": "invite the bot to the channel: /invite @NAME",
    "is_archived": "unarchive the channel, or name another",
    "missing_scope": "give the app the scope chat:write",
}
#: What the message to update is gone by.
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSpec(Telling):
    """Which channel, and as whom."""

    token: SecretRef = doc("the bot token, xoxb-…; its app needs the scope chat:write")
    channel: str = doc("the channel's id, such as C0123456789")
    url: str = doc("the Web API's address", default=API_URL)

    def __post_init__(self) -> None:
        """Raises `ValueError`, which lint shows at the spec's place."""
        Telling.__post_init__(self)
        if not self.channel.strip():
            raise ValueError("channel is empty: give the channel's id")
        if self.bearer_token or self.basic_auth:
            raise ValueError("slack is let in by `token` alone")


class _SlackError(Rejected):
    """An error that Slack names; `code` is its name."""

    def __init__(self, message: str, *, code: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class Slack:
    """Tells a Slack channel."""

    name: ClassVar[str] = "slack"
    Spec: ClassVar[type] = SlackSpec

    def __init__(self, spec: SlackSpec) -> None:
        self._spec = spec
        self._client = HttpClient(spec.tls, total_timeout_s=spec.timeout_s)

    def notify(self, message: Message, *, timeout_s: float) -> str | None:
        """Updates the rollout's message and answers in its thread; the first one is posted.

        Returns `CHANNEL:TS` of a message that was posted. Raises as `HttpClient`; a repeat
        after a lost answer may stand in the thread twice.
        """
        if not hears(self._spec, message):
            return None
        channel, _, ts = message.reference.rpartition(":")
        if not (channel and ts and message.rollout_id):
            return self._post(message, timeout_s)
        try:
            self._ask(
                "chat.update", {"channel": channel, "ts": ts, **self._head(message)}, timeout_s
            )
        except _SlackError as error:
            if error.code not in _GONE:
                raise
            return self._post(message, timeout_s)
        text = escaped(f"{message.event}: {worded(self._spec, message)}")
        self._ask(
            "chat.postMessage", {"channel": channel, "thread_ts": ts, "text": text}, timeout_s
        )
        return None

    def _post(self, message: Message, timeout_s: float) -> str:
        body = {"channel": self._spec.channel, **self._head(message)}
        answer = self._ask("chat.postMessage", body, timeout_s)
        return f"{answer.get('channel', self._spec.channel)}:{answer.get('ts', '')}"

    def _head(self, message: Message) -> Mapping[str, Any]:
        """The message itself: how the rollout stands now."""
        text = escaped(worded(self._spec, message))
        title = escaped(message.rollout_id or message.playbook)
        return {
            "text": f"*{title}* ({escaped(message.playbook)}): *{escaped(message.phase)}*\n{text}\n"
            f"_{escaped(message.event)}, {at_text(message)}_",
            "unfurl_links": False,
        }

    def _ask(self, method: str, body: Mapping[str, Any], timeout_s: float) -> Mapping[str, Any]:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            **self._spec.sent_headers(),
            "Authorization": f"Bearer {read_secret(self._spec.token).reveal()}",
        }
        request = HttpRequest(
            method="POST",
            url=f"{self._spec.url.rstrip('/')}/{method}",
            headers=headers,
            body=json.dumps(body, ensure_ascii=False).encode(errors="replace"),
        )
        response = self._client.send(request, timeout_s=min(timeout_s, self._spec.timeout_s))
        try:
            answer = json.loads(response.body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Unavailable(f"{method}: the answer is no JSON object")
        if answer.get("ok") is not True:
            raise _mapped(method, str(answer.get("error", "unknown_error")))
        return answer


def _mapped(method: str, code: str) -> Exception:
    said, hint = redact(f"slack {method}: {code}")[:200], _HINTS.get(code, "")
    if code in _UNAVAILABLE:
        return Unavailable(said)
    if code in _UNAUTHORIZED:
        return Unauthorized(said, hint=hint or "give a bot token of an app that is installed")
    if code == "channel_not_found":
        return NotFound(said, hint=hint)
    return _SlackError(said, code=code, hint=hint)
