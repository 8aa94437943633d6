"""Gate kind `alarms`: passes only while the named alarms of the service are OK.

The alarms are those that the team, or AWS AppConfig itself, acts on anyway; they are not
repeated here. A named alarm that does not exist is an error.

Too little data (INSUFFICIENT_DATA) is what a fresh alarm says, and one whose metric is silent.
`insufficient` says what that means: `wait` (no verdict), `pass` or `fail`; AppConfig rolls its
own deployments back on it. An alarm that is OK says nothing of the canary before it could have
been in ALARM: so long after the step's write the gate has no verdict yet. Metric alarms tell
how long that is; composite alarms do not.

What it cannot do: see that an alarm treats missing data as good (`TreatMissingData`). A
counting gate beside it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from rolloutctl.core.alarms import EVERY, NAME_CHARS_MAX, AlarmLabel, AlarmState
from rolloutctl.core.foresight import Ahead, Foreseen
from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import Query, QueryKind, Reading, Sample
from rolloutctl.core.ports import GateContext
from rolloutctl.core.references import references
from rolloutctl.core.references import replace as replace_references
from rolloutctl.core.units import doc, format_duration, parse_duration
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.gates.readings import error, unusable

#: Alarms of one gate; each text is a question at every look.
ALARMS_MAX = 50
#: Alarms named in one verdict.
SHOWN_MAX = 3

#: (key, message, fix)
Problem = tuple[str, str, str]


class Insufficient(StrEnum):
    """What an alarm with too little data means."""

    WAIT = "wait"
    PASS = "pass"  # noqa: S105 - a word of the playbook
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmsSpec:
    """Which alarms must be OK."""

    alarms: str | tuple[str, ...] = doc(
        "by name, or all whose names begin so: chat-errors, chat-*, or a list"
    )
    insufficient: Insufficient = doc(
        "what INSUFFICIENT_DATA means: wait, pass or fail (wait)", default=Insufficient.WAIT
    )

    def named(self) -> tuple[str, ...]:
        """The alarms as they are written."""
        return (self.alarms,) if isinstance(self.alarms, str) else self.alarms


class Alarms:
    """Named alarms must be OK; see the module's docstring."""

    name: ClassVar[str] = "alarms"
    Spec: ClassVar[type] = AlarmsSpec

    def problems(self, spec: AlarmsSpec) -> Sequence[tuple[str, str, str]]:
        """Names and references."""
        return tuple(_problems(spec))

    def texts(self, spec: AlarmsSpec) -> Mapping[str, str]:
        """The alarms, by key."""
        if isinstance(spec.alarms, str):
            return {"alarms": spec.alarms}
        return {f"alarms.{index}": text for index, text in enumerate(spec.alarms)}

    def query_kinds(self, spec: AlarmsSpec) -> frozenset[str]:
        """Alarms."""
        del spec
        return frozenset({QueryKind.ALARMS})

    def counts_events(self, spec: AlarmsSpec) -> bool:
        """No: how much stands behind an alarm is its own matter."""
        del spec
        return False

    def queries(self, spec: AlarmsSpec, context: GateContext) -> Sequence[Query]:
        """One query a name, or beginning of names."""
        texts = [replace_references(text, context.arms.get) for text in spec.named()]
        return [Query(kind=QueryKind.ALARMS, text=text) for text in texts]

    def assess(
        self,
        spec: AlarmsSpec,
        evidence: Json,
        readings: Sequence[Reading],
        context: GateContext,
    ) -> tuple[Json, Verdict]:
        """Judges how the alarms stand now; nothing is carried from look to look."""
        named = {one for text in spec.named() for one in references(text)}
        if unknown := sorted(named - context.arms.keys()):
            return evidence, error(f"unknown reference ${{{unknown[0]}}}")
        if not readings or len(readings) != len(spec.named()):
            return evidence, error(f"{len(readings)} answers to {len(spec.named())} questions")
        return evidence, _verdict(spec, readings, context)

    def foresee(
        self, spec: AlarmsSpec, evidence: Json, ahead: Ahead, context: GateContext
    ) -> Foreseen | None:
        """See `core.foresight`: looks at alarms that are OK leave nothing behind."""
        del spec, context
        tracks = [track for tracks in ahead.answers for track in tracks]
        looks = 0
        while looks < ahead.count and all(track.values[looks] == 0 for track in tracks):
            looks += 1
        return Foreseen(looks, evidence) if looks and all(ahead.answers) else None


