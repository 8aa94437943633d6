"""Gate kind `alerts`: passes only if none of the named alerts is firing or pending.

The alerts are those that the team is woken by anyway: their rules are loaded in a Prometheus,
and are not repeated here. A named alert that is not loaded is an error, and so is a rule that
cannot be evaluated: a quiet alert says something only where it could have been loud. What was
evaluated before the step's exposure was in force says nothing about it.

`pending` counts unless it is to be ignored: an alert with `for: 10m` that holds 9 minutes of a
10 minutes' step is no reason to go on. A silenced alert counts too unless silences are
respected: a silence says that nobody wants to be called, not that all is well, and often it was
made for the very deployment that is judged here. An inhibited alert always counts.

An alert is quiet when its data is gone, too. Where nothing that its expression rests on has
fresh data, that is no data, unless `may_be_empty` names the alert.

What it cannot do: see that a part of that data is gone. Alerts on missing data (`absent(…)`),
or a counting gate beside it, are for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from rolloutctl.core.alerts import (
    NAME_LABEL,
    SILENCED_LABEL,
    WITHOUT_DATA_LABEL,
    AlertState,
    parse_alerts,
)
from rolloutctl.core.foresight import Ahead, Foreseen
from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import Query, QueryKind, Reading, Sample
from rolloutctl.core.ports import GateContext
from rolloutctl.core.references import quote_label, references
from rolloutctl.core.references import replace as replace_references
from rolloutctl.core.selector import SelectorError
from rolloutctl.core.units import doc
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.gates.readings import error, no_data, unusable

#: Alerts of one gate; a team has a handful that speak for a service.
ALERTS_MAX = 50
#: Active alerts named in one verdict.
SHOWN_MAX = 3

#: (key, message, fix)
Problem = tuple[str, str, str]


class Pending(StrEnum):
    """What a pending alert means: its expression holds, its `for` is not over."""

    FAIL = "fail"
    IGNORE = "ignore"


class Silences(StrEnum):
    """What a silence means: nobody is called for the alert."""

    IGNORE = "ignore"
    RESPECT = "respect"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsSpec:
    """Which alerts must be quiet."""

    alerts: str | tuple[str, ...] = doc(
        'by name, with conditions on labels if need be: HighErrorRate{severity="page"}, or a list'
    )
    pending: Pending = doc("what a pending alert means (fail)", default=Pending.FAIL)
    silences: Silences = doc(
        "ignore: a silenced alert counts; respect (Alertmanager only): it does not (ignore)",
        default=Silences.IGNORE,
    )
    may_be_empty: tuple[str, ...] = doc(
        "names of alerts whose metrics have no series while all is well", default=()
    )

    def named(self) -> tuple[str, ...]:
        """The alerts as they are written."""
        return (self.alerts,) if isinstance(self.alerts, str) else self.alerts


class Alerts:
    """Named alerts must be quiet; see the module's docstring."""

    name: ClassVar[str] = "alerts"
    Spec: ClassVar[type] = AlertsSpec

    def problems(self, spec: AlertsSpec) -> Sequence[tuple[str, str, str]]:
        """Names and labels."""
        return tuple(_problems(spec))

    def texts(self, spec: AlertsSpec) -> Mapping[str, str]:
        """The alerts, by key."""
        if isinstance(spec.alerts, str):
            return {"alerts": spec.alerts}
        return {f"alerts.{index}": text for index, text in enumerate(spec.alerts)}

    def query_kinds(self, spec: AlertsSpec) -> frozenset[str]:
        """Alerts, or those that nobody silenced: only some sources know of silences."""
        return frozenset({_kind(spec)})

    def counts_events(self, spec: AlertsSpec) -> bool:
        """No: how much stands behind an alert is its rule's matter."""
        del spec
        return False

    def queries(self, spec: AlertsSpec, context: GateContext) -> Sequence[Query]:
        """One query an alert."""
        quoted = {name: quote_label(value) for name, value in context.arms.items()}
        texts = (replace_references(text, quoted.get) for text in spec.named())
        return [Query(kind=_kind(spec), text=text) for text in texts]

    def assess(
        self,
        spec: AlertsSpec,
        evidence: Json,
        readings: Sequence[Reading],
        context: GateContext,
    ) -> tuple[Json, Verdict]:
        """Judges what is active now; nothing is carried from look to look."""
        named = {one for text in spec.named() for one in references(text)}
        if unknown := sorted(named - context.arms.keys()):
            return evidence, error(f"unknown reference ${{{unknown[0]}}}")
        if not readings or len(readings) != len(spec.named()):
            return evidence, error(f"{len(readings)} answers to {len(spec.named())} questions")
        return evidence, _verdict(spec, readings, context)

    def foresee(
        self, spec: AlertsSpec, evidence: Json, ahead: Ahead, context: GateContext
    ) -> Foreseen | None:
        """See `core.foresight`: quiet looks are alike, and leave nothing behind."""
        del spec, context
        tracks = [track for tracks in ahead.answers for track in tracks]
        looks = 0
        while looks < ahead.count and all(track.values[looks] == 0 for track in tracks):
            looks += 1
        return Foreseen(looks, evidence) if looks and all(ahead.answers) else None


