"""The strategies that a playbook can follow, what speaks for each, and which one fits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Strategy(StrEnum):
    """How a change reaches everybody."""

    SHADOW_CANARY = "shadow-canary"
    CANARY = "canary"
    AB_TEST = "ab-test"
    BLUE_GREEN = "blue-green"
    BLUE_GREEN_CANARY = "blue-green-canary"


class Change(StrEnum):
    """What is changed."""

    MODEL = "model"
    PROMPT = "prompt"
    FEATURE = "feature"
    CONFIG = "config"
    SERVICE = "service"
    INFRASTRUCTURE = "infrastructure"


class Goal(StrEnum):
    """What must be known before everybody gets it."""

    SAFE = "safe"  # it does no harm
    BETTER = "better"  # users, or the business, are better off
    SWITCH = "switch"  # only that it runs: both sides are the same to users


class Back(StrEnum):
    """How fast everybody must be back on the old one when something goes wrong."""

    SECONDS = "seconds"
    MINUTES = "minutes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """One line of the comparison."""

    summary: str
    risk: str
    speed: str
    cost: str
    feedback: str
    way_back: str


#: In the order of growing risk for users. What each costs and gives is the field's common
#: knowledge, as in https://martinfowler.com/bliki/CanaryRelease.html and
#: https://martinfowler.com/bliki/BlueGreenDeployment.html.
TRAITS = {
    Strategy.SHADOW_CANARY: Traits(
        summary="mirrored traffic first, then growing shares",
        risk="lowest",
        speed="hours to days",
        cost="answers twice",
        feedback="first share on",
        way_back="seconds",
    ),
    Strategy.CANARY: Traits(
        summary="growing shares of real users",
        risk="low",
        speed="hours to days",
        cost="none",
        feedback="first share on",
        way_back="seconds",
    ),
    Strategy.AB_TEST: Traits(
        summary="half of the users each, a planned sample, one test",
        risk="half the users",
        speed="whole weeks",
        cost="the worse half",
        feedback="measured",
        way_back="seconds",
    ),
    Strategy.BLUE_GREEN: Traits(
        summary="everybody at once, the old one kept ready",
        risk="everybody",
        speed="minutes",
        cost="both sides run",
        feedback="none",
        way_back="one write",
    ),
    Strategy.BLUE_GREEN_CANARY: Traits(
        summary="a small share first, then everybody at once",
        risk="low, then all",
        speed="under an hour",
        cost="both sides run",
        feedback="a small share",
        way_back="one write",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What somebody says of a change. `can_mirror`: requests may be answered twice, unseen."""

    change: Change
    goal: Goal
    can_mirror: bool
    back: Back


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The strategy that fits, why, and what is to be heeded."""

    strategy: Strategy
    because: str
    heed: tuple[str, ...] = ()


def advise(situation: Situation) -> Advice:
    """The strategy that fits best; one rule a line, the first one that holds."""
    if situation.goal is Goal.BETTER:
        return Advice(
            strategy=Strategy.AB_TEST,
            because="whether users are better off is a difference between two groups of them, and "
            "only a planned sample tells it from chance",
            heed=(
                "say first what you count, and which difference matters: rolloutctl abtest size",
                "for a change that may break something, first a canary, then the experiment",
            ),
        )
    is_platform = situation.change is Change.INFRASTRUCTURE
    if situation.back is Back.SECONDS and not (is_platform and situation.goal is Goal.SWITCH):
        return Advice(
            strategy=Strategy.BLUE_GREEN_CANARY,
            because="the fastest way back for everybody is one write to a side that still runs; "
            "the small share before it keeps the harm small",
            heed=("keep the old side at full size until you are sure",),
        )
    if is_platform or situation.goal is Goal.SWITCH:
        return Advice(
            strategy=Strategy.BLUE_GREEN,
            because="users see no difference, so a share of them tells nothing that health checks "
            "do not; one switch, and one write back",
            heed=("check the new side's health before the switch",),
        )
    if situation.can_mirror:
        return Advice(
            strategy=Strategy.SHADOW_CANARY,
            because="mirrored requests show what is broken before any user meets it; then growing "
            "shares show what only real users show",
            heed=(
                "what is mirrored must change nothing: no order, no mail, no charge twice",
                *_paid(situation.change),
            ),
        )
    return Advice(
        strategy=Strategy.CANARY,
        because="growing shares find harm while few users have it, and each share is judged "
        "against control of the same moment",
        heed=("begin with a share that is large enough to see something: rolloutctl plan says so",),
    )


def _paid(change: Change) -> tuple[str, ...]:
    if change in {Change.MODEL, Change.PROMPT}:
        return ("mirrored answers cost tokens: give the playbook a budget gate",)
    return ()
