"""`dependence: clustered`: shares of bad events where those of one user fail together.

Ten requests of one session that all fail are one failure. Counted as ten, a test that
states 5 % errs in a third of all days (simulated 2026-11, sessions of ten, a correlation of
0.1). What hangs together mostly falls into the same five minutes, so these are compared as
wholes: the differences of the batches say themselves how much they vary. Of 5 % stated, 1 %
of healthy days fail where sessions fit into a batch, 3 % with independent requests and 4 %
where sessions last for minutes and lie across two batches (300 days each, 50 requests a
second, 5 % of them the canary's). The price is time: nothing is said before an hour.
"""

from __future__ import annotations

from rolloutctl.core.json_types import Json
from rolloutctl.core.ports import GateContext
from rolloutctl.gates.arm_evidence import ArmEvidence
from rolloutctl.gates.arms import ArmTick
from rolloutctl.gates.batch_course import (
    BatchCourse,
    Batching,
    OpenBatch,
    batch_course_of,
    bounds_of,
    with_look,
)
from rolloutctl.gates.compare_spec import CompareSpec
from rolloutctl.gates.conclusion import PASS_ERROR_RATE, Weighed
from rolloutctl.gates.control_seen import Share
from rolloutctl.gates.shown import arms_shown, share_numbers

#: Batches of five minutes; an hour of them before anything is said; tightest after four.
BATCHES = Batching(length_s=300.0, least=12, best_at=48.0)
#: Bad events of the canary below which its batches are nothing like a normal variable.
BAD_TO_FAIL = 5.0
#: And below which it cannot be shown to be good: at 5 of them a canary that is exactly at
#: the margin passes 13.5 % of the time instead of 5 (simulated 2026-11).
BAD_TO_SHOW = 50.0


def batched(
    spec: CompareSpec, stored: Json, tick: ArmTick, shares: tuple[Share, Share]
) -> BatchCourse:
    """The batches with one more look; none while control is unhealthy itself."""
    control, canary = shares
    course = batch_course_of(stored)
    seen = course.control.glanced(control)
    if seen.is_worse_than(spec.control_max):
        return course._replace(control=seen, open=None)
    course = course._replace(control=seen.learned(control), harmful=course.harmful + canary[0])
    look = OpenBatch(tick.start_s, tick.end_s, control, canary)
    return with_look(course, look, margin=spec.accepted(), batching=BATCHES)


def weigh_batches(
    spec: CompareSpec, known: ArmEvidence, course: BatchCourse, context: GateContext
) -> Weighed:
    """What the batches are worth."""
    seen = course.control
    bounds = bounds_of(
        course.means,
        batching=BATCHES,
        alphas=(context.error_rate, PASS_ERROR_RATE),
        scale=seen.bad / seen.total if seen.total > 0 else 0.0,
    )
    is_harm = bounds is not None and bounds.least > 0 and course.harmful >= BAD_TO_FAIL
    is_shown = bounds is not None and bounds.most < 0 and course.harmful >= BAD_TO_SHOW
    unready = f"{course.means.batches} of {BATCHES.least} batches of 5 minutes"
    against = unready if bounds is None else _beyond(bounds.excess, bounds.least)
    few = f"{course.harmful:,.0f} of {BAD_TO_SHOW:g} bad events of the canary"
    return Weighed(
        shown=arms_shown(known),
        numbers=(*share_numbers(known), *(_numbers(bounds.excess, bounds.least) if bounds else ())),
        seen=known.canary.get("total", 0.0),
        margin=str(spec.accepted()),
        harm=against if is_harm else "",
        against=against,
        worth="" if not is_shown or bounds is None else f"by at least {-bounds.most * 100:.2g}pp",
        missing=against if course.harmful >= BAD_TO_SHOW else few,
        unhealthy=spec.unhealthy(seen),
        unready=unready if bounds is None else "",
    )


def _beyond(excess: float, least: float) -> str:
    return f"beyond it by {excess * 100:+.2g}pp, at least {least * 100:+.2g}pp"


def _numbers(excess: float, least: float) -> tuple[tuple[str, float], ...]:
    return (("beyond", excess), ("beyond_at_least", least))
