"""Stand-ins for Slack's Web API and PagerDuty's Events API that remember what they were told.

Slack: https://api.slack.com/methods/chat.postMessage, https://api.slack.com/methods/chat.update.
PagerDuty: https://developer.pagerduty.com/docs/send-alert-event.
"""

from __future__ import annotations

import json

from servers.scripted import Answer, ScriptedServer


class SlackServer(ScriptedServer):
    """Messages by their ts; `errors` are answered first, one a request, status 200."""

    def __init__(self, *, token):
        super().__init__(self.answer)
        self.token = token
        self.messages: dict[str, dict] = {}
        self.errors: list[str] = []

    def answer(self, seen):
        """As Slack answers: 200 with `ok`, whatever is wrong."""
        if seen.headers.get("authorization") != f"Bearer {self.token}":
            return self._no("invalid_auth")
        if self.errors:
            return self._no(self.errors.pop(0))
        body = json.loads(seen.body)
        if seen.path == "/chat.postMessage":
            ts = f"1700000000.{len(self.messages):06d}"
            self.messages[ts] = body
        elif body["ts"] in self.messages and body["channel"] == "C123":
            ts = body["ts"]
            self.messages[ts] = {**body, "is_updated": True}
        else:
            return self._no("message_not_found")
        return Answer(body=json.dumps({"ok": True, "channel": "C123", "ts": ts}))

    @staticmethod
    def _no(error):
        return Answer(body=json.dumps({"ok": False, "error": error}))

    @property
    def heads(self):
        """Messages of the channel itself."""
        return [one for one in self.messages.values() if "thread_ts" not in one]

    @property
    def thread(self):
        """What was answered in threads."""
        return [one["text"] for one in self.messages.values() if "thread_ts" in one]


class PagerDutyServer(ScriptedServer):
    """Open incidents by their key, as enqueued events make them."""

    def __init__(self):
        super().__init__(self.answer)
        self.events: list[dict] = []
        self.open: set[str] = set()

    def answer(self, seen):
        """202 for what it takes, 400 for what it does not."""
        event = json.loads(seen.body)
        if seen.path != "/v2/enqueue" or len(event.get("routing_key", "")) != 32:
            return Answer(status=400, body='{"status": "invalid event"}')
        self.events.append(event)
        change = {"trigger": self.open.add, "resolve": self.open.discard}[event["event_action"]]
        change(event["dedup_key"])
        return Answer(status=202, body='{"status": "success"}')
