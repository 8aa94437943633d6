"""Commands and HTTP calls of `run` steps: every end is a result, and nothing is left behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from rolloutctl.clock import monotonic_s
from rolloutctl.core.effects import Invoke
from rolloutctl.credentials import remember
from rolloutctl.runner import invoke as invoking
from rolloutctl.runner.invoke import OUTPUT_CHARS_MAX, invoke
from servers.scripted import Answer, Fault, ScriptedServer, free_port

KEY = "r-1:3:0"


def run(*words, timeout_s=10.0):
    return invoke(Invoke(request={"command": list(words)}, timeout_s=timeout_s), KEY, timeout_s)


def python(text, *, timeout_s=10.0):
    return run(sys.executable, "-S", "-c", text, timeout_s=timeout_s)


def call(url, *, timeout_s=5.0, **more):
    http = {"method": "POST", "url": url, "headers": {}, "body": "", "expect_status": []} | more
    return invoke(Invoke(request={"http": http}, timeout_s=timeout_s), KEY, timeout_s)


def is_gone(pid):
    """Whether a process has ended, or does within moments: a signal takes effect later."""
    until_s = monotonic_s() + 5.0
    while monotonic_s() < until_s:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text("ascii")
        except OSError:
            return True
        if stat.rpartition(")")[2].split()[0] == "Z":
            return True
    return False


# -- commands -------------------------------------------------------------------


def test_exit_0_is_success_and_both_outputs_are_kept():
    """What a command says on either stream stands in the result, in order."""
    result = run("sh", "-c", "echo migrated; echo 3 rows >&2")

    assert result.ok
    assert result.message.startswith("exit 0 after ")
    assert result.output == "migrated\n3 rows"


def test_another_exit_is_a_failure_that_says_which():
    """The message carries the status and the time."""
    result = run("sh", "-c", "exit 3")

    assert not result.ok
    assert result.message.startswith("exit 3 after 0.")


def test_a_command_that_dies_of_a_signal_says_its_name():
    """No negative exit statuses for people."""
    result = run("sh", "-c", "kill -ABRT $$")

    assert not result.ok
    assert result.message.startswith("killed by SIGABRT after ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["/no/such/program"], "No such file"),
        ([os.devnull], "Permission denied"),
        (["sh", "-c", "nul\0byte"], "null byte"),
    ],
)
def test_a_command_that_cannot_be_started_is_a_failure(words, says):
    """Not an exception: the step fails and says why."""
    result = run(*words)

    assert not result.ok
    assert "cannot be started" in result.message
    assert says in result.message


def test_a_command_knows_its_key_and_has_no_input(monkeypatch):
    """The environment is ours plus the key; reading input ends at once."""
    monkeypatch.setenv("REGION", "eu")

    result = run("sh", "-c", 'cat; echo "$ROLLOUTCTL_KEY $REGION"')

    assert result.output == f"{KEY} eu"


def test_the_limit_stops_the_whole_group():
    """SIGTERM reaches the children too; nothing is left behind."""
    result = run("sh", "-c", "sleep 60 & echo $! $$; wait", timeout_s=0.3)

    assert not result.ok
    assert result.message == "stopped at its limit of 0.3 s"
    assert all(is_gone(pid) for pid in result.output.split())


def test_a_command_that_ignores_sigterm_is_killed(monkeypatch):
    """The grace is short, then SIGKILL."""
    monkeypatch.setattr(invoking, "GRACE_S", 0.1)

    began_s = monotonic_s()
    result = run("sh", "-c", "trap '' TERM; echo $$; while :; do sleep 0.05; done", timeout_s=0.3)

    assert not result.ok
    assert monotonic_s() - began_s < 3.0
    assert is_gone(result.output.split()[0])


def test_a_background_process_does_not_hold_the_step_up():
    """The command's end counts, not that of a child which keeps the pipe open; it is ended."""
    began_s = monotonic_s()
    result = run("sh", "-c", "sleep 60 & echo $!")

    assert result.ok
    assert monotonic_s() - began_s < 5.0
    assert is_gone(result.output)


def test_a_closed_output_does_not_spin_or_end_the_wait():
    """A command that closes its output is still waited for."""
    result = run("sh", "-c", "exec >&- 2>&-; sleep 0.1; exit 4")

    assert result.message.startswith("exit 4 after ")


