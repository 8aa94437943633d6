"""What a target serves, in words: what was observed last, and how that differs from ours; pure."""

from __future__ import annotations

from datetime import datetime

from rolloutctl.core.effects import target_of
from rolloutctl.core.exposure import Exposure, describe
from rolloutctl.core.history import History, Trouble
from rolloutctl.core.observation import Observation
from rolloutctl.core.state import RolloutState, TargetState
from rolloutctl.core.units import format_duration
from rolloutctl.ui.event_view import local_time, seen

#: What a driver saw so long ago, in seconds, is still what is served now.
FRESH_S = 60.0
#: Ages are told in whole units of the largest of these that fits twice, in seconds.
_UNITS_S = (86_400, 3_600, 60)


def exposed_targets(state: RolloutState, *, is_short: bool = False) -> list[str]:
    """What is exposed, or may be: one phrase a target. Empty means control for everybody."""
    say = _serves_in_short if is_short else serves
    landing = {target_of(intent.intended.effect) for intent in state.open.values()}
    return [
        f"{target.name} ({say(state, target)})"
        for target in state.targets.values()
        if not _is_killed(state, target) and (_is_exposed(target) or target.name in landing)
    ]


def serves(state: RolloutState, target: TargetState) -> str:
    """What was observed last; behind another hand's edit, what the rollout had left."""
    if target.drift is None:
        is_killed = _is_killed(state, target)
        return "control only (killed)" if is_killed else _said(target.exposure)
    left = f"this rollout left {_said(target.exposure)}"
    return f"{seen(target.drift)}, {by_another_hand(target.drift)}; {left}"


def _serves_in_short(state: RolloutState, target: TargetState) -> str:
    """For a line of a list: that it was edited, not how."""
    if target.drift is None:
        return serves(state, target)
    return f"{seen(target.drift)}, edited by {target.drift.editor or 'another hand'}"


def as_of(target: TargetState, history: History, now: datetime, *, is_driven: bool) -> str:
    """How old that is, such as "as of 12m ago"; "" where a driver has just looked."""
    at = seen_at(target, history)
    if at is None or target.drift is not None:
        return ""  # nothing was seen; or the words about the edit say when
    age_s = max(0.0, (now - at).total_seconds())
    if is_driven and age_s < FRESH_S:
        return ""
    if age_s < 1:
        return "as of now"
    unit_s = next((unit_s for unit_s in _UNITS_S if age_s >= 2 * unit_s), 1)
    return f"as of {format_duration(age_s // unit_s * unit_s)} ago"


def seen_at(target: TargetState, history: History) -> datetime | None:
    """When what is said of the target was seen: on record, or since by who drives."""
    at = history.seen.get(target.name)
    if target.observed_at is None or target.name in history.troubles:
        return at  # the last look may be the one that failed
    return target.observed_at if at is None else max(at, target.observed_at)


def served_now(target: TargetState) -> Exposure | None:
    """The exposure that was observed last; None if that is neither control nor canary."""
    return target.exposure if target.drift is None else target.drift.exposure


def by_another_hand(edit: Observation) -> str:
    """Who edited and when that was seen, as far as it is known."""
    who = edit.editor or "another hand"
    return f"edited by {who}, seen {local_time(edit.at)}"


def target_notes(state: RolloutState, target: TargetState, history: History) -> list[str]:
    """What else there is to say of a target: one line each."""
    notes = []
    trouble = history.troubles.get(target.name)
    if trouble is not None and not state.phase.is_terminal:
        notes.append(f"{target.name} {trouble_sentence(trouble)}")
    edit = history.overwritten.get(target.name)
    if edit is not None:
        notes.append(f"{target.name}: an edit by another hand was overwritten ({_edit(edit)})")
    if target.is_outside_killed:
        notes.append(f"{target.name}: another hand's zero was kept")
    return notes


def trouble_sentence(trouble: Trouble) -> str:
    """What failed, when, and why."""
    what = "could not be read" if trouble.is_unread else "could not be written"
    return f"{what} at {local_time(trouble.at)}: {trouble.message}"


def _edit(edit: Observation) -> str:
    return f"{seen(edit)}{f', by {edit.editor}' if edit.editor else ''}"


def _said(exposure: Exposure | None) -> str:
    return describe(exposure) if exposure is not None else "unknown"


def _is_exposed(target: TargetState) -> bool:
    exposure = served_now(target)
    return target.is_written and (exposure is None or not exposure.is_zero)


def _is_killed(state: RolloutState, target: TargetState) -> bool:
    """The kill switch saw it at zero, twice."""
    kill = state.kills.get(target.name)
    return kill is not None and kill.confirmed
