"""No planted secret is in anything that the real command writes: journal, log, stdout, stderr.

One playbook uses a secret in every place that takes one; a service quotes all that it is
sent; a command prints its whole environment; then commands succeed and fail in every way.
"""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest

from e2e.real_command import Place, until
from rolloutctl.clock import SystemClock

pytestmark = pytest.mark.real

SECRETS = {
    "TOKEN": "planted/token+4711",
    "PASSWORD": "planted pass:word",
    "HEADER": "planted-header-0815",
    "HOOK_PATH": "planted-hook-T0B0",
    "URL_PASSWORD": "planted-url-pw-42",
}
PLAYBOOK = """
sources:
  prometheus: {url: "${env.PROMETHEUS}", headers: {X-Api-Key: "${env.HEADER}"}}
  bearer: {kind: prometheus, url: "${env.SERVICE}", bearer_token: "${env.TOKEN}"}
  app:
    kind: openmetrics
    url: "${env.SERVICE}"
    basic_auth: {username: ops, password: "${env.PASSWORD}"}
  alertmanager:
    url: "${env.SERVICE}"
    basic_auth: {username: ops, password: "${env.PASSWORD}"}
    prometheus: {url: "${env.PROMETHEUS}", headers: {X-Api-Key: "${env.HEADER}"}}
notifiers:
  chat: {kind: webhook, url: "${env.HOOK}"}
defaults: {on_no_data: wait, on_error: wait, on_inconclusive: wait, interval: 100ms}
gates:
  one: {kind: threshold, source: prometheus, query: up, fail: "> 5%", observe_only: true}
  two: {kind: threshold, source: bearer, query: up, fail: "> 5%", observe_only: true}
  three:
    {kind: threshold, source: app, bad: a_total, total: b_total, window: 1s, fail: "> 5%",
     observe_only: true}
  four: {kind: alerts, source: alertmanager, alerts: [Bad], observe_only: true}
  five: {kind: alerts, source: bearer, alerts: [Broken], observe_only: true}
steps:
  - {run: {command: "env; env | base64 -w0"}}
  - {canary: 5%, hold: 10m, gates: [one, two, three, four, five]}
  - run: {http: {url: "${env.SERVICE}", headers: {X-Api-Key: "${env.HEADER}"}}}
  - {notify: "half way"}
  - {canary: 25%, hold: 10m, gates: [one, two, three, four, five]}
on_fail: pause
limits: {deadline: 1h}
"""