def test_endless_output_is_bounded_to_its_end():
    """Megabytes pass through; the last lines stay."""
    result = python("for n in range(300000): print('line', n)")

    assert result.ok
    assert len(result.output) <= OUTPUT_CHARS_MAX
    assert result.output.endswith("line 299999")


def test_a_secret_in_the_output_is_not_kept():
    """It is replaced before the output is cut, wherever it stands."""
    secret = "planted-secret-4711"
    remember(secret)

    result = python(f"print('x' * 5000); print('{secret}' + 'y' * {OUTPUT_CHARS_MAX - 10})")

    assert secret not in result.output
    assert "4711" not in result.output


def test_an_output_of_nothing_but_secrets_is_not_kept_at_all():
    """Half a secret at the front of what was kept cannot be recognised."""
    secret = "planted-long-secret-" + "z" * 480
    remember(secret)

    result = python(f"print('{secret}' * 400)")

    assert "zzzz" not in result.output
    assert "not kept" in result.output


def test_a_request_that_is_neither_is_a_failure():
    """A journal written by something else is answered, not crashed on."""
    result = invoke(Invoke(request={"command": []}, timeout_s=1.0), KEY, 1.0)

    assert not result.ok
    assert "neither a command nor an HTTP call" in result.message


# -- HTTP calls -----------------------------------------------------------------


def test_any_2xx_is_success_and_the_key_is_sent(monkeypatch):
    """Secrets are read when it is sent; the receiver can recognise a repetition."""
    monkeypatch.setenv("DEPLOY_TOKEN", "planted-deploy-token")
    with ScriptedServer(Answer(status=202, body='{"job": 7}')) as server:
        result = call(
            f"{server.url}/deploy", body="{}", headers={"Authorization": {"env": "DEPLOY_TOKEN"}}
        )

    (seen,) = server.seen
    assert result.ok
    assert ": 202 after " in result.message
    assert result.output == '{"job": 7}'
    assert seen.headers["idempotency-key"] == KEY
    assert seen.headers["authorization"] == "planted-deploy-token"
    assert seen.body == b"{}"


def test_a_secret_from_a_file_is_sent_and_not_told(tmp_path):
    """An answer that quotes it is redacted."""
    (tmp_path / "token").write_text("planted-file-token\n", encoding="utf-8")
    with ScriptedServer(Answer(body="you sent planted-file-token")) as server:
        result = call(
            server.url, headers={"X-Token": {"file": str(tmp_path / "token")}, "X-A": "b"}
        )

    assert server.seen[0].headers["x-token"] == "planted-file-token"
    assert server.seen[0].headers["x-a"] == "b"
    assert result.output == "you sent ***"


def test_a_missing_secret_is_a_failure_and_nothing_is_sent():
    """The message names the variable."""
    with ScriptedServer(Answer()) as server:
        result = call(server.url, headers={"X-Token": {"env": "NO_SUCH_VARIABLE_HERE"}})

    assert not result.ok
    assert "NO_SUCH_VARIABLE_HERE" in result.message
    assert server.seen == []


@pytest.mark.parametrize(
    ("status", "expected", "ok"),
    [
        (200, [201], False),
        (201, [201], True),
        (404, [404], True),
        (404, [], False),
        (500, [], False),
    ],
)
def test_only_expected_statuses_are_a_success(status, expected, ok):
    """A list replaces "any 2xx" entirely."""
    with ScriptedServer(Answer(status=status)) as server:
        result = call(server.url, expect_status=expected)

    assert result.ok is ok
    assert str(status) in result.message


def test_a_hanging_service_ends_at_the_limit_and_the_doubt_is_told():
    """A lost answer is a failure that says it may have taken effect."""
    with ScriptedServer(Answer(fault=Fault.HANG)) as server:
        result = call(server.url, timeout_s=0.3)

    assert not result.ok
    assert "no answer within 0.3 s; it may have taken effect" in result.message


def test_a_service_that_is_not_there_is_a_failure():
    """No exception, no doubt: nothing was sent."""
    result = call(f"http://127.0.0.1:{free_port()}")

    assert not result.ok
    assert "may have taken effect" not in result.message
