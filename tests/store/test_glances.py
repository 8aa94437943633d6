"""What a driver leaves for onlookers is shown exactly where it belongs, and decides nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rolloutctl.core.state import Phase
from rolloutctl.steps.canary import CanarySpec
from rolloutctl.store.glances import Glances
from worlds.rollouts import ROLLOUT, Boundaries, Stage, playbook, step


@pytest.fixture
def stage():
    """A rollout with one step of ten minutes."""
    canary = step(0, "canary", CanarySpec(canary=500), ("llm",))
    stage = Stage(playbook(steps=(replace(canary, hold_s=600.0),)))
    stage.begin()
    return stage


@pytest.fixture
def driver(stage, tmp_path):
    """The process that drives, leaving glances beside a journal."""
    rollout = stage.process()
    rollout.onlookers = Glances(tmp_path / "journal.db")
    return rollout


def drive(rollout, stage, seconds):
    from rolloutctl.runner.loop import drive as drive_on  # noqa: PLC0415 - named like the helper

    until = stage.clock.now() + timedelta(seconds=seconds)
    drive_on(rollout, stop=lambda _: "x" if stage.clock.now() >= until else "", poll_s=1.0)


def test_an_onlooker_sees_the_judgement_that_was_not_recorded(stage, driver, tmp_path):
    """The journal has the first of equal verdicts; the glance has the last."""
    drive(driver, stage, 95)
    recorded = stage.process_view(Boundaries()).state

    seen, written_at = Glances(tmp_path / "journal.db").laid_over(recorded)

    assert seen.gates["success"].judged_at > recorded.gates["success"].judged_at
    assert seen.gates["success"].verdict == driver.state.gates["success"].verdict
    assert written_at is not None
    assert stage.clock.now() - written_at < timedelta(seconds=31)


def test_a_glance_of_another_state_is_not_shown(stage, driver):
    """What the journal says since then is newer."""
    drive(driver, stage, 95)
    glances = driver.onlookers
    assert glances.laid_over(driver.state)[1] is not None

    driver.onlookers = None
    drive(driver, stage, 600)
    after = stage.process_view(Boundaries()).state

    assert glances.laid_over(after) == (after, None)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', "null\nnull", "\0" * 100])
def test_a_file_that_is_no_glance_changes_nothing(stage, tmp_path, text):
    """Torn, forged or of another version: the recorded state is shown."""
    state = stage.process_view(Boundaries()).state
    folder = tmp_path / "journal.db.live"
    folder.mkdir()
    (folder / f"{ROLLOUT}.json").write_text(text)

    assert Glances(tmp_path / "journal.db").laid_over(state) == (state, None)


def test_who_gives_the_lease_back_takes_the_glance_along(stage, driver, tmp_path):
    """Nothing of it is left behind."""
    drive(driver, stage, 59)
    assert (tmp_path / "journal.db.live").exists()

    driver.release_lease()

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_stops_no_driver(stage, driver, tmp_path):
    """It is for looking at only."""
    (tmp_path / "journal.db.live").write_text("a file where the folder should be")

    drive(driver, stage, 3600)

    assert driver.state.phase is Phase.SUCCEEDED


def test_a_glance_is_written_at_most_once_a_second(stage, driver, tmp_path):
    """A thousand rollouts of one agent must not keep a disk busy."""
    glances = Glances(tmp_path / "journal.db")
    now = stage.clock.now()
    path = tmp_path / "journal.db.live" / f"{ROLLOUT}.json"

    glances.leave(driver.state, now)
    first = path.stat().st_mtime_ns
    glances.leave(driver.state, now + timedelta(seconds=0.5))

    assert path.stat().st_mtime_ns == first
    glances.leave(driver.state, now + timedelta(seconds=1))
    assert path.stat().st_mtime_ns > first
