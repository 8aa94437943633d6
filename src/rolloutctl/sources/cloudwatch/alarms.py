"""Alarms as an answer: those that are meant, and how each of them stands.

Alarms are told by name, or by the beginning of their names: `chat-*`. An alarm that does not
exist is an error with the nearest names: its silence would look like health.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rolloutctl.core.alarms import AlarmLabel, AlarmState, prefix_of
from rolloutctl.core.measurement import DataState, Measurement, Sample
from rolloutctl.core.report import listed, nearest
from rolloutctl.core.units import format_duration
from rolloutctl.errors import Rejected, RolloutctlError, Unavailable
from rolloutctl.sources.cloudwatch.api import Api

#: Alarms of one answer: each stands in the journal.
ALARMS_MAX = 100
#: How much of a state's reason is kept.
REASON_CHARS_MAX = 300
#: Names that begin alike are looked through for the one that was meant.
ALIKE_CHARS, NEAREST_MAX = 3, 3
_STATES = {
    "OK": AlarmState.OK,
    "INSUFFICIENT_DATA": AlarmState.INSUFFICIENT,
    "ALARM": AlarmState.ALARM,
}


def measure_alarms(api: Api, text: str, at: datetime, *, regions: Sequence[str]) -> Measurement:
    """How the named alarms stand in every region. Raises as a query."""
    prefix = prefix_of(text)
    samples = []
    for region in regions:
        which = {"AlarmNames": [text]} if prefix is None else {"AlarmNamePrefix": prefix}
        found = list(api.alarms(region, **which))
        meant = [one for one in found if _is_meant(one, text, prefix)]
        if not meant:
            raise _unknown(api, text, region, prefix=prefix)
        where = region if len(regions) > 1 else ""
        samples += [_sample(one, at, region=where) for one in meant]
    if len(samples) > ALARMS_MAX:
        raise Rejected(f"{text}: {len(samples)} alarms; at most {ALARMS_MAX} are judged at once")
    worst = sorted(samples, key=lambda one: (-one.value, one.labels))
    return Measurement(at=at, state=DataState.OK, samples=tuple(worst))


def _is_meant(alarm: Mapping[str, Any], text: str, prefix: str | None) -> bool:
    """The service's own answer, looked through again (Any: the SDK's own shape)."""
    name = str(alarm.get("AlarmName", ""))
    return name == text if prefix is None else name.startswith(prefix)


def _sample(alarm: Mapping[str, Any], at: datetime, *, region: str) -> Sample:
    state = str(alarm.get("StateValue", ""))
    if state not in _STATES:
        raise Unavailable(f"alarm {alarm.get('AlarmName')} is in the state {state!r:.40}, unknown")
    labels = {
        AlarmLabel.NAME: str(alarm["AlarmName"]),
        AlarmLabel.REASON: " ".join(str(alarm.get("StateReason", "")).split())[:REASON_CHARS_MAX],
        AlarmLabel.SEES: format_duration(_sees_s(alarm)) if _sees_s(alarm) else "",
        AlarmLabel.ACTIONS: "" if alarm.get("ActionsEnabled", True) else "disabled",
        AlarmLabel.KIND: "composite" if "AlarmRule" in alarm else "",
        AlarmLabel.REGION: region,
    }
    since = alarm.get("StateTransitionedTimestamp") or alarm.get("StateUpdatedTimestamp")
    if isinstance(since, datetime):
        labels[AlarmLabel.SINCE] = since.astimezone(at.tzinfo).isoformat(timespec="seconds")
    kept = tuple(sorted((str(name), value) for name, value in labels.items() if value))
    return Sample(labels=kept, value=float(_STATES[state]))


def _sees_s(alarm: Mapping[str, Any]) -> float:
    """How long something bad must last before a metric alarm can be in ALARM; 0: not known."""
    stats = [one.get("MetricStat") or {} for one in alarm.get("Metrics") or ()]
    periods = [alarm.get("Period") or 0, *(one.get("Period") or 0 for one in stats)]
    points = alarm.get("DatapointsToAlarm") or alarm.get("EvaluationPeriods") or 0
    return float(max(periods) * points)


def _unknown(api: Api, text: str, region: str, *, prefix: str | None) -> Rejected:
    """The error of an alarm that is not there, with those most like it."""
    what = f"no alarm begins with {prefix}" if prefix is not None else f"there is no alarm {text}"
    names = _names_like(prefix if prefix is not None else text, api, region)
    if not names:
        hint = "see those there are: aws cloudwatch describe-alarms; is the region right?"
        return Rejected(f"{what} in {region}", hint=hint)
    return Rejected(f"{what} in {region}", hint=f"nearest: {listed(names)}")


def _names_like(text: str, api: Api, region: str) -> list[str]:
    """Names that begin alike, or any at all; none where they cannot be read."""
    try:
        for beginning in (text[:ALIKE_CHARS], ""):
            which = {"AlarmNamePrefix": beginning} if beginning else {}
            found = [str(one.get("AlarmName", "")) for one in api.alarms(region, **which)]
            if found:
                return nearest(text, found, NEAREST_MAX)
    except RolloutctlError:
        return []
    return []
