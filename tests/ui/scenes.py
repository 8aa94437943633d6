"""Scenes of the live view, made by driving a rollout on fakes."""

from __future__ import annotations

from rolloutctl.core.decide import decide
from rolloutctl.core.view import View
from rolloutctl.ui.live_course import Course
from rolloutctl.ui.live_scene import Scene
from rolloutctl.ui.rollout_view import Standing
from worlds.rollouts import KINDS, ROLLOUT, Boundaries


def course_of(stage):
    """What the events of the stage's rollout told."""
    course = Course()
    for recorded in stage.journal.read(ROLLOUT):
        course.learn(recorded)
    return course


def scene_of(stage, *, lease=None, **more):
    """The stage's rollout as somebody who looks on sees it now."""
    rollout = stage.process_view(Boundaries())
    now = stage.clock.now()
    course = course_of(stage)
    standing = Standing(
        view=View(playbook=rollout.playbook, state=rollout.state, kinds=KINDS, now=now),
        decision=decide(rollout.playbook, rollout.state, KINDS, now),
        lease=lease,
        history=course.history(),
    )
    return Scene(standing=standing, course=course, **more)
