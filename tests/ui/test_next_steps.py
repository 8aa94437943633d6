"""Each phase has its commands, ready to be copied."""

import pytest

from rolloutctl.core.evolve import evolve
from rolloutctl.core.state import Phase
from rolloutctl.ui.next_steps import NextStep, next_lines, next_steps, ways_on
from worlds.rollouts import Boundaries, Stage, playbook


@pytest.fixture
def state():
    """A rollout that has begun."""
    stage = Stage(playbook())
    stage.begin()
    return stage.process_view(Boundaries()).state


def verbs(steps):
    """The verbs of commands."""
    return [step.command.split()[1] for step in steps]


@pytest.mark.parametrize(
    ("phase", "driven", "alone"),
    [
        (Phase.RUNNING, [], ["agent", "rollback"]),
        (Phase.ASKING, ["approve", "reject"], ["approve", "reject"]),
        (Phase.PAUSED, ["resume", "rollback"], ["resume", "rollback"]),
        (Phase.HELD, ["resume", "rollback"], ["resume", "rollback"]),
        (Phase.STUCK, ["rollback", "kill"], ["rollback", "kill"]),
        (Phase.ROLLING_BACK, ["wait"], ["rollback", "kill"]),
        (Phase.KILLING, ["wait"], ["kill"]),
        (Phase.SUCCEEDED, [], []),
    ],
)
def test_the_phase_decides(state, phase, driven, alone):
    """And whether somebody drives it."""
    state = evolve(state, phase=phase)

    assert verbs(next_steps(state, is_driven=True)) == driven
    assert verbs(next_steps(state, is_driven=False)) == alone


def test_after_the_fence_only_a_kill_helps(state):
    """A rollback would be refused."""
    state = evolve(state, phase=Phase.STUCK, killed_at=state.started_at)

    assert verbs(next_steps(state, is_driven=False)) == ["kill"]


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        (Phase.RUNNING, ["agent", "rollback", "kill"]),
        (Phase.PAUSED, ["agent", "resume", "rollback", "kill"]),
        (Phase.HELD, ["resume", "rollback", "kill"]),
        (Phase.KILLING, ["kill"]),
    ],
)
def test_what_is_left_behind_can_be_watched_or_killed(state, phase, expected):
    """An agent lets alone what is at rest, so it is not named there."""
    assert verbs(ways_on(evolve(state, phase=phase))) == expected


def test_commands_are_never_folded():
    """Where it is narrow, all meanings go below."""
    steps = [NextStep(command="rolloutctl a", does="x"), NextStep(command="b", does="long" * 9)]

    assert next_lines(steps, 60)[0] == "rolloutctl a  x"
    assert next_lines(steps, 20) == ["rolloutctl a", "  x", "b", f"  {'long' * 9}"]
