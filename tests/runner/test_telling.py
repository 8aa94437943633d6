"""People are told of every phase and every failure, in order, and nothing waits for them."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from rolloutctl.core import events as ev
from rolloutctl.core.decision import Do, Record
from rolloutctl.core.exposure import ZERO, split
from rolloutctl.core.machine import fold
from rolloutctl.core.state import Phase
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.errors import ExitCode, JournalUnavailable, Rejected, Unavailable
from rolloutctl.runner import requests, telling
from rolloutctl.runner.fence import KillEnd, kill_rollout
from rolloutctl.runner.kill import KillOrder
from rolloutctl.runner.loop import drive
from rolloutctl.runner.messages import Reporter
from rolloutctl.runner.telling import Teller, deliver, kill_messages, tell_now
from rolloutctl.runner.tick import tick
from rolloutctl.runner.workers import Workers, at_once
from rolloutctl.testing import FakeProvider, Fault
from worlds.rollouts import ACTOR, ROLLOUT, Stage, playbook

WAITING = {Phase.ASKING, Phase.PAUSED}


class Listener:
    """A notifier that keeps what it is told, or fails as scripted."""

    name = "listener"
    Spec = object

    def __init__(self, *errors):
        self.errors = list(errors)
        self.heard = []
        self.calls = 0

    def notify(self, message, *, timeout_s):
        assert timeout_s <= telling.CALL_S
        self.calls += 1
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        self.heard.append(message)

    @property
    def events(self):
        return [message.event for message in self.heard]


class Hanging(Listener):
    """A notifier that does not come back until it is let go."""

    def __init__(self):
        super().__init__()
        self.let_go = threading.Event()

    def notify(self, message, *, timeout_s):
        self.let_go.wait(30)
        super().notify(message, timeout_s=timeout_s)


def told(stage, **notifiers):
    """The stage's next process, with these notifiers."""
    rollout = stage.process()
    rollout.adapters = replace(rollout.adapters, notifiers=notifiers)
    return rollout


def teller_of(rollout):
    return Teller(rollout, run=at_once, sleep=lambda _: None)


def drive_told(stage, **notifiers):
    """Drives to rest with a teller in the driver's own thread."""
    rollout = told(stage, **notifiers)
    moved_at = stage.clock.now()

    def stop(decision):
        nonlocal moved_at
        if isinstance(decision, Do | Record) or rollout.state.phase not in WAITING:
            moved_at = stage.clock.now()
        return "human" if (stage.clock.now() - moved_at).total_seconds() > 60 else ""

    return drive(rollout, poll_s=5.0, stop=stop, teller=teller_of(rollout))


def notified(stage):
    return [r.event for r in stage.journal.read(ROLLOUT) if isinstance(r.event, ev.Notified)]


def begun(book=None, **more):
    stage = Stage(book or playbook(), **more)
    stage.begin()
    return stage


def test_a_whole_rollout_is_told_in_order():
    """Start, every step, every exposure in force, the end; keys are places in the journal."""
    stage, listener = begun(), Listener()

    drive_told(stage, ops=listener)

    assert listener.events[0] == "started"
    assert listener.events[-1] == "finished"
    assert listener.events.count("step-entered") == 5
    assert [m.text for m in listener.heard if m.event == "applied"] == [
        "llm: observed canary 0%, shadow 10%",
        "llm: observed canary 5%",
        "llm: observed canary 50%",
        "llm: observed canary 100%",
    ]
    places = [int(message.key.removeprefix(f"{ROLLOUT}:")) for message in listener.heard]
    assert places == sorted(set(places))


def test_what_was_told_is_on_record_and_itself_not_told():
    """One `Notified` a message, the last one too, and no message about a message."""
    stage, listener = begun(), Listener()

    drive_told(stage, ops=listener)

    assert [f"{ROLLOUT}:{event.of_seq}" for event in notified(stage)] == [
        message.key for message in listener.heard
    ]
    assert {event.error for event in notified(stage)} == {""}


def test_telling_changes_nothing_about_the_rollout():
    """The same writes at the same times as without notifiers."""
    plain, with_teller = begun(), begun()

    plain.drive()
    drive_told(with_teller, ops=Listener())

    assert with_teller.world.served == plain.world.served


