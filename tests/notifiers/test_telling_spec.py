"""Which events a notifier hears, in which words; and how a receiver knows who speaks."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import replace

import pytest

from docs.pages import ROOT, blocks
from notifiers.test_webhook import MESSAGE
from rolloutctl.core.message_events import MESSAGE_EVENTS
from rolloutctl.core.secret import SecretRef
from rolloutctl.notifiers.telling_spec import TEMPLATE_NAMES
from rolloutctl.notifiers.webhook import SIGNATURE, Webhook, WebhookSpec
from rolloutctl.runner import messages
from servers.scripted import Answer, ScriptedServer


def test_only_the_events_that_are_wanted_are_told():
    """And a step's own text, which names who is told."""
    with ScriptedServer(Answer(status=204)) as server:
        hook = Webhook(WebhookSpec(url=server.url, on=("stuck",)))
        for event in ("started", "stuck", "notify"):
            hook.notify(replace(MESSAGE, event=event), timeout_s=5)

    assert [json.loads(seen.body)["event"] for seen in server.seen] == ["stuck", "notify"]


def test_a_template_words_the_text():
    """Names only; braces are doubled."""
    template = "{{{rollout}}} {phase}: {text} at {at}"
    with ScriptedServer(Answer(status=204)) as server:
        Webhook(WebhookSpec(url=server.url, template=template)).notify(MESSAGE, timeout_s=5)

    said = json.loads(server.seen[0].body)["text"]
    assert said == f"{{r-41}} rolling-back: {MESSAGE.text} at 2027-01-01T12:00:00Z"


@pytest.mark.parametrize(
    "template",
    ["{nothing}", "{text.__class__}", "{text[0]}", "{text!r}", "{text:>9}", "{", "}", "{}"],
)
def test_what_is_no_template_is_refused_when_the_playbook_is_read(template):
    """No attribute, index or format reaches a message."""
    with pytest.raises(ValueError, match="template"):
        WebhookSpec(url="http://127.0.0.1/hook", template=template)


def test_an_event_that_does_not_exist_is_refused_with_those_that_do():
    """A typing error would mean that nobody is ever told."""
    with pytest.raises(ValueError, match="no event 'stuk'; there are started"):
        WebhookSpec(url="http://127.0.0.1/hook", on=("stuk",))


def test_the_events_of_the_messages_are_those_that_a_filter_may_name():
    """Neither more nor less."""
    source = (ROOT / "src/rolloutctl/runner/messages.py").read_text("utf-8")
    made = set(re.findall(r'return "([a-z-]+)", ', source))
    made |= {f"gate-{outcome}" for outcome in messages._BAD}

    assert made | {"notify"} == set(MESSAGE_EVENTS)


def test_every_event_and_every_name_of_a_template_is_documented():
    """In one page."""
    page = (ROOT / "docs/notifiers.md").read_text("utf-8")

    assert [event for event in MESSAGE_EVENTS if f"`{event}`" not in page] == []
    assert [name for name in TEMPLATE_NAMES if f"`{{{name}}}`" not in page] == []


def test_a_signature_is_of_the_time_and_the_body(monkeypatch):
    """A receiver computes it anew, from exactly what arrived."""
    monkeypatch.setenv("HOOK_SECRET", "planted-hook-4715")
    with ScriptedServer(Answer(status=204)) as server:
        spec = WebhookSpec(url=server.url, secret=SecretRef(env="HOOK_SECRET"))
        Webhook(spec).notify(MESSAGE, timeout_s=5)

    (seen,) = server.seen
    at_s, given = re.fullmatch(
        r"t=(\d+),v1=([0-9a-f]{64})", seen.headers[SIGNATURE.lower()]
    ).groups()
    expected = hmac.new(b"planted-hook-4715", at_s.encode() + b"." + seen.body, hashlib.sha256)
    assert given == expected.hexdigest()


def test_the_receiver_that_the_page_shows_takes_what_is_sent_and_nothing_else(monkeypatch):
    """As it stands there."""
    monkeypatch.setenv("HOOK_SECRET", "planted-hook-4716")
    with ScriptedServer(Answer(status=204)) as server:
        spec = WebhookSpec(url=server.url, secret=SecretRef(env="HOOK_SECRET"))
        Webhook(spec).notify(MESSAGE, timeout_s=5)
    (seen,) = server.seen
    (block,) = blocks(ROOT / "docs/notifiers.md", "python")
    page = {}
    exec(block.text, page)  # noqa: S102 - our own documentation is the test
    header = seen.headers[SIGNATURE.lower()]
    at_s = int(re.search(r"t=(\d+)", header)[1])

    assert page["is_genuine"]("planted-hook-4716", header, seen.body, at_s + 1)
    assert not page["is_genuine"]("another", header, seen.body, at_s + 1)
    assert not page["is_genuine"]("planted-hook-4716", header, seen.body + b" ", at_s + 1)
    assert not page["is_genuine"]("planted-hook-4716", header, seen.body, at_s + 10_000)
    assert not page["is_genuine"]("planted-hook-4716", "nonsense", seen.body, at_s)