def _problems(spec: AlarmsSpec) -> Iterator[Problem]:
    named = spec.named()
    if not named:
        yield "alarms", "no alarm is named: nothing would ever fail", "write alarms: [NAME]"
    if len(named) > ALARMS_MAX:
        yield "alarms", f"{len(named)} alarms; at most {ALARMS_MAX}", "name many at once: chat-*"
    for index, text in enumerate(named):
        key = "alarms" if isinstance(spec.alarms, str) else f"alarms.{index}"
        if not text.strip() or text == EVERY or len(text) > NAME_CHARS_MAX:
            fix = f"a name has 1 to {NAME_CHARS_MAX} characters; write chat-errors, or chat-*"
            yield key, f"{text!r:.40} is no name of an alarm", fix
        if any(one.startswith("arm.") for one in references(text)):
            fix = "write ${canary.…} or ${control.…}"
            yield key, "${arm.…} asks once per arm; an alarm is asked about once", fix
        if text in named[:index]:
            yield key, f"{text!r:.80} is named twice", "remove one"


def _verdict(spec: AlarmsSpec, readings: Sequence[Reading], context: GateContext) -> Verdict:
    """FAIL before anything else: one alarm is enough, whatever the others say."""
    samples = list(
        dict.fromkeys(
            one
            for each in readings
            for one in (each.measurement.samples if each.measurement else ())
        )
    )
    loud = [one for one in samples if one.value >= AlarmState.ALARM]
    mute = [one for one in samples if one.value == AlarmState.INSUFFICIENT]
    numbers = (("in_alarm", float(len(loud))), ("insufficient", float(len(mute))))

    def verdict(outcome: Outcome, because: str, settles_at: datetime | None = None) -> Verdict:
        return Verdict(outcome=outcome, because=because, numbers=numbers, settles_at=settles_at)

    if loud:
        return verdict(Outcome.FAIL, f"in ALARM: {_shown(loud)}")
    if mute and spec.insufficient is Insufficient.FAIL:
        return verdict(Outcome.FAIL, f"INSUFFICIENT_DATA: {_shown(mute)} (insufficient: fail)")
    stand_in = unusable(readings)
    if stand_in is not None:
        return stand_in
    if mute and spec.insufficient is Insufficient.WAIT:
        because = f"INSUFFICIENT_DATA: {_shown(mute)} (insufficient: wait)"
        return verdict(Outcome.INCONCLUSIVE, because)
    over_at, slowest = _could_be_loud(samples, context)
    if over_at is not None and context.now < over_at:
        because = f"{slowest} could not be in ALARM yet: not before {over_at:%H:%M:%S} UTC"
        return verdict(Outcome.INCONCLUSIVE, because, over_at)
    because = f"OK: {_names(samples)}"
    if mute:
        because += f"; INSUFFICIENT_DATA and taken for good: {_names(mute)}"
    return verdict(Outcome.PASS, because)


def _could_be_loud(samples: Sequence[Sample], context: GateContext) -> tuple[datetime | None, str]:
    """When the slowest alarm may first speak of this step, and its name."""
    if context.since is None or context.exposure is None:
        return None, ""
    slowest_s, name = 0.0, ""
    for sample in samples:
        labels = dict(sample.labels)
        try:
            sees_s = parse_duration(labels.get(AlarmLabel.SEES, "0s"))
        except ValueError:
            continue
        if sees_s > slowest_s:
            slowest_s, name = sees_s, labels.get(AlarmLabel.NAME, "an alarm")
    if not slowest_s:
        return None, ""
    return context.since + timedelta(seconds=slowest_s), f"{name} ({format_duration(slowest_s)})"


def _shown(samples: Sequence[Sample]) -> str:
    """Alarms with since when and why; the rest is counted."""
    more = len(samples) - SHOWN_MAX
    told = "; ".join(_told(one) for one in samples[:SHOWN_MAX])
    return told + (f"; and {more} more" if more > 0 else "")


def _told(sample: Sample) -> str:
    labels = dict(sample.labels)
    about = [labels[one] for one in (AlarmLabel.KIND, AlarmLabel.REGION) if labels.get(one)]
    if labels.get(AlarmLabel.SINCE):
        about.append(f"since {labels[AlarmLabel.SINCE]}")
    if labels.get(AlarmLabel.ACTIONS):
        about.append(f"actions {labels[AlarmLabel.ACTIONS]}")
    name = labels.get(AlarmLabel.NAME, "an alarm")
    name = f"{name} ({', '.join(about)})" if about else name
    return f"{name}: {labels[AlarmLabel.REASON]}" if labels.get(AlarmLabel.REASON) else name


def _names(samples: Sequence[Sample]) -> str:
    """Names alone, and whose actions are disabled."""
    told = []
    for sample in samples[:SHOWN_MAX]:
        labels = dict(sample.labels)
        is_off = AlarmLabel.ACTIONS in labels
        told.append(
            labels.get(AlarmLabel.NAME, "an alarm") + (" (actions disabled)" if is_off else "")
        )
    more = len(samples) - SHOWN_MAX
    return ", ".join(told) + (f" and {more} more" if more > 0 else "")
