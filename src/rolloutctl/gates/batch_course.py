"""Evidence about a difference of means, batch by batch: `mean`, and clustered shares.

A batch is one look, or where events of one user go together several minutes of looks:
what hangs together then mostly falls into one batch, and batches are compared as wholes.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from rolloutctl.core.json_types import Json
from rolloutctl.core.stats.batch_means import BatchMeans, estimate, fold_batch, half_width
from rolloutctl.gates.control_seen import ControlSeen
from rolloutctl.gates.margin import Margin

#: Differences smaller than this part of control's mean are rounding, not evidence.
_ROUNDING = 1e-9

#: (sum, events) of one arm.
Summed = tuple[float, float]


class OpenBatch(NamedTuple):
    """Events of both arms that have not made a batch yet."""

    start_s: float
    end_s: float
    control: Summed
    canary: Summed


class Batching(NamedTuple):
    """How looks become batches.

    Attributes:
        length_s: a batch is at least so long; 0: every look is one.
        least: batches below which nothing is said.
        best_at: the number of batches after which the bound is tightest.
    """

    length_s: float
    least: int
    best_at: float


class BatchCourse(NamedTuple):
    """The batches so far, the open one, and what is known of control.

    `harmful` are the canary's bad events in the whole rollout. JSON as it stands.
    """

    means: BatchMeans = BatchMeans()
    open: OpenBatch | None = None
    control: ControlSeen = ControlSeen()
    harmful: float = 0.0


def batch_course_of(stored: Json) -> BatchCourse:
    """The course carried over, or a new one."""
    if isinstance(stored, BatchCourse):
        return stored
    if stored is None:
        return BatchCourse()
    means, open_, control, harmful = cast("list[Any]", stored)  # Any: as JSON keeps it
    return BatchCourse(
        BatchMeans(*means),
        None if open_ is None else OpenBatch(open_[0], open_[1], tuple(open_[2]), tuple(open_[3])),
        ControlSeen.from_json(control),
        harmful,
    )


def with_look(
    course: BatchCourse, tick: OpenBatch, *, margin: Margin, batching: Batching
) -> BatchCourse:
    """The course with one more look: a part of the open batch, or the end of it.

    Looks that do not follow each other make no batch together: between them lies a gap or
    another weight, and what was open is let go.
    """
    begun = course.open
    if begun is not None and begun.end_s == tick.start_s:
        tick = OpenBatch(
            begun.start_s,
            tick.end_s,
            (begun.control[0] + tick.control[0], begun.control[1] + tick.control[1]),
            (begun.canary[0] + tick.canary[0], begun.canary[1] + tick.canary[1]),
        )
    if tick.end_s - tick.start_s < batching.length_s:
        return course._replace(open=tick)
    (sum0, all0), (sum1, all1) = tick.control, tick.canary
    if all0 <= 0 or all1 <= 0:
        return course._replace(open=None)
    means = fold_batch(
        course.means,
        difference=sum1 / all1 - margin.limit_at(sum0 / all0),
        weight=all0 * all1 / (all0 + all1),
    )
    return course._replace(means=means, open=None)


class Bounds(NamedTuple):
    """Where the canary's mean is beyond the margin, at two levels of certainty.

    Attributes:
        excess: by how much it is estimated to be beyond; below 0 it is within.
        least: it is beyond by at least this, but for the gate's chance of an error.
        most: it is beyond by at most this, but for the chance of a wrong pass.
    """

    excess: float
    least: float
    most: float


def bounds_of(
    means: BatchMeans, *, batching: Batching, alphas: tuple[float, float], scale: float
) -> Bounds | None:
    """The bounds on what lies beyond the margin; None before there are enough batches.

    Args:
        means: the batches.
        batching: how many are enough.
        alphas: the chances of a wrong fail and of a wrong pass.
        scale: control's mean, to tell differences from rounding.
    """
    if means.batches < batching.least:
        return None
    excess, _ = estimate(means)
    rounding = _ROUNDING * abs(scale)
    least, most = (half_width(means, alpha=a, best_at=batching.best_at) for a in alphas)
    return Bounds(excess, excess - least - rounding, excess + most + rounding)
