"""Whom the playbook names as notifiers hears of everything, from every command that drives."""

import json
import signal

import pytest

from e2e.hook import HANG_S, Hook
from e2e.real_command import Place, until
from rolloutctl.clock import monotonic_s

pytestmark = pytest.mark.real

#: A notifier's own limit: what waited for the webhook took longer, on any machine.
WEBHOOK_TIMEOUT_S = 10.0


@pytest.fixture
def hook():
    """A webhook on a free port."""
    hook = Hook()
    yield hook
    hook.close()


@pytest.fixture
def place(tmp_path):
    """A folder to run commands in; whatever still runs at the end is ended."""
    place = Place(tmp_path)
    place.running = []
    yield place
    for running in place.running:
        running.stop()


def _write(place, hook, steps, more=""):
    notifiers = f'notifiers:\n  team: {{kind: webhook, url: "{hook.url}"}}\n'
    place.write_playbook(f"{notifiers}{more}steps:\n{steps}")


def _spawn(place, *arguments):
    running = place.spawn(*arguments)
    place.running.append(running)
    return running


def _journal(place, rollout="r-1"):
    said = place.run("explain", rollout, "--output", "json")
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def test_a_rollout_that_succeeds_is_told_in_order(place, hook):
    """Start, each step, each exposure in force, the end; each with its phase."""
    _write(place, hook, "  - {canary: 5%}\n  - {canary: 100%}\n")

    done = place.run("start", place.playbook, "--auto", "--id", "r-1")

    assert done.returncode == 0, done.stderr
    assert hook.events() == [
        "started",
        "step-entered",
        "applied",
        "step-entered",
        "applied",
        "finished",
    ]
    assert hook.messages()[-1]["phase"] == "succeeded"
    assert "canary 5%" in hook.messages()[2]["text"]
    assert len(hook.calls) == 6, "each is told once"


def test_a_rollout_that_is_rolled_back_is_told_in_order(place, hook):
    """The failure, the way back and its confirmation."""
    _write(place, hook, "  - {canary: 5%}\n  - {run: {command: 'echo no luck; exit 3'}}\n")

    done = place.run("start", place.playbook, "--auto", "--id", "r-1")

    assert done.returncode == 10, done.stderr
    events = hook.events()
    assert events[0] == "started"
    assert events.count("step-entered") == 2
    assert events.index("rollback-started") < events.index("finished")
    assert events[-1] == "finished"
    assert hook.messages()[-1]["phase"] == "rolled-back"
    assert any("no luck" in message["text"] for message in hook.messages())


def test_a_rollout_that_is_stuck_is_told_by_its_last_message(place, hook):
    """The flag file is gone when it has to go back: exit 20, and people hear it."""
    _write(
        place,
        hook,
        "  - {canary: 5%}\n  - {run: {command: 'rm flags.json; exit 3'}}\n",
        "limits: {rollback: 2s}\n",
    )

    done = place.run("start", place.playbook, "--auto", "--id", "r-1")

    assert done.returncode == 20, done.stderr
    events = hook.events()
    assert events.index("rollback-started") < events.index("stuck")
    assert "flags.json" in hook.messages()[-1]["text"]
    assert events[-1] == "stuck"


def test_a_kill_of_a_rollout_that_nobody_drives_is_told_by_the_kill(place, hook):
    """Who asked for it, why, and that it is confirmed."""
    _write(place, hook, "  - {canary: 5%, hold: 10m}\n")
    assert place.run("start", place.playbook, "--auto", "--detach", "--id", "r-1").returncode == 0
    assert place.run("tick").returncode == 0
    assert place.served() == (500, 0)

    killed = place.run("kill", "r-1", "--reason", "it lies")

    assert killed.returncode == 0, killed.stderr
    assert place.served() == (0, 0)
    assert hook.events() == ["started", "step-entered", "applied", "kill-requested", "finished"]
    assert "it lies" in hook.messages()[-2]["text"]
    assert hook.messages()[-1]["phase"] == "killed"


def test_a_kill_by_playbook_tells_the_notifiers_of_the_rollout_it_ends(place, hook):
    """The same, when nobody knows the rollout's id."""
    _write(place, hook, "  - {canary: 5%, hold: 10m}\n")
    assert place.run("start", place.playbook, "--auto", "--detach", "--id", "r-1").returncode == 0
    assert place.run("tick").returncode == 0

    killed = place.run("kill", "--playbook", place.playbook)

    assert killed.returncode == 0, killed.stderr
    assert hook.events()[-2:] == ["kill-requested", "finished"]


