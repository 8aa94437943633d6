"""Why a rollout stands where it stands, phase by phase."""

import pytest

from rolloutctl.core.decide import decide
from rolloutctl.core.exposure import split
from rolloutctl.core.situation import needs_human, why
from rolloutctl.core.state import Phase
from rolloutctl.core.view import View
from rolloutctl.runner import requests
from rolloutctl.runner.loop import drive
from rolloutctl.runner.requests import request
from rolloutctl.testing import Fault
from worlds.rollouts import ACTOR, KINDS, ROLLOUT, Boundaries, Stage, playbook


def said(stage):
    """The sentence, at the stage's time, from what is on record."""
    rollout = stage.process_view(Boundaries())
    now = stage.clock.now()
    view = View(playbook=stage.playbook, state=rollout.state, kinds=KINDS, now=now)
    decision = decide(stage.playbook, rollout.state, KINDS, now)
    return rollout.state, why(view, decision)


def begun(**options):
    """A rollout that has just begun."""
    stage = Stage(playbook(**options))
    stage.begin()
    return stage


def driven_for(stage, seconds):
    """Drives it for so long, then leaves it."""
    until = stage.clock.now().timestamp() + seconds
    drive(stage.process(), stop=lambda _: "" if stage.clock.now().timestamp() < until else "enough")


def ask(stage, make):
    """Another process asks for something."""
    request(stage.journal, stage.clock, ROLLOUT, make)


def test_a_pause_gives_its_reason_and_an_edit_that_was_seen_since():
    """The reason of the pause is not all that stands in the way."""
    stage = begun()
    driven_for(stage, 90)
    ask(stage, lambda state: requests.pause(state, ACTOR, "lunch"))
    stage.world.edit("flag-llm", exposure=split(4000))
    driven_for(stage, 60)

    state, because = said(stage)

    assert state.phase is Phase.PAUSED
    assert because == "paused by ana@host: lunch; llm was edited by another hand"
    assert needs_human(state)


def test_drift_that_paused_it_is_named_once():
    """It is the reason already."""
    stage = begun()
    driven_for(stage, 90)
    stage.world.edit("flag-llm", exposure=split(4000))
    driven_for(stage, 60)

    _, because = said(stage)

    assert because.startswith("drift on llm: ")
    assert "another hand" not in because


def test_what_was_never_judged_is_named():
    """Nothing can be foreseen of a gate without a verdict."""
    _, because = said(begun())

    assert because == "to be judged next: floor"


def test_a_promotion_waits_for_fresh_judgements_not_for_the_hold():
    """The hold may have long to go."""
    stage = begun()
    driven_for(stage, 40)
    ask(stage, lambda state: requests.promote(state, ACTOR))

    _, because = said(stage)

    assert because == "step shadow-0: to be promoted; its gates are judged anew before it is left"


def test_a_promotion_is_named_before_a_gate_that_was_never_judged():
    """Whoever asked for it wants to see that it was heard."""
    stage = begun()
    ask(stage, lambda state: requests.promote(state, ACTOR))

    assert said(stage)[1] == "to be promoted; to be judged next: floor"


def test_a_question_whose_hold_began_anew_does_not_call_it_over():
    """An exposure that was written again, over an edit, is held again."""
    stage = begun(confirm=True)
    stage.drive()
    stage.world.edit("flag-llm", exposure=split(4000))
    driven_for(stage, 60)
    ask(stage, lambda state: requests.resume(state, ACTOR, reapply=True))
    driven_for(stage, 2)

    state, because = said(stage)

    assert state.phase is Phase.ASKING
    assert because == "leave step canary-1? its hold began anew; it waits for an answer"


def test_what_is_due_and_no_wait_is_said_to_be_due():
    """A rollout that nobody drives may have work to do at once."""
    stage = begun()
    rollout = stage.process()
    drive(rollout, stop=lambda _: "left" if rollout.state.steps_left else "")
    stage.clock.advance(100)

    _, because = said(stage)

    assert because == "due: step 2 of 5: canary-1"


def test_a_way_back_names_its_reason_and_what_stands_in_the_way():
    """With the error of each target that does not come back."""
    stage = begun()
    driven_for(stage, 90)
    stage.world.fault = lambda _operation, _flag: Fault.FORBIDDEN
    ask(stage, lambda state: requests.rollback(state, ACTOR))
    driven_for(stage, 5)

    state, because = said(stage)

    assert state.phase is Phase.ROLLING_BACK
    assert because.startswith("rollback asked by ana@host; llm: ")


@pytest.mark.parametrize(("reason", "end"), [("", ""), ("fire", ": fire")])
def test_a_kill_names_its_reason(reason, end):
    """As it was asked for."""
    stage = begun()
    ask(stage, lambda state: requests.kill(state, ACTOR, reason))

    assert said(stage)[1] == f"a kill was requested{end}"


def test_a_question_waits_and_an_end_gives_its_reason():
    """Asking needs a person; over needs nobody."""
    stage = begun(confirm=True)
    stage.drive()
    asking, question = said(stage)
    ask(stage, lambda state: requests.rollback(state, ACTOR))
    stage.drive()
    over, because = said(stage)

    assert needs_human(asking)
    assert question == "leave step canary-1? its hold is over; it waits for an answer"
    assert not needs_human(over)
    assert because == over.ended_because
