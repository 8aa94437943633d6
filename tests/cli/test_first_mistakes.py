"""What somebody meets who knows nothing but the README: typos, wrong files, small samples."""

from __future__ import annotations

import json
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from rolloutctl.errors import ExitCode

PLAYBOOK = """\
apiVersion: rolloutctl/v1
kind: Playbook
name: tried
targets:
  llm:
    provider: flagd-file
    file: ${env.FOLDER}/flags.json
    flag: llm-model
    control: gpt-4
    canary: claude-3-5-sonnet
sources:
  app: {kind: openmetrics, url: "URL"}
defaults: {on_no_data: wait, on_error: wait, on_inconclusive: wait}
gates:
  errors:
    kind: compare
    source: app
    bad: 'requests_total{model="${arm.is}",status="500"}'
    total: 'requests_total{model="${arm.is}"}'
    min_sample: 50
steps:
  - {canary: 5%, hold: 1h, gates: [errors]}
"""
PAGE = """\
requests_total{model="gpt-4",status="200"} 900
requests_total{model="gpt-4",status="500"} 9
requests_total{model="claude-3-5-sonnet",status="200"} 90
requests_total{model="claude-3-5-sonnet",status="500"} 1
"""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self):
        """The counters of both arms."""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *arguments):
        """Says nothing."""


@pytest.fixture
def playbook(folder):
    """A playbook of an application that really answers; the test may change its text."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = Thread(target=partial(server.serve_forever, poll_interval=0.01))
    thread.start()

    def write(old="", new=""):
        text = PLAYBOOK.replace("URL", f"http://127.0.0.1:{server.server_port}/metrics")
        (folder / "tried.yaml").write_text(text.replace(old, new) if old else text)
        return "tried.yaml"

    yield write
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("stated", [(), ("--traffic", "50/s")])
def test_a_typo_in_a_metric_is_told_by_plan_with_the_name_that_was_meant(
    rolloutctl, playbook, stated
):
    """Stated traffic or not: the rollout would wait for data that never comes."""
    said = rolloutctl("plan", playbook("requests_total", "request_total"), *stated)

    assert said.exit_code == ExitCode.DONE
    assert "warning: gate errors: source app has no metric request_total" in said.out
    assert "hint: did you mean requests_total?" in said.out


def test_metrics_that_are_there_are_not_worth_a_word(rolloutctl, playbook):
    """No warning about the right name."""
    assert "has no metric" not in rolloutctl("plan", playbook()).out


def test_check_takes_the_minimum_that_the_gate_states(rolloutctl, playbook):
    """Not the method's own."""
    said = rolloutctl("check", playbook(), "--wait", "30s", "--output", "json")

    assert said.exit_code == ExitCode.INCONCLUSIVE
    (gate,) = json.loads(said.out)["gates"]
    assert "of 50 " in gate["because"]


def test_a_program_is_not_a_playbook_and_its_bytes_are_not_shown(rolloutctl, folder):
    """A file that completion chose wrongly fills no screen."""
    (folder / "ls").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\xd0\xff\x1b[2J" * 400)

    said = rolloutctl("lint", "ls")

    assert said.exit_code == ExitCode.INVALID
    assert said.out.splitlines() == [
        "ls:1:1: error: the file is not text",
        "  fix: name a playbook, a YAML file",
    ]


def test_an_option_without_its_value_says_where_help_is(rolloutctl):
    """Not the bare complaint."""
    said = rolloutctl("demo", "--keep")

    assert said.exit_code == ExitCode.USAGE
    assert "error: Option '--keep' requires an argument." in said.err
    assert "hint: rolloutctl demo --help" in said.err


def test_an_option_is_not_taken_for_the_folder_to_keep(rolloutctl, folder):
    """`--keep --regression` made a folder of that name, and no regression."""
    said = rolloutctl("demo", "--keep", "--regression")

    assert said.exit_code == ExitCode.USAGE
    assert "--keep --regression: that is an option, not a folder" in said.err
    assert not (folder / "--regression").exists()
