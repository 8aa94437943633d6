"""The form `rule` of a threshold gate: an alerting rule's expression, judged as Prometheus does.

The gate fails while the expression returns any series, once that has lasted for the rule's
`for`. Prometheus counts `for` label set by label set; here it runs as long as any series is
there, which fails sooner where alerts come and go. `labels`, `annotations` and their templates
say whom to tell and how, and are not used; nor is `keep_firing_for`, because a gate that has
failed stays failed in its step. The gate's own `interval` stands for the group's.

SAFETY: such an expression returns nothing while all is well, and nothing when its data is
gone. So every selector in it must have fresh data, unless it selects from the series of
another one that has (failures before the first failure), or is said to be empty normally.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rolloutctl.core.measurement import SELECTOR_LABEL, Reading
from rolloutctl.core.units import DurationS, doc, key
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.gates.readings import no_data
from rolloutctl.gates.selectors import narrows


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSpec:
    """An alerting rule of a rule file, as it stood there when the rollout was started."""

    file: str = doc("Prometheus' rule file; a relative path begins at the playbook")
    alert: str = doc("the alert's name in it")
    labels: Mapping[str, str] = doc(
        "labels that the rule sets, where several have the name", default_factory=dict
    )
    may_be_empty: tuple[str, ...] = doc(
        "metrics in its expression that have no series while all is well", default=()
    )
    expr: str = doc("read from the file, never written by hand", default="")
    for_s: DurationS = key("for", doc="read from the file, never written by hand", default=0.0)


def rule_verdict(spec: RuleSpec, reading: Reading) -> Verdict:
    """The verdict of one answer to the expression, before its `for`."""
    measurement = reading.measurement
    samples = measurement.samples if measurement is not None else ()
    counts = [one.value for one in samples if SELECTOR_LABEL not in dict(one.labels)]
    if measurement is None or not counts:
        return no_data(f"the number of series was not answered: {reading.query.text}")
    series = sum(counts)
    numbers = (("observed", series), ("limit", 0.0))
    if series > 0:
        detail = f": {measurement.detail}" if measurement.detail else ""
        because = f"alert {spec.alert} holds for {series:g} series{detail}"
        return Verdict(outcome=Outcome.FAIL, because=because, numbers=numbers)
    lacking = next(_lacking(spec, reading), "")
    if lacking:
        return no_data(
            f"nothing new in {lacking}, without which alert {spec.alert} cannot hold; if that is "
            f"usual, name it in may_be_empty"
        )
    because = f"alert {spec.alert} holds for no series"
    return Verdict(outcome=Outcome.PASS, because=because, numbers=numbers)


def _lacking(spec: RuleSpec, reading: Reading) -> Iterator[str]:
    """The selectors without fresh data that should have some."""
    has_data: dict[str, bool] = {}
    for sample in reading.measurement.samples if reading.measurement else ():
        text = dict(sample.labels).get(SELECTOR_LABEL)
        if text is not None:
            has_data[text] = sample.value > 0
    present = [text for text, is_there in has_data.items() if is_there]
    for text, is_there in has_data.items():
        named = {text, text.partition("{")[0].strip()}
        is_excused = named & set(spec.may_be_empty) or any(narrows(text, one) for one in present)
        if not is_there and not is_excused:
            yield text