def test_a_kill_by_playbook_without_a_journal_is_told_all_the_same(place, hook):
    """No rollout holds the target, and the store is no database: people hear of it."""
    _write(place, hook, "  - {canary: 5%, hold: 10m}\n")
    place.journal.write_text("this is no database " * 100)

    killed = place.run("kill", "--playbook", place.playbook)

    assert killed.returncode == 0, killed.stderr
    (message,) = hook.messages(rollout="")
    assert message["event"] == "finished"
    assert message["phase"] == "killed"
    assert "llm killed, confirmed" in message["text"]


def test_a_kill_under_a_driving_agent_is_told_once(place, hook):
    """Both know of it; the kill leaves the telling to a driver that lives."""
    _write(place, hook, "  - {canary: 5%, hold: 10m}\n")
    assert place.run("start", place.playbook, "--auto", "--detach", "--id", "r-1").returncode == 0
    _spawn(place, "agent")
    until(lambda: place.served() == (500, 0), "the agent drives it")

    killed = place.run("kill", "r-1")

    assert killed.returncode == 0, killed.stderr
    events = hook.events()
    assert events.count("kill-requested") == 1
    assert events.count("finished") == 1
    assert events.index("kill-requested") < events.index("finished")
    keys = [json.loads(body)["key"] for _, _, body in hook.calls]
    assert len(keys) == len(set(keys)), "a chat shows everything that it is sent"


def test_verbs_from_other_processes_are_told_by_whoever_drives(place, hook):
    """Paused and resumed under `agent`; held and asked without a driver in between."""
    _write(place, hook, "  - {canary: 5%, hold: 1s, confirm: true}\n")
    assert place.run("start", place.playbook, "--auto", "--detach", "--id", "r-1").returncode == 0
    agent = _spawn(place, "agent")
    until(lambda: "asked" in hook.events(), "a human is asked")

    assert place.run("pause", "r-1").returncode == 0
    until(lambda: "paused" in hook.events(), "paused is told")
    assert place.run("resume", "r-1").returncode == 0
    until(lambda: "resumed" in hook.events(), "resumed is told")
    agent.process.send_signal(signal.SIGTERM)
    assert agent.end() == 130
    assert "UNWATCHED" in agent.err
    assert place.run("approve", "r-1").returncode == 0

    assert hook.events()[-2:] == ["approved", "finished"]


def test_a_message_that_was_not_delivered_is_told_by_the_next_driver(place, hook):
    """A webhook that was down for one pass hears of it in the next, in order."""
    _write(place, hook, "  - {canary: 5%, hold: 10m}\n")
    assert place.run("start", place.playbook, "--auto", "--detach", "--id", "r-1").returncode == 0
    hook.answers.clear()
    began_s = monotonic_s()
    assert place.run("tick").returncode == 0
    assert monotonic_s() - began_s < HANG_S / 2, "a pass waits 10 s for messages at most"
    assert place.served() == (500, 0)
    hook.answers.set()
    hook.calls.clear()

    assert place.run("tick").returncode == 0

    until(lambda: hook.events()[-1:] == ["applied"], "the last message is told")


def test_a_hanging_webhook_delays_neither_the_way_back_nor_the_kill(place, hook):
    """The exposure is zero long before anybody has given up on the webhook."""
    _write(place, hook, "  - {canary: 5%, hold: 10m}\n")
    hook.answers.clear()
    run = _spawn(place, "start", place.playbook, "--auto", "--id", "r-1")
    until(lambda: place.served() == (500, 0), "it drives")

    began_s = monotonic_s()
    run.process.send_signal(signal.SIGTERM)
    until(lambda: place.served() == (0, 0), "it is back")
    back_s = monotonic_s() - began_s
    assert run.end() == 14, run.err
    over_s = monotonic_s() - began_s

    assert back_s < WEBHOOK_TIMEOUT_S, f"back after {back_s:.1f} s"
    assert over_s < HANG_S / 2, f"over after {over_s:.1f} s"

    assert place.run("start", place.playbook, "--auto", "--detach", "--id", "r-2").returncode == 0
    assert place.run("tick").returncode == 0
    began_s = monotonic_s()
    kill = _spawn(place, "kill", "r-2")
    until(lambda: "llm" in kill.out, "the report is out")
    assert monotonic_s() - began_s < WEBHOOK_TIMEOUT_S
    assert place.served() == (0, 0)
    assert kill.end() == 0, kill.err
    assert "team could not be told: no answer within" in kill.err


def test_a_dead_webhook_is_on_record_and_changes_no_exit_code(place, hook):
    """Connection refused: exit 0, and the journal says who was not told and why."""
    _write(place, hook, "  - {canary: 100%}\n")
    hook.close()

    done = place.run("start", place.playbook, "--auto", "--id", "r-1")

    assert done.returncode == 0, done.stderr
    assert place.served() == (10_000, 0)
    assert "team could not be told" in done.stdout
    assert "team could not be told" in json.dumps(_journal(place), ensure_ascii=False)
