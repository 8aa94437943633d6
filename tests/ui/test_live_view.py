"""The live view says everything in words, and fits whatever terminal there is."""

import pytest

from rolloutctl.core import events as ev
from rolloutctl.core.state import Phase
from rolloutctl.runner import requests
from rolloutctl.runner.loop import drive
from rolloutctl.steps.canary import CanarySpec
from rolloutctl.ui.live_scene import Ask
from rolloutctl.ui.live_view import CHOICES, live_lines
from ui.scenes import scene_of
from worlds.rollouts import ACTOR, ROLLOUT, Stage, playbook, step

FOUR = ("gateway", "ranker", "a-target-with-quite-a-long-name", "llm")


def drive_until(stage, seconds, *, phase=None):
    """Drives for so long, or until the rollout is in a phase."""
    rollout = stage.process()
    began = stage.clock.now()

    def stop(decision):
        del decision
        is_there = rollout.state.phase is phase
        is_late = (stage.clock.now() - began).total_seconds() >= seconds
        return "enough" if is_there or is_late else ""

    drive(rollout, stop=stop, poll_s=1.0)
    return stage


def running():
    """Within the first canary step."""
    stage = Stage(playbook())
    stage.begin()
    return drive_until(stage, 80)


def asking():
    """A confirm step whose hold is over."""
    stage = Stage(playbook(confirm=True))
    stage.begin()
    return drive_until(stage, 600, phase=Phase.ASKING)


def paused():
    """Paused by a person with a reason."""
    stage = running()
    requests.request(
        stage.journal, stage.clock, ROLLOUT, lambda s: requests.pause(s, ACTOR, reason="look")
    )
    return stage


def rolled_back():
    """A gate failed and it was taken back."""
    stage = Stage(playbook()).canary_goes_bad(70)
    stage.begin()
    return drive_until(stage, 600)


def succeeded():
    """All of it is done."""
    stage = Stage(playbook())
    stage.begin()
    return drive_until(stage, 3600)


def four_targets():
    """Four targets within a step."""
    stage = Stage(playbook(targets=FOUR))
    stage.begin()
    return drive_until(stage, 80)


SCENES = {
    one.__name__: one for one in (running, asking, paused, rolled_back, succeeded, four_targets)
}


def text_of(scene, width=100, rows=60):
    return "\n".join(line.plain for line in live_lines(scene, width, rows))


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("ask", [None, Ask(question="leave step 2?", typed="prom" * 40)])
def test_no_line_is_wider_than_the_terminal_and_no_picture_higher(name, ask):
    """Whatever the size: a line that wraps would break the picture."""
    scene = scene_of(SCENES[name](), ask=ask, alarm="driver silent for 14s; " * 12)

    for width in (59, 79, 99, 119, 149, 199):
        for rows in (13, 23, 30, 50):
            lines = live_lines(scene, width, rows)

            assert max(line.cell_len for line in lines) <= width
            assert len(lines) <= rows


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("running", "RUNNING"),
        ("asking", "ASKING"),
        ("paused", "PAUSED"),
        ("rolled_back", "ROLLED BACK"),
        ("succeeded", "SUCCEEDED"),
    ],
)
def test_every_phase_is_said_in_a_word(name, word):
    """Neither a colour nor a sign is needed to know it."""
    assert word in text_of(scene_of(SCENES[name]()))


def test_the_path_marks_where_it_is_and_what_is_done():
    """Brackets and signs, not colours."""
    said = text_of(scene_of(running()))

    assert "✓ shadow-0 ─ ● [canary-1] ─ ○ wait-2" in said


def test_a_long_path_keeps_the_current_step_and_counts_the_others():
    """Forty steps do not fit; where it is always does."""
    steps = tuple(
        step(n, "canary", CanarySpec(canary=100 * (n + 1)), ("llm",), gates=()) for n in range(40)
    )
    stage = Stage(playbook(steps=steps))
    stage.begin()
    scene = scene_of(drive_until(stage, 60 * 20 + 30))

    path = next(line for line in text_of(scene, width=79).splitlines() if "path" in line)

    assert "[canary-20]" in path
    assert "done" in path
    assert "more" in path


def test_a_target_is_shown_as_intended_and_as_observed():
    """Three cells: what it is to serve, what was seen, how sure that is."""
    said = text_of(scene_of(four_targets()))

    assert "TARGET" in said
    for name in FOUR[:2]:
        row = next(line for line in said.splitlines() if name in line)
        assert row.count("canary 5%") == 2
        assert "read back" in row


def test_a_gate_says_its_verdict_its_number_and_its_limit():
    """The number stands beside the limit it is held against."""
    said = text_of(scene_of(running()))

    assert "success" in said
    assert "pass" in said
    assert "observed 0.99 (limit: fail < 0.95)" in said
    assert "floor (guardrail)" in said


def test_a_failed_gate_says_what_it_leads_to():
    """Fail is a word, and so is its consequence."""
    said = text_of(scene_of(rolled_back()))

    row = next(line for line in said.splitlines() if line.startswith("✗ success"))
    assert "fail" in row
    assert "rolls back" in row


def test_what_comes_next_is_said_with_its_time():
    """When, and to which step."""
    said = text_of(scene_of(running(), is_driven_here=True))

    assert "the gates are judged anew, then step 3 of 5: wait-2" in said
    assert "left of 1m, until" in said


def test_where_nobody_drives_nothing_happens_by_itself():
    """A time of the next judgement would be a promise that nobody keeps."""
    said = text_of(scene_of(running()))

    assert "nothing by itself: nobody drives it" in said
    assert "UNWATCHED" in said
    assert "the gates are judged anew" not in said


def test_whoever_asked_is_named_with_the_terminal():
    """Who paused it, from where, and why."""
    said = text_of(scene_of(paused()))

    assert "paused by ana@host on pts/1: look" in said
    assert "rolloutctl resume r-test" in said


def test_a_question_is_the_last_thing_and_shows_what_was_typed():
    """The cursor stands where the answer is typed."""
    lines = live_lines(scene_of(asking(), ask=Ask(question="leave it?", typed="prom")), 79, 23)

    assert lines[-1].plain.endswith(f"{CHOICES} > prom")
    assert "leave it?" in lines[-2].plain


def test_in_a_low_terminal_the_question_and_the_phase_stay():
    """What is asked is never what is cut off."""
    scene = scene_of(asking(), ask=Ask(question="leave it?"))

    said = text_of(scene, width=79, rows=13)

    assert "ASKING" in said
    assert f"{CHOICES} >" in said


def test_a_stale_picture_says_so():
    """Whoever looks must not take yesterday for now."""
    scene = scene_of(running(), alarm="driver silent for 14s")

    assert "! stale   driver silent for 14s" in text_of(scene)


def test_an_exposure_that_nobody_drives_is_unwatched():
    """In capitals, with the command that watches it."""
    said = text_of(scene_of(running()))

    assert "nobody: UNWATCHED" in said
    assert "rolloutctl agent" in said


def test_a_reason_cannot_move_the_cursor():
    """A message of a service may hold anything."""
    stage = running()
    actor = ev.Actor(name="ana@host\x1b[2J", terminal="pts/1\r\n")
    requests.request(stage.journal, stage.clock, ROLLOUT, lambda s: requests.pause(s, actor))

    said = text_of(scene_of(stage))

    assert all(line.isprintable() for line in said.splitlines())
