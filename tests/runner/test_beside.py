"""Threads beside the ticks: every end reaches the driver, and a process leaves nothing behind."""

from __future__ import annotations

import threading

import pytest

from rolloutctl.clock import SystemClock, monotonic_s
from rolloutctl.core.effects import Invoke
from rolloutctl.runner import beside
from rolloutctl.runner.adapters import InvokeResult
from rolloutctl.runner.beside import begin, end_all, in_thread, in_thread_left_behind
from servers.scripted import Answer, Fault, ScriptedServer
from worlds.rollouts import Crash

pytestmark = pytest.mark.real

KEY = "r-1:3:0"
DONE = InvokeResult(ok=True, message="exit 0", output="")


def result_of(running, limit_s=10.0):
    until_s = monotonic_s() + limit_s
    while (result := running.result()) is None:
        assert monotonic_s() < until_s
        SystemClock().sleep(0.01)
    return result


def command(*words, timeout_s=60.0):
    return begin(Invoke(request={"command": list(words)}, timeout_s=timeout_s), KEY, timeout_s)


def test_a_command_runs_beside_and_its_end_is_seen():
    """To begin it takes no time; the result comes later."""
    running = command("sh", "-c", "sleep 0.2; echo done")

    assert running.result() is None
    assert result_of(running).output == "done"


def test_a_command_that_is_told_to_end_may_tidy_up():
    """SIGTERM first: what it says meanwhile is kept."""
    running = command("sh", "-c", "trap 'echo tidied; exit 7' TERM; echo up; sleep 60 & wait")
    SystemClock().sleep(0.3)

    running.end()
    running.end()

    result = result_of(running)
    assert not result.ok
    assert result.message.startswith("exit 7 after ")
    assert result.output == "up\ntidied"


def test_a_command_told_to_end_before_it_began_does_not_begin():
    """The thread may be slower than the guardrail."""
    gate = threading.Event()
    began = []

    def late(ending):
        assert gate.wait(10)
        if not ending.is_set():
            began.append(True)
        return DONE

    running = in_thread(late)
    running.end()
    gate.set()

    assert result_of(running) is DONE
    assert not began


def test_a_request_that_was_sent_is_left_behind():
    """It cannot be called back; nobody waits for its answer, and the doubt is told."""
    request = {"http": {"method": "POST", "url": "", "headers": {}, "body": ""}}
    with ScriptedServer(Answer(fault=Fault.HANG)) as server:
        request["http"]["url"] = server.url
        running = begin(Invoke(request=request, timeout_s=3.0), KEY, 3.0)
        assert running.result() is None

        running.end()

        assert "may have taken effect" in running.result().message


@pytest.mark.parametrize("make", [in_thread, in_thread_left_behind])
def test_what_breaks_in_the_thread_is_raised_where_the_result_is_asked(make):
    """A thread in between swallows nothing."""

    def dies(_ending):
        raise Crash

    running = make(dies)

    with pytest.raises(Crash):
        result_of(running)


def test_the_end_of_the_process_ends_its_commands():
    """The net under every other way: what `atexit` calls leaves none at work."""
    running = command("sleep", "60")
    SystemClock().sleep(0.1)

    end_all()

    assert "SIGTERM" in running.result().message
    assert not beside._alive
