"""Every error path of every HTTP adapter, searched for every planted secret in every form."""

import base64
import traceback
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from rolloutctl.core.measurement import Query, QueryKind
from rolloutctl.core.ports import Message
from rolloutctl.core.secret import SecretRef
from rolloutctl.errors import RolloutctlError
from rolloutctl.http import BasicAuth
from rolloutctl.notifiers.webhook import Webhook, WebhookSpec
from rolloutctl.sources.openmetrics import OpenMetrics, OpenMetricsSpec
from rolloutctl.sources.prometheus import Prometheus, PrometheusSpec
from servers.scripted import Answer, Fault, ScriptedServer

AT = datetime(2027, 1, 1, tzinfo=UTC)
TOKEN, PASSWORD, KEY = "planted/token+4711", "planted pass:word", "planted-key-0815"


def _everything(seen):
    """What a careless service quotes: all it was sent."""
    lines = [f"{seen.method} {seen.path}", *(f"{k}: {v}" for k, v in seen.headers.items())]
    lines += [quote(TOKEN, safe=""), base64.b64encode(PASSWORD.encode()).decode()]
    return "\n".join([*lines, seen.body.decode()])


def _echo(status, content_type="text/plain", fault=Fault.NONE):
    def answer(seen):
        return Answer(
            status=status,
            body=_everything(seen)[:190] if status == 418 else _everything(seen),
            content_type=content_type,
            headers={"Location": f"http://host/{quote(TOKEN)}?x={KEY}"},
            fault=fault,
        )

    return answer


SCRIPTS = [
    *[_echo(status) for status in (200, 302, 400, 401, 403, 404, 409, 418, 422, 429, 500, 503)],
    _echo(200, "application/json"),
    _echo(200, "text/html"),
    _echo(400, "application/json"),
    _echo(200, "application/openmetrics-text"),
    _echo(200, fault=Fault.CUT),
    Answer(fault=Fault.DROP),
    Answer(fault=Fault.HANG),
]


def _attempts(url):
    ways = [
        {"bearer_token": SecretRef(env="TOKEN")},
        {"basic_auth": BasicAuth(username="ops", password=SecretRef(env="PASSWORD"))},
        {"headers": {"X-Api-Key": SecretRef(env="KEY")}},
    ]
    for way in ways:
        more = {**way, "timeout_s": 0.1}
        prometheus = Prometheus(PrometheusSpec(url=url, **more))
        openmetrics = OpenMetrics(OpenMetricsSpec(url=url, **more))
        webhook = Webhook(WebhookSpec(url=SecretRef(env="HOOK"), **more))
        yield lambda s=prometheus: s.query(Query(kind=QueryKind.EXPRESSION, text="x"), AT)
        yield lambda s=prometheus: s.query(Query(kind=QueryKind.COUNTERS, text="x"), AT)
        yield lambda s=prometheus: s.probe()
        yield lambda s=openmetrics: s.query(Query(kind=QueryKind.COUNTERS, text="x"), AT)
        yield lambda s=openmetrics: s.probe()
        yield lambda s=webhook: s.notify(_message(), timeout_s=0.1)


def _message():
    return Message(
        key="k", rollout_id="r", playbook="p", event="e", phase="f", text=f"was {TOKEN}", at=AT
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_error_shows_a_secret(monkeypatch, script):
    """Message, hint, findings and the whole traceback with its causes."""
    with ScriptedServer(script) as server:
        monkeypatch.setenv("TOKEN", TOKEN)
        monkeypatch.setenv("PASSWORD", PASSWORD)
        monkeypatch.setenv("KEY", KEY)
        monkeypatch.setenv("HOOK", f"{server.url}/services/planted-hook-path-4711")
        leaves = []
        for attempt in _attempts(server.url):
            try:
                leaves.append(repr(attempt()))
            except RolloutctlError as error:
                leaves += [error.message, error.hint, "".join(traceback.format_exception(error))]

    text = "\n".join(leaves)
    encoded = base64.b64encode(f"ops:{PASSWORD}".encode()).decode()
    for form in ("planted", quote(TOKEN, safe=""), encoded, encoded[8:-4]):
        assert form not in text