class _Echo(BaseHTTPRequestHandler):
    """Quotes the whole request in its answer, with the status of the moment."""

    def do_GET(self):
        self.server.asked += 1
        length = int(self.headers.get("Content-Length", 0))
        quoted = f"{self.path}\n{self.headers}\n{self.rfile.read(length).decode()}"
        is_well, is_query = self.server.status == 200, self.path.startswith("/api")
        answer = next((make for part, make in _ANSWERS.items() if part in self.path), _answer)
        body = (answer(quoted) if is_query else PAGE) if is_well else quoted
        self.send_response(self.server.status)
        self.send_header("Content-Type", f"{'application/json' if is_query else 'text/plain'}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET  # noqa: N815 - the name that http.server calls

    def log_message(self, *arguments):
        """Says nothing."""


PAGE = "a_total 0\nb_total 5\n"


def _answer(quoted):
    """One series, with a label and a warning that repeat what was sent."""
    series = {"metric": {"sent": quoted}, "value": [SystemClock().now().timestamp(), "0"]}
    is_freshness = "rolloutctl_selector" in quoted  # a series here would say: too old
    data = {"resultType": "vector", "result": [] if is_freshness else [series]}
    return json.dumps({"status": "success", "data": data, "warnings": [quoted]})


def _rules(quoted):
    """A rule that is quiet and one that is broken; both repeat what was sent."""
    now = SystemClock().now().isoformat()
    rule = {"type": "alerting", "lastEvaluation": now, "labels": {"sent": quoted}, "alerts": []}
    rules = [
        rule | {"name": "Bad", "health": "ok", "query": "x > 1"},
        rule | {"name": "Broken", "health": "err", "lastError": quoted},
    ]
    return json.dumps({"status": "success", "data": {"groups": [{"rules": rules}]}})


def _alerts(quoted):
    labels = {"alertname": "Bad", "sent": quoted}
    return json.dumps([{"labels": labels, "status": {"silencedBy": [quoted]}}])


def _standing(quoted):
    started = "2020-01-01T00:00:00Z"
    version = {"version": quoted}
    return json.dumps({"uptime": started, "cluster": {"status": quoted}, "versionInfo": version})


_ANSWERS = {"/v1/rules": _rules, "/v2/alerts": _alerts, "/v2/status": _standing}


@pytest.fixture
def echo():
    """A service that quotes everything it was sent."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    server.daemon_threads = True
    server.status, server.asked = 200, 0
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def place(tmp_path, echo):
    """A folder whose commands have all secrets in their environment."""
    host = f"127.0.0.1:{echo.server_port}"
    place = Place(
        tmp_path,
        **SECRETS,
        SERVICE=f"http://{host}/",
        PROMETHEUS=f"http://ops:{SECRETS['URL_PASSWORD']}@{host}/",
        HOOK=f"http://{host}/services/{SECRETS['HOOK_PATH']}",
        ROLLOUTCTL_DEBUG="1",
    )
    place.write_playbook("%")
    place.playbook.write_text(place.playbook.read_text().replace("%", PLAYBOOK))
    return place


def _forms(secret):
    """A secret as it may turn up."""
    yield from (secret, quote(secret, safe=""), quote(secret))
    for offset in range(3):
        # Base64 of it at any place of a longer text, without what mixes with its neighbours.
        text = base64.b64encode(b"\0" * offset + secret.encode()).decode()
        yield text[-(-offset * 8 // 6) : (offset + len(secret)) * 8 // 6]


def _leaks(folder, said):
    """(where, secret) of every planted secret in the folder's files and in what was said."""
    texts = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    texts |= {name: text.encode() for name, text in said.items()}
    return [
        (where, name)
        for where, data in texts.items()
        for name, secret in SECRETS.items()
        for form in _forms(secret)
        if form.encode() in data
    ]


def test_no_secret_of_a_whole_rollout_is_written_anywhere(place, echo):
    """Journal with its log, every stream of every command, on good and on bad days."""
    said = {}

    def run(*arguments, environ=None):
        done = place.run(*arguments, environ=environ)
        said[f"{len(said)} {' '.join(map(str, arguments))}"] = done.stdout + done.stderr
        return done

    for status in (200, 401, 500):
        echo.status = status
        for command in ("lint", "plan", "check"):
            for output in ("table", "json"):
                run(command, place.playbook, "--output", output)
    echo.status = 200
    for name in (*SECRETS, "SERVICE"):
        run("plan", place.playbook, environ={name: ""})
        run("check", place.playbook, environ={name: "planted/token+4711\nsecond line"})
    driver = place.spawn("start", place.playbook, "--auto", "--id", "r-1", "--on-exit", "leave")
    until(lambda: "observed canary 5%" in driver.out or driver.process.poll() is not None, "5 %")
    for status in (401, 500, 200):
        echo.status = status
        until(lambda asked=echo.asked: echo.asked > asked + 6, f"asked with {status}")
        for command in ("status", "explain"):
            run(command, "r-1", "--output", "json")
            run(command, "r-1")
    run("promote", "r-1")
    until(lambda: "observed canary 25%" in driver.out or driver.process.poll() is not None, "25 %")
    run("list")
    run("rollback", "r-1")
    run("kill", "r-1", "--to", "gpt-4")
    driver.end()

    assert "observed canary 25%" in driver.out, driver.out + driver.err
    assert "***" in place.journal.read_bytes().decode(errors="replace") + _log(place)
    assert _leaks(place.folder, said) == []


def _log(place):
    log = place.folder / "journal.db-wal"
    return log.read_bytes().decode(errors="replace") if log.exists() else ""


LITERALS = """apiVersion: rolloutctl/v1
kind: Playbook
name: literals
sources:
  prometheus: {url: "https://ops:planted-1@host/", bearer_token: planted-2, tokn: x}
  app:
    kind: openmetrics
    url: "http://127.0.0.1:1/metrics"
    basic_auth: {username: ops, password: planted-3, usr: x}
    headers: {X-Key: planted-4}
  third: {kind: prometheus, url: "http://h", bearer_tokn: planted-5}
  fourth: {kind: prometheus, url: "http://h", bearer_token: [planted-6]}
steps:
  - {run: {http: {url: "https://a:planted-7@h/x"}}}
"""


@pytest.mark.parametrize("output", ["table", "json", "ndjson"])
@pytest.mark.parametrize("command", ["lint", "plan", "start"])
def test_a_secret_that_somebody_wrote_into_a_playbook_is_not_repeated(tmp_path, command, output):
    """The mistake is told with its place; the line itself is not shown."""
    place = Place(tmp_path)
    place.playbook.write_text(LITERALS)
    auto = ("--auto",) if command == "start" else ()

    said = place.run(command, place.playbook, "--output", output, *auto)

    assert said.returncode == 3, said.stderr
    assert "a secret is never written in a playbook" in said.stdout + said.stderr
    assert "planted" not in said.stdout + said.stderr
