"""A journal that cannot be is refused, whatever wrote it; and small words for odd things."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rolloutctl.core import events as ev
from rolloutctl.core.effects import Invoke, Notify, target_of
from rolloutctl.core.exposure import Condition, Exposure, describe, split
from rolloutctl.core.machine import fold, follow
from rolloutctl.core.reconcile import drift_sentence, reconcile
from rolloutctl.core.secret import SecretRef, SecretText
from rolloutctl.core.units import parse_weight
from rolloutctl.errors import IllegalEvent
from worlds.rollouts import ROLLOUT, Stage, playbook


@pytest.fixture
def records():
    """The journal of a rollout that reached its end."""
    stage = Stage(playbook())
    stage.begin()
    stage.drive()
    return list(stage.journal.read(ROLLOUT))


def test_an_empty_journal_is_no_rollout():
    """Nothing began."""
    with pytest.raises(IllegalEvent, match="empty"):
        fold(ROLLOUT, [])


def test_a_journal_begins_with_its_start(records):
    """Not in its middle."""
    with pytest.raises(IllegalEvent, match="begins with Started"):
        fold(ROLLOUT, records[1:])


def test_no_event_is_missing(records):
    """A gap is a damaged journal."""
    with pytest.raises(IllegalEvent, match="seq 3 follows 1"):
        fold(ROLLOUT, [records[0], *records[2:]])


def test_an_event_names_what_the_rollout_has(records):
    """Another target's event does not belong here."""
    place = next(i for i, one in enumerate(records) if isinstance(one.event, ev.Intended))
    one = records[place]
    effect = replace(one.event.effect, target="other")
    broken = replace(one, event=replace(one.event, effect=effect))

    with pytest.raises(IllegalEvent, match="does not have"):
        fold(ROLLOUT, [*records[:place], broken])


def begun(records):
    """The state once the first step's write is intended, and the step."""
    place = next(i for i, one in enumerate(records) if isinstance(one.event, ev.Intended))
    return fold(ROLLOUT, records[: place + 1]), records[place].at


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (ev.StepEntered(step=7, because="x"), "step 7 entered after 0"),
        (ev.HoldExtended(step=7, until=None, because="x"), "of another step"),
    ],
)
def test_steps_follow_each_other(records, event, words):
    """None is entered out of turn, none is held that is not worked on."""
    state, at = begun(records)
    if isinstance(event, ev.HoldExtended):
        event = replace(event, until=at + timedelta(minutes=1))

    with pytest.raises(IllegalEvent, match=words):
        follow(state, event, at)


def test_a_second_start_is_refused(records):
    """One journal is one rollout."""
    state, at = begun(records)

    with pytest.raises(IllegalEvent):
        follow(state, records[0].event, at)


def test_an_end_without_a_beginning_is_refused(records):
    """`Applied` closes an intent; without one it is from elsewhere."""
    state, at = begun(records)
    applied = next(one.event for one in records if isinstance(one.event, ev.Applied))

    with pytest.raises(IllegalEvent, match="without an open intent"):
        follow(state, replace(applied, key="r:9:9"), at)


def test_nothing_happens_after_the_end(records):
    """A step cannot be entered in a finished rollout."""
    state = fold(ROLLOUT, records)

    with pytest.raises(IllegalEvent, match="cannot follow in phase succeeded"):
        follow(state, ev.StepEntered(step=0, because="x"), records[-1].at)


def test_effects_on_no_target_have_none_and_cannot_be_observed(records):
    """A command and a message leave nothing to look at."""
    state, at = begun(records)
    invoke = Invoke(request={}, timeout_s=1.0)
    intended = ev.Intended(key="r:0:1", effect=invoke, before=None, deadline=at, epoch=1)
    target = state.targets["llm"]

    assert target_of(invoke) == target_of(Notify(notifiers=(), message="x")) == ""
    with pytest.raises(TypeError, match="on no target"):
        reconcile(intended, target, target.restore_point)


def test_an_edit_beside_the_weights_is_told_as_one(records):
    """The share is as it was; something else is not."""
    state, _ = begun(records)
    seen = state.targets["llm"].restore_point

    assert "edited outside this rollout (still" in drift_sentence(seen, seen.exposure)


def test_weights_that_do_not_add_up_are_no_exposure():
    """Whoever builds them."""
    with pytest.raises(ValueError, match="sum to"):
        Exposure(weights=(("control", 5000), ("canary", 4000)))
    with pytest.raises(ValueError, match="finest weight"):
        parse_weight("0.001%")


def test_an_audience_is_told():
    """Who is eligible at all belongs to what is served."""
    audience = (Condition(attribute="region", values=("eu",)),)

    assert "audience region" in describe(replace(split(500), audience=audience))


def test_a_secret_prints_as_stars_and_a_reference_as_its_place():
    """Neither shows what it stands for."""
    assert repr(SecretText("hidden")) == "***"
    assert str(SecretRef(env="TOKEN")) == "${env.TOKEN}"
    assert str(SecretRef(file="/run/secret")) == "file /run/secret"
