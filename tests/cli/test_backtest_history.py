"""`backtest --from` asks the playbook's own source for its history."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from rolloutctl.errors import ExitCode
from worlds.rehearsals import STEADY

BAD_SINCE_S = 3_600.0


class _Handler(BaseHTTPRequestHandler):
    """Answers range queries: 20 requests a second, of which 30 % fail in the last hour."""

    def do_GET(self):
        self._answer(parse_qs(urlsplit(self.path).query))

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self._answer(parse_qs(body))

    def _answer(self, asked):
        self.server.asked.append(asked["query"][0])
        start, end, step = (float(asked[name][0]) for name in ("start", "end", "step"))
        bad_from = self.server.now_s - BAD_SINCE_S
        values, at = [], start
        while at <= end:
            if "500" in asked["query"][0]:
                number = 0.1 * (at - start) + 6.0 * max(0.0, at - bad_from)
            else:
                number = 20.0 * (at - start)
            values.append([at, str(number)])
            at += step
        found = [{"metric": {"model": "b"}, "values": values}]
        document = {"status": "success", "data": {"resultType": "matrix", "result": found}}
        body = json.dumps(document).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Says nothing."""


@pytest.fixture
def history(clock):
    """A server with the last day's metrics."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.asked, server.status, server.now_s = [], 200, clock.now().timestamp()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def playbook(folder, history):
    """An hour at 50 %, judged by what the server has."""
    text = STEADY.split("  p99:")[0] + "\nsteps:\n  - {canary: 50%, hold: 1h, gates: [errors]}\n"
    text = text.replace("http://127.0.0.1:9", f"http://127.0.0.1:{history.server_port}")
    (folder / "rehearsed.yaml").write_text(text, encoding="utf-8")
    return "rehearsed.yaml"


def test_the_bad_hour_of_the_last_six_takes_a_rollout_back(rolloutctl, playbook, history):
    """Each question is asked once, for the whole time."""
    said = rolloutctl("backtest", playbook, "--from", "6h", "--step", "1m", "--output", "json")

    document = json.loads(said.out)
    assert said.exit_code == ExitCode.DONE
    (aborted,) = [run for run in document["rollouts"] if run["exit_code"] == 10]
    assert "errors failed" in aborted["because"]
    assert aborted["end"] > "2025-12-31T23:00:00"
    assert sorted(history.asked, key=len) == [
        'requests_total{model="b"}',
        'requests_total{model="b",status="500"}',
    ]


def test_a_source_that_cannot_answer_is_exit_5_and_judges_nothing(rolloutctl, playbook, history):
    """A dead server is no healthy history."""
    history.status = 503

    said = rolloutctl("backtest", playbook, "--from", "6h")

    assert said.exit_code == ExitCode.UNAVAILABLE
    assert said.out == ""