def test_a_failing_gate_and_the_way_back_are_told():
    """The gate once, the rollback, the restored target, the end."""
    stage, listener = begun().canary_goes_bad(100), Listener()

    drive_told(stage, ops=listener)

    assert listener.events.count("gate-fail") == 1
    assert listener.events[-3:] == ["rollback-started", "applied", "finished"]
    assert listener.heard[-2].text == "llm: restored, observed canary 0%"
    assert listener.heard[-1].phase == "rolled-back"


def test_a_stuck_rollback_is_told_and_its_failures_once():
    """A provider that refuses again and again is one message, then STUCK."""
    stage, listener = begun().canary_goes_bad(100), Listener()
    stage.world.fault = lambda operation, _: Fault.FORBIDDEN if operation == "restore" else None

    end = drive_told(stage, ops=listener)

    assert end.exit_code is ExitCode.STUCK
    assert listener.events.count("apply-failed") == 1
    assert listener.events[-1] == "stuck"
    assert "a human must look" in listener.heard[-1].text


def test_silence_is_told_once_and_again_after_it_was_over():
    """No data from 90 s to 300 s and from 400 s on: two messages."""
    stage, listener = begun(playbook(deadline_s=700.0)), Listener()
    begin = stage.clock.now()

    def answer(at):
        after_s = (at - begin).total_seconds()
        return Unavailable("down") if 90 <= after_s < 300 or after_s >= 400 else 0.99

    stage.source.answers["success"] = answer

    end = drive_told(stage, ops=listener)

    assert end.exit_code is ExitCode.TIMED_OUT
    assert listener.events.count("gate-error") == 2


@pytest.mark.parametrize(
    ("act", "event"),
    [
        (requests.pause, "paused"),
        (requests.rollback, "rollback-started"),
        (requests.kill, "kill-requested"),
    ],
)
def test_what_operators_ask_from_elsewhere_is_told(act, event):
    """The driver tells of events that other processes recorded."""
    stage, listener = begun(), Listener()
    stage.at(
        80,
        lambda s: requests.request(s.journal, s.clock, ROLLOUT, lambda state: act(state, ACTOR)),
    )

    drive_told(stage, ops=listener)

    assert event in listener.events


def test_drift_and_an_outside_kill_are_told():
    """Another hand's edit and another hand's zero are two different messages."""
    drifted, killed = begun(), begun()
    drifted.at(100, lambda s: s.world.edit("flag-llm", editor="bo", exposure=split(4200)))
    killed.at(150, lambda s: s.world.edit("flag-llm", exposure=ZERO))
    first, second = Listener(), Listener()

    drive_told(drifted, ops=first)
    drive_told(killed, ops=second)

    assert first.events[-2:] == ["drifted", "paused"]
    assert "outside-killed" in second.events


def test_an_asking_step_is_told_with_its_question():
    """People who must answer hear of it."""
    stage, listener = begun(playbook(confirm=True)), Listener()

    drive_told(stage, ops=listener)

    assert listener.events[-1] == "asked"
    assert listener.heard[-1].phase == "asking"


# -- failing notifiers --------------------------------------------------------------


def test_a_notifier_that_fails_for_a_while_is_tried_again():
    """Three tries; the second pause is longer."""
    listener, pauses = Listener(Unavailable("503"), Unavailable("503")), []

    told = deliver(listener, "message", tries=3, sleep=pauses.append)

    assert told.error == ""
    assert pauses == [0.5, 1.0]


def test_a_service_that_asks_for_patience_gets_it_within_bounds():
    """`Retry-After` counts, up to the limit."""
    pauses = []
    listener = Listener(Unavailable("429", retry_after_s=2.0), Unavailable("", retry_after_s=900))

    deliver(listener, "message", tries=3, sleep=pauses.append)

    assert pauses == [2.0, telling.RETRY_MAX_S]


