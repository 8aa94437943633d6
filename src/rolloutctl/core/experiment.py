"""An A/B experiment as a playbook declares it, and how many units it needs.

Shared by the step kind `experiment`, which writes the split, and by the gate that the step
implies, which judges it. Nothing is judged before every arm has its planned units: a test
of a fixed sample that is looked at early, again and again, finds differences that are none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from rolloutctl.core.exposure import CANARY, CONTROL, FULL_BP, format_bp
from rolloutctl.core.playbook import OnFail
from rolloutctl.core.stats.sample_size import Design, units_of_control
from rolloutctl.core.units import Points, Share, WeightBp, doc

#: The arms that a target serves, control first.
ARMS = (CONTROL, CANARY)
#: The kind of gate that a step of kind `experiment` implies.
GATE_KIND = "experiment"

#: (key, message, fix)
Problem = tuple[str, str, str]


class Want(StrEnum):
    """Which difference is the wished-for one."""

    INCREASE = "increase"
    DECREASE = "decrease"


class TestMethod(StrEnum):
    """How two shares are compared."""

    __test__ = False  # its name begins like a test's

    CHI_SQUARE = "chi-square"


class OnBetter(StrEnum):
    """What a canary that is shown to be better leads to."""

    SHIP = "ship"


class OnUndecided(StrEnum):
    """What a planned sample without a significant difference leads to."""

    PAUSE = "pause"
    ROLLBACK = "rollback"
    SHIP = "ship"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Units that did what counts, of all units of the arm."""

    success: str = doc("selector of the counters of units that succeeded, with ${arm.…}")
    total: str = doc("selector of the counters of all units, with ${arm.…}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TestPlan:
    """How many units are needed: what is served today, and what must not be missed."""

    __test__ = False

    baseline: Share = doc("share of control's units that succeed today")
    effect: Points = doc("the difference that must not be missed, in percentage points: +5pp")
    method: TestMethod = doc(
        "chi-square without Yates' correction; Fisher's test where a cell is expected below 5",
        default=TestMethod.CHI_SQUARE,
    )
    alpha: Share = doc("how often arms that are alike are told apart (5%)", default=0.05)
    power: Share = doc("how often the effect is found if it is there (80%)", default=0.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """What each result leads to; none of them is guessed."""

    better: OnBetter = doc("ship: the step is left, the next ones take the canary further")
    worse: OnFail = doc("rollback or pause")
    inconclusive: OnUndecided = doc("pause, rollback or ship")


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A split of units, a metric, a planned test, and what follows."""

    arms: Mapping[str, WeightBp] = doc("the split: {control: 50%, canary: 50%}")
    source: str = doc("the source that counts the units")
    metric: Metric = doc("what is counted, in units that keep their arm")
    want: Want = doc("increase or decrease")
    test: TestPlan = doc("the planned test")
    decide: Decide = doc("what each result leads to")

    @property
    def canary_bp(self) -> int:
        """The canary's weight."""
        return self.arms[CANARY]

    def design(self) -> Design:
        """The test's design for this split. Raises `ValueError` where it is none."""
        return Design(
            alpha=self.test.alpha,
            power=self.test.power,
            ratio=self.canary_bp / self.arms[CONTROL],
        )

    def planned(self) -> tuple[int, int]:
        """Units that control and the canary need. Raises `ValueError` where none suffice."""
        design = self.design()
        share = self.test.baseline
        control = units_of_control(share, share + self.test.effect, design=design)
        return control, math.ceil(round(control * design.ratio, 6))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The spec of the implied gate: the experiment, and how long it runs at least."""

    experiment: Experiment
    hold_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpliedGate:
    """A gate that a step kind wants to be judged by, beside those that the step names.

    Attributes:
        kind: a gate kind.
        spec: its decoded spec.
        source: the source it asks.
        source_key: where in the step the source is written, a dotted path.
        target: the target whose arms it asks about.
        on_fail: what its failure leads to.
        needs_unit: it counts units, so somebody must keep the arm they were given.
    """

    kind: str
    spec: object
    source: str
    source_key: str
    target: str
    on_fail: OnFail
    needs_unit: bool = False


def describe_plan(experiment: Experiment) -> str:
    """One sentence for the plan: how many units, by which formula."""
    control, canary = experiment.planned()
    test = experiment.test
    changed = test.baseline + test.effect
    return (
        f"judged once, at {control:,} units on control and {canary:,} on canary "
        f"({_percent(test.baseline)} to {_percent(changed)}, alpha {_percent(test.alpha)} "
        f"two-sided, power {_percent(test.power)}, pooled formula)"
    )


def problems_of(experiment: Experiment) -> Iterator[Problem]:
    """Everything wrong with an experiment but its selectors; keys are dotted paths in it."""
    arms = list(_problems_of_arms(experiment.arms))
    yield from arms
    yield from _problems_of_test(experiment, has_arms=not arms)
    decide = experiment.decide
    if decide.inconclusive is OnUndecided.ROLLBACK and decide.worse is OnFail.PAUSE:
        yield (
            "decide",
            "an inconclusive result goes back and a worse one stays",
            "write worse: rollback, or inconclusive: pause",
        )


def _problems_of_arms(arms: Mapping[str, int]) -> Iterator[Problem]:
    if set(arms) != set(ARMS):
        yield (
            "arms",
            f"a target serves two arms, control and canary; these are: {', '.join(arms) or 'none'}",
            "write arms: {control: 50%, canary: 50%}, one experiment for each canary",
        )
        return
    if not all(arms.values()):
        yield "arms", "an arm without units shows nothing", "give both arms a weight above 0%"
    if sum(arms.values()) != FULL_BP:
        total = format_bp(sum(arms.values()))
        yield "arms", f"the weights sum to {total}", "write weights that sum to 100%"


def _problems_of_test(experiment: Experiment, *, has_arms: bool) -> Iterator[Problem]:
    test = experiment.test
    wanted = "+" if experiment.want is Want.INCREASE else "-"
    if test.effect == 0:
        yield "test.effect", "no number of units shows an effect of nothing", "write +5pp"
        return
    if (test.effect > 0) is not (experiment.want is Want.INCREASE):
        yield (
            "test.effect",
            f"an effect of {test.effect * 100:+g}pp is no {experiment.want}",
            f"write {wanted}{abs(test.effect) * 100:g}pp, or change want",
        )
    reached = test.baseline + test.effect
    if not (0 < test.baseline < 1 and 0 < reached < 1):
        yield (
            "test.baseline",
            f"from {_percent(test.baseline)} to {_percent(reached)} leaves what shares can be",
            "both must be above 0% and below 100%",
        )
        return
    if not has_arms:
        return
    try:
        experiment.planned()
    except ValueError as error:
        yield "test", str(error), "write alpha: 5%, power: 80%"


def _percent(share: float) -> str:
    return f"{share * 100:.6g}%"
