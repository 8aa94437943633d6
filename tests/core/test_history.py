"""What the journal's course tells: since when, which trouble, whose edit."""

from datetime import UTC, datetime, timedelta

from rolloutctl.core import events as ev
from rolloutctl.core.effects import Expose, Invoke, Restore
from rolloutctl.core.exposure import ZERO, split
from rolloutctl.core.history import history_of
from rolloutctl.core.observation import Observation, Receipt

AT = datetime(2026, 1, 1, tzinfo=UTC)
ACTOR = ev.Actor(name="ana@host")


def seen(fingerprint, exposure=ZERO):
    """An observation of the target."""
    return Observation(
        at=AT, exposure=exposure, version="v", fingerprint=fingerprint, snapshot={}, editor="bo"
    )


STARTED = ev.Started(
    name="p",
    document="{}",
    sha256="0",
    restore_points=(ev.RestorePoint(target="llm", address="a", observation=seen("f-0")),),
    actor=ACTOR,
)


def writing(key, before, effect=None):
    """An intent on the target as it was seen before."""
    effect = effect or Expose(target="llm", exposure=split(500))
    return ev.Intended(key=key, effect=effect, before=before, deadline=AT, epoch=1)


def applied(key, fingerprint):
    """The end of an intent."""
    return ev.Applied(key=key, receipt=Receipt(changed="yes"), after=seen(fingerprint, split(500)))


def course(*events):
    """The history of some events, a second apart."""
    return history_of(
        ev.Recorded(seq=number, at=AT + timedelta(seconds=number), event=event)
        for number, event in enumerate([STARTED, *events], start=1)
    )


def test_a_write_over_somebodys_edit_is_known_by_what_was_there():
    """The restore of a rollback included: it never stops, but it never keeps silent either."""
    restore = writing("b", seen("theirs", split(4000)), Restore(target="llm"))

    history = course(writing("a", seen("f-0")), applied("a", "ours"), restore)

    assert history.overwritten["llm"].exposure == split(4000)
    assert history.overwritten["llm"].editor == "bo"


def test_writes_over_what_the_rollout_left_are_no_edits():
    """Neither over its own last write nor over its restore point."""
    over_ours = writing("b", seen("ours", split(500)), Restore(target="llm"))

    assert not course(writing("a", seen("f-0")), applied("a", "ours"), over_ours).overwritten
    assert not course(writing("a", seen("f-0")), writing("b", seen("f-0"))).overwritten


def test_a_write_whose_end_nobody_saw_is_no_edit_by_another_hand():
    """What it wanted may be what is there."""
    landed = seen("unknown", split(500))

    history = course(writing("a", seen("f-0")), writing("b", landed, Restore(target="llm")))

    assert not history.overwritten


def test_parts_of_our_own_write_are_no_edit():
    """A write that landed in part is the rollout's."""
    half = ev.ApplyFailed(
        key="a", target="llm", why=ev.Why.HALF_DONE, message="half", after=seen("half")
    )

    assert not course(
        writing("a", seen("f-0")), half, writing("b", seen("half", split(1)))
    ).overwritten


def test_a_phase_begins_with_the_last_event_that_turned_it():
    """Measurements in between do not move it."""
    history = course(
        ev.Paused(because="why"),
        ev.Notified(notifier="hook", of_seq=2),
        ev.LeaseTaken(epoch=1, owner="o"),
    )

    assert history.phase_at == AT + timedelta(seconds=2)


def test_promoting_a_step_that_waits_turns_the_phase_and_leaving_another_does_not():
    """The question is answered by leaving its step; a running step goes on running."""
    left = ev.StepLeft(step=0, because="promoted")
    asked = ev.Asked(step=0, question="go on?")

    assert course(asked, ev.Notified(notifier="hook", of_seq=2), left).phase_at == (
        AT + timedelta(seconds=4)
    )
    assert course(ev.Resumed(actor=ACTOR), left).phase_at == AT + timedelta(seconds=2)


def test_a_target_that_cannot_be_read_is_trouble_until_somebody_saw_it():
    """A look and a write are told apart."""
    unread = ev.ApplyFailed(key="look:llm", target="llm", why=ev.Why.UNAVAILABLE, message="gone")
    refused = ev.ApplyFailed(key="a", target="llm", why=ev.Why.REFUSED, message="no")

    trouble = course(unread).troubles["llm"]

    assert (trouble.message, trouble.is_unread, trouble.at) == (
        "gone",
        True,
        AT + timedelta(seconds=2),
    )
    assert not course(writing("a", seen("f-0")), refused).troubles["llm"].is_unread
    assert not course(unread, writing("a", seen("f-0")), applied("a", "ours")).troubles
    assert not course(unread, ev.Drifted(target="llm", observation=seen("x"), because="y")).troubles


def test_what_concerns_no_target_is_nobodys_edit():
    """A command of a step has no configuration."""
    invoke = Invoke(request={}, timeout_s=1.0)

    assert not course(writing("a", None, invoke), writing("b", None)).overwritten