@pytest.mark.parametrize("error", [Rejected("404 no such hook"), KeyError("a bug")])
def test_an_error_that_lasts_is_on_record_and_not_tried_again(error):
    """A wrong address or a bug in a notifier stops neither the rollout nor the others."""
    stage, broken, listener = begun(), Listener(error), Listener()

    end = drive_told(stage, hook=broken, ops=listener)

    assert end.exit_code is ExitCode.DONE
    first = next(event for event in notified(stage) if event.notifier == "hook")
    assert first.error
    assert first.of_seq == 1
    assert len(broken.heard) == len(listener.heard) - 1


def test_a_dead_notifier_is_not_tried_three_times_for_every_message():
    """After one message that could not be told, the next ones get one try each."""
    stage, dead = begun(), Listener(*[Unavailable("down")] * 500)

    drive_told(stage, hook=dead)

    count = len(notified(stage))
    assert dead.calls == count + telling.TRIES - 1


def test_a_hanging_webhook_does_not_delay_a_rollback():
    """The exposure is back before the hook has answered its first message."""
    stage, hanging = begun().canary_goes_bad(100), Hanging()
    rollout = told(stage, hook=hanging)
    workers = Workers(1, name="tell")
    teller = Teller(rollout, run=workers.run)

    end = drive(rollout, poll_s=5.0)
    restored = stage.exposures()
    teller.flush(0.05)

    assert end.exit_code is ExitCode.JUDGED_BAD
    assert restored == {"llm": ZERO}
    assert hanging.heard == []
    assert all("not delivered within" in event.error for event in notified(stage))
    assert len(notified(stage)) > 5
    hanging.let_go.set()
    workers.close()


def test_the_end_waits_for_messages_that_are_under_way():
    """The last message is delivered and on record when driving returns."""
    stage, listener = begun(), Listener()
    rollout = told(stage, ops=listener)
    workers = Workers(2, name="tell")

    drive(rollout, poll_s=5.0, teller=Teller(rollout, run=workers.run))
    workers.close()

    assert listener.events[-1] == "finished"
    assert len(notified(stage)) == len(listener.heard)


def test_more_messages_than_can_wait_give_up_the_oldest(monkeypatch):
    """A limit, and a record of what it cost."""
    monkeypatch.setattr(telling, "WAITING_MAX", 3)
    stage, hanging = begun(), Hanging()
    rollout = told(stage, hook=hanging)
    workers = Workers(1, name="tell")
    teller = Teller(rollout, run=workers.run)

    drive(rollout, poll_s=5.0)
    hanging.let_go.set()
    teller.flush(5.0)
    workers.close()

    given_up = [event for event in notified(stage) if "given up" in event.error]
    assert given_up
    assert given_up[0].of_seq == 1
    assert hanging.events[-1] == "finished"


def test_a_journal_that_fails_stops_no_driving():
    """What could not be recorded is recorded the next time."""
    stage, listener = begun(), Listener()
    rollout = told(stage, ops=listener)
    teller = teller_of(rollout)
    append = stage.journal.append

    def broken(*_args, **_kwargs):
        raise JournalUnavailable("disk full")

    stage.journal.append = broken
    teller.settle()
    stage.journal.append = append
    teller.settle()

    assert [event.of_seq for event in notified(stage)] == [1]


# -- across processes ---------------------------------------------------------------


def test_the_next_process_tells_what_the_dead_one_did_not():
    """At least once: nothing is lost, and what is on record is not told again."""
    stage, before, after = begun(), Listener(), Listener()
    rollout = told(stage, ops=before)
    teller = teller_of(rollout)
    tick(rollout)
    teller.settle()
    tick(rollout)  # told, and the process dies before that is on record
    seen = [message.key for message in before.heard]

    drive_told(stage, ops=after)

    keys = [message.key for message in after.heard]
    assert keys[0] in seen
    assert seen[0] not in keys
    assert after.events[-1] == "finished"


def test_a_notifier_that_was_never_told_hears_everything():
    """From the start of the rollout on."""
    stage, late = begun(), Listener()
    for _ in range(6):
        tick(rollout := stage.process())
    rollout.release_lease()

    drive_told(stage, ops=late)

    assert late.events[0] == "started"


