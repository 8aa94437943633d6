"""Several rollouts in one table: what needs somebody first, and never wider than the terminal."""

import pytest

from rolloutctl.core.evolve import evolve
from rolloutctl.ui.live_table import OneOfMany, table_lines
from ui.test_live_view import asking, paused, running, succeeded
from worlds.rollouts import Boundaries


def one_of(stage, rollout_id, *, driver="ana@host (pid 7)"):
    """The stage's rollout under another id."""
    rollout = stage.process_view(Boundaries())
    return OneOfMany(
        state=evolve(rollout.state, rollout_id=rollout_id),
        playbook=rollout.playbook,
        driver=driver,
    )


def text_of(rollouts, width=99, rows=20):
    now = rollouts[0].state.started_at
    return "\n".join(line.plain for line in table_lines(rollouts, now, width, rows))


def test_what_needs_somebody_stands_first():
    """Whoever looks on sees the question before the ninety that run."""
    said = text_of([one_of(running(), "r-1"), one_of(asking(), "r-2"), one_of(running(), "r-3")])

    order = [said.index(name) for name in ("r-2", "r-1", "r-3")]
    assert order == sorted(order)
    assert "3 open rollouts, 1 waiting for a person" in said


def test_an_exposure_without_a_driver_is_counted_and_named():
    """With the command that ends it."""
    said = text_of([one_of(running(), "r-1", driver=""), one_of(running(), "r-2")])

    assert "1 UNWATCHED (rolloutctl agent drives them)" in said
    row = next(line for line in said.splitlines() if "r-1" in line)
    assert "UNWATCHED" in row


@pytest.mark.parametrize("width", [59, 79, 120, 199])
def test_no_line_wraps_and_those_left_out_are_counted(width):
    """Ninety rollouts on twenty rows."""
    many = [one_of(paused(), f"a-rollout-with-a-long-name-{n:02}" * 2) for n in range(90)]

    lines = table_lines(many, many[0].state.started_at, width, 20)

    assert len(lines) <= 20
    assert max(line.cell_len for line in lines) <= width
    assert "74 more: rolloutctl list --open" in lines[-1].plain


def test_a_rollout_that_is_done_says_so():
    """It may end while it is drawn."""
    assert "all done" in text_of([one_of(succeeded(), "r-1")])
