"""Gate kind `ratio-metric`: shares of bad answers that are known only later, such as thumbs.

A vote comes in minutes after the answer it is about. Counters cannot tell when that answer
was given; they tell of whom (the arm's label) and when the vote came in. What can be said
from them:

* While nothing about the exposure has changed for longer than votes take, the votes of one
  look are about answers of the same stretch of time in both arms. They are compared as
  `compare` does, look by look.
* For `delay` after a change they are not: at first a canary has only the votes that are
  given fast, and the angry vote fastest; and after a larger weight old answers are still
  voted on. These looks are no evidence, in a guardrail too.

So each vote that counts belongs to an answer of this exposure, but for those slower than
`delay`: choose it so that nearly all have come in. Everything else is as in `compare`: one
vote is one event, so a user who votes ten times needs `dependence: clustered`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import Reading
from rolloutctl.core.ports import GateContext
from rolloutctl.core.units import DurationS, key
from rolloutctl.core.verdict import Verdict
from rolloutctl.gates.compare import Compare, assess_shares
from rolloutctl.gates.compare_spec import CompareSpec, Problem, problems_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioMetricSpec(CompareSpec):
    """Shares of bad labels that come in late; else as `compare`."""

    delay_s: DurationS = key("delay", doc="how long after its answer a label comes in, such as 10m")


class RatioMetric(Compare):
    """Late labels of the canary against those of control; see the module's docstring."""

    name: ClassVar[str] = "ratio-metric"
    Spec: ClassVar[type] = RatioMetricSpec

    def problems(self, spec: CompareSpec) -> Sequence[tuple[str, str, str]]:
        """Those of `compare`, and the delay."""
        return (*problems_of(spec), *_delay_problems(spec))

    def assess(
        self,
        spec: CompareSpec,
        evidence: Json,
        readings: Sequence[Reading],
        context: GateContext,
    ) -> tuple[Json, Verdict]:
        """As `compare`, of labels whose answers were given under this exposure."""
        return assess_shares(spec, evidence, readings, context, delay_s=_delay_of(spec))


def _delay_of(spec: CompareSpec) -> float:
    return spec.delay_s if isinstance(spec, RatioMetricSpec) else 0.0


def _delay_problems(spec: CompareSpec) -> Iterator[Problem]:
    if _delay_of(spec) <= 0:
        yield (
            "delay",
            "labels that come in at once need no delay",
            "write how long they take, such as 10m, or use kind: compare",
        )