def test_a_machine_that_takes_over_is_told_a_new_process_is_not():
    """`tick` from cron is another process each time; another host is news."""
    stage = begun()
    for owner in ("ana@one:1:9", "ana@one:2:9", "ana@two:1:9"):
        stage.journal.acquire_lease(ROLLOUT, owner, now=stage.clock.now(), ttl_s=15, steal=True)
    reporter, state, texts = Reporter(ROLLOUT, "test"), None, []

    for recorded in stage.journal.read(ROLLOUT):
        state = fold(ROLLOUT, [recorded], state)
        message = reporter.message(recorded, state)
        texts += [message.text] if message else []

    assert texts[1:] == ["ana@two drives it from here on"]


# -- kills without a lease -------------------------------------------------------------


def orders(stage):
    provider = FakeProvider(stage.world)
    return [KillOrder(target=one, provider=provider) for one in stage.playbook.targets.values()]


def killed(stage, *, journal):
    from worlds.rollouts import Boundaries  # noqa: PLC0415 - only here

    view = stage.process_view(Boundaries())
    fence = ev.KillRequested(actor=ACTOR, reason="bad answers")
    end = kill_rollout(ROLLOUT, orders(stage), journal=journal, clock=stage.clock, fence=fence)
    return view, end


def test_a_kill_that_is_not_confirmed_is_told_by_the_process_that_killed():
    """The request, the target that is not at zero, STUCK; keys as a driver would use."""
    stage, listener = begun(), Listener()
    stage.process()
    stage.world.fault = lambda operation, _: Fault.FORBIDDEN if operation == "kill" else None

    view, end = killed(stage, journal=stage.journal)
    errors = tell_now(kill_messages(view, end), {"ops": listener})

    assert errors == {}
    assert listener.events == ["kill-requested", "kill-not-confirmed", "stuck"]
    assert listener.heard[0].key == f"{ROLLOUT}:3"


def test_a_kill_without_a_journal_is_told_all_the_same():
    """What could not be recorded is said, under keys of its own."""
    stage, listener = begun(), Listener()

    view, end = killed(stage, journal=None)
    tell_now(kill_messages(view, end), {"ops": listener})

    assert listener.events == ["kill-requested", "finished"]
    assert listener.heard[-1].phase == "killed"
    assert ":unrecorded:" in listener.heard[0].key


def test_one_hanging_notifier_does_not_hold_up_the_others():
    """The limit holds, and the error says who was not reached."""
    stage, listener, hanging = begun(), Listener(), Hanging()
    view, _ = killed(stage, journal=None)
    end = KillEnd(reports=(), unrecorded=(ev.KillRequested(actor=ACTOR),))

    errors = tell_now(kill_messages(view, end), {"hook": hanging, "ops": listener}, limit_s=0.2)
    hanging.let_go.set()

    assert errors == {"hook": "no answer within 0.2 s"}
    assert listener.events == ["kill-requested"]


def test_a_rollout_without_notifiers_reads_and_records_nothing():
    """Telling costs nothing where nobody wants to be told."""
    stage = begun()
    rollout = stage.process()
    reads = []
    stage.journal.read = lambda *args, **kwargs: reads.append((args, kwargs))

    teller = teller_of(rollout)

    assert teller.is_idle
    assert reads == []
    assert rollout.listeners == []


def test_verdicts_are_told_when_they_turn():
    """Pass, fail, fail, no data, pass: two messages, whatever was left unrecorded."""
    stage = begun()
    state, reporter, told_ = stage.state(), Reporter(ROLLOUT, "test"), []
    turns = [Outcome.PASS, Outcome.FAIL, Outcome.FAIL, Outcome.NO_DATA, Outcome.PASS]
    for seq, outcome in enumerate(turns, start=2):
        verdict = Verdict(outcome=outcome, because="numbers")
        record = ev.GateRecord(
            verdict=verdict, measured=verdict, evidence=None, judged_at=stage.clock.now()
        )
        event = ev.GateJudged(gate="floor", step=0, record=record, readings=())
        recorded = ev.Recorded(seq=seq, at=stage.clock.now(), event=event)
        state = fold(ROLLOUT, [recorded], state)
        message = reporter.message(recorded, state)
        told_ += [message.event] if message else []

    assert told_ == ["gate-fail", "gate-no-data"]