def _kind(spec: AlertsSpec) -> QueryKind:
    is_respected = spec.silences is Silences.RESPECT
    return QueryKind.UNSILENCED_ALERTS if is_respected else QueryKind.ALERTS


def _problems(spec: AlertsSpec) -> Iterator[Problem]:
    named = spec.named()
    if not named:
        yield "alerts", "no alert is named: nothing would ever fail", "write alerts: [NAME]"
    if len(named) > ALERTS_MAX:
        yield "alerts", f"{len(named)} alerts; at most {ALERTS_MAX}", "name them by a label"
    for index, text in enumerate(named):
        key = "alerts" if isinstance(spec.alerts, str) else f"alerts.{index}"
        fix = """write HighErrorRate, 'HighErrorRate{severity="page"}' or '{severity="page"}'"""
        if any(one.startswith("arm.") for one in references(text)):
            fix = "write ${canary.…} or ${control.…}"
            yield key, "${arm.…} asks once per arm; an alert is asked about once", fix
        try:
            parse_alerts(replace_references(text, lambda _: "x"))
        except SelectorError as unreadable:
            yield key, f"cannot read {text!r:.80}: {unreadable}", fix
        if text in named[:index]:
            yield key, f"{text!r:.80} is named twice", "remove one"


def _verdict(spec: AlertsSpec, readings: Sequence[Reading], context: GateContext) -> Verdict:
    """FAIL before anything else: one alert that fires is enough, whatever the others say."""
    active = [
        (one.value, _alert(one, reading.query.text))
        for reading in readings
        for one in (reading.measurement.samples if reading.measurement else ())
        if one.value > AlertState.INACTIVE
    ]
    firing = list(dict.fromkeys(alert for value, alert in active if value >= AlertState.FIRING))
    pending = list(dict.fromkeys(alert for value, alert in active if value < AlertState.FIRING))
    numbers = (("firing", float(len(firing))), ("pending", float(len(pending))))
    if firing:
        because = f"firing: {_shown(firing)}"
        return Verdict(outcome=Outcome.FAIL, because=because, numbers=numbers)
    if pending and spec.pending is Pending.FAIL:
        because = f"pending: {_shown(pending)} (pending: fail)"
        return Verdict(outcome=Outcome.FAIL, because=because, numbers=numbers)
    stand_in = unusable(readings)
    if stand_in is not None:
        return stand_in
    lacking = next(_without_data(spec, readings), "")
    if lacking:
        return no_data(lacking)
    early = _not_yet_evaluated(readings, context)
    if early is not None:
        return early
    because = f"quiet: {', '.join(reading.query.text for reading in readings)}"
    if pending:
        because += f"; pending and ignored: {_shown(pending)}"
    return Verdict(outcome=Outcome.PASS, because=because, numbers=numbers)


def _without_data(spec: AlertsSpec, readings: Sequence[Reading]) -> Iterator[str]:
    """Alerts that are quiet because nothing could make them loud, each as a sentence."""
    for reading in readings:
        for sample in reading.measurement.samples if reading.measurement else ():
            labels = dict(sample.labels)
            name, lacking = labels.get(NAME_LABEL, ""), labels.get(WITHOUT_DATA_LABEL)
            if lacking is not None and name not in spec.may_be_empty:
                yield (
                    f"alert {name} rests on no data: nothing new in {lacking}; if that is usual, "
                    "name the alert in may_be_empty"
                )


def _not_yet_evaluated(readings: Sequence[Reading], context: GateContext) -> Verdict | None:
    """INCONCLUSIVE where a rule was last evaluated before the canary was served."""
    if context.since is None or context.exposure is None:
        return None
    for reading in readings:
        if reading.measurement is not None and reading.measurement.at < context.since:
            return Verdict(
                outcome=Outcome.INCONCLUSIVE,
                because=f"not evaluated since the step's write: {reading.query.text}",
                settles_at=context.now + timedelta(seconds=context.interval_s),
            )
    return None


def _alert(sample: Sample, asked: str) -> str:
    labels = dict(sample.labels)
    silenced = " (silenced, and counted: silences: ignore)" if SILENCED_LABEL in labels else ""
    labels.pop(SILENCED_LABEL, "")
    name = labels.pop(NAME_LABEL, asked)
    inner = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{inner}}}{silenced}" if inner else f"{name}{silenced}"


def _shown(alerts: Sequence[str]) -> str:
    more = len(alerts) - SHOWN_MAX
    return ", ".join(alerts[:SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
