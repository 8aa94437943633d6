"""What a `compare` gate is written as, and what can be wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from rolloutctl.core.units import Share, doc
from rolloutctl.gates.arms import Asked
from rolloutctl.gates.control_seen import ControlSeen
from rolloutctl.gates.margin import NO_WORSE, Margin, parse_margin
from rolloutctl.gates.selectors import problem_of_selector

#: Specs whose texts are kept in memory: they are asked for at every look.
_SPECS_MAX = 1_024
#: (key, message, fix)
Problem = tuple[str, str, str]


class Dependence(StrEnum):
    """Whether one event says something about the next."""

    INDEPENDENT = "independent"
    CLUSTERED = "clustered"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareSpec:
    """Bad events of the canary against those of control at the same time.

    `bad` and `total` are selectors of raw counters with `${arm.…}` in them; bad events
    are a part of all events.
    """

    bad: str = doc("selector of the counters of bad events, with ${arm.…}")
    total: str = doc("selector of the counters of all events, with ${arm.…}")
    margin: str = doc(
        "how much worse than control is accepted: 1.25x, 10%, +0.5pp (1x: not at all)", default=""
    )
    strict: bool = doc(
        "pass only once the canary is shown to be within the margin (false)", default=False
    )
    control_max: Share = doc(
        "a control worse than this is unhealthy itself, and nothing is concluded", default=0.0
    )
    effect: str = doc("the harm that `plan` tells when it is seen: 2x, +1pp (2x)", default="2x")
    dependence: Dependence = doc(
        "clustered: requests of one user fail together, judged in batches of 5m (independent)",
        default=Dependence.INDEPENDENT,
    )

    def asked(self) -> Asked:
        """The texts asked of both arms."""
        return _asked(self.bad, self.total)

    def accepted(self) -> Margin:
        """The parsed `margin`. Raises `ValueError`."""
        return parse_margin(self.margin) if self.margin else NO_WORSE

    def unhealthy(self, control: ControlSeen) -> str:
        """The limit that control itself breaks; "" if it breaks none."""
        is_worse = control.is_worse_than(self.control_max)
        return f"control_max {self.control_max * 100:g}%" if is_worse else ""


@lru_cache(maxsize=_SPECS_MAX)
def _asked(bad: str, total: str) -> Asked:
    return Asked(texts=(("bad", bad), ("total", total)), part="bad", whole="total")


def problems_of(spec: CompareSpec) -> Iterator[Problem]:
    """Everything wrong with a spec."""
    yield from text_problems({"bad": spec.bad, "total": spec.total})
    yield from margin_problems(spec.margin, strict=spec.strict)
    yield from effect_problems(spec.effect)


def effect_problems(effect: str) -> Iterator[Problem]:
    """Can the harm that is to be seen be read, and is it one?"""
    try:
        if parse_margin(effect) == NO_WORSE:
            yield "effect", "1x is no harm", "write what must be seen, such as 2x"
    except ValueError as unreadable:
        yield "effect", f"cannot read {effect!r:.80}", str(unreadable)


def margin_problems(margin: str, *, strict: bool) -> Iterator[Problem]:
    """Can the margin be read, and is there one where a pass must be shown?"""
    try:
        accepted = parse_margin(margin) if margin else NO_WORSE
    except ValueError as unreadable:
        yield "margin", f"cannot read {margin!r:.80}", str(unreadable)
        return
    if strict and accepted == NO_WORSE:
        yield (
            "strict",
            "nothing can be shown to be not worse at all",
            "add margin: 1.25x, the most that is accepted",
        )


def text_problems(texts: dict[str, str]) -> Iterator[Problem]:
    """Are the selectors selectors, each another one, and does each tell the arms apart?"""
    first, last = next(iter(texts)), list(texts)[-1]
    if first != last and texts[first] == texts[last]:
        yield (
            last,
            f"{first} and {last} select the same: one is always 100% of the other",
            (f'narrow {first}, such as status=~"5..", or widen {last}'),
        )
    for name, text in texts.items():
        problem = problem_of_selector(text)
        if problem:
            yield (
                name,
                f"{name} takes a selector of raw counters, no functions or ranges: {problem}",
                'write a selector such as requests_total{model="${arm.labels.model}"}',
            )
        elif "${arm." not in text:
            yield (
                name,
                f"{name} asks both arms the same: their difference would always be nothing",
                'add a label that tells them apart: {model="${arm.labels.model}"}',
            )
