"""What only the course of a journal tells: since when, which trouble, whose edit; pure.

The state is what decisions need; people also ask when it began and what came before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rolloutctl.core import events as ev
from rolloutctl.core.effects import Effect, Expose, Restore
from rolloutctl.core.exposure import Exposure
from rolloutctl.core.observation import Observation

#: Keys of looks that no write began (`runner.measure`, `runner.perform`).
LOOK_PREFIX = "look:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why the last attempt on a target failed; `is_unread` if it could not even be read."""

    at: datetime
    message: str
    is_unread: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A rollout's course, as far as people ask for it.

    Attributes:
        phase_at: when the rollout came into its phase; None while nothing changed it.
        troubles: by target, the failure that nothing on record has overcome.
        judged: by gate, its last judgement of any step.
        overwritten: by target, the last edit by another hand that a write of ours replaced.
        seen: by target, when what is on record of it was seen.
    """

    phase_at: datetime | None = None
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    judged: Mapping[str, ev.GateRecord] = field(default_factory=dict)
    overwritten: Mapping[str, Observation] = field(default_factory=dict)
    seen: Mapping[str, datetime] = field(default_factory=dict)


def history_of(records: Iterable[ev.Recorded]) -> History:
    """The course that these events tell, from the first one on."""
    edits = Edits()
    phase_at: datetime | None = None
    waits = False
    troubles: dict[str, Trouble] = {}
    judged: dict[str, ev.GateRecord] = {}
    overwritten: dict[str, Observation] = {}
    seen: dict[str, datetime] = {}
    for recorded in records:
        event = recorded.event
        target = edits.target_of(event)
        edit = edits.under(event)
        if edit is not None:
            overwritten[target] = edit
        seen.update(dict.fromkeys(_seen_by(event, target), recorded.at))
        if isinstance(event, _TURNS) or (waits and isinstance(event, ev.StepLeft)):
            # A step that is left while it waits was promoted: that ends the wait as well.
            phase_at, waits = recorded.at, isinstance(event, ev.Asked | ev.Paused)
        elif isinstance(event, ev.GateJudged):
            judged[event.gate] = event.record
        elif isinstance(event, ev.ApplyFailed) and target:
            troubles[target] = _trouble(event, recorded.at)
        elif isinstance(event, _SEEN):
            troubles.pop(target, None)
    return History(
        phase_at=phase_at, troubles=troubles, judged=judged, overwritten=overwritten, seen=seen
    )


class Edits:
    """Tells another hand's edits from what the rollout itself left, event by event."""

    def __init__(self) -> None:
        self._ours: dict[str, set[str]] = {}
        self._effects: dict[str, Effect] = {}

    def know(self, target: str, *fingerprints: str) -> None:
        """These configurations of `target` are the rollout's own, or its restore point."""
        self._ours.setdefault(target, set()).update(fingerprints)

    def under(self, event: ev.Event) -> Observation | None:
        """The edit that the write of `event` replaces; None if there is none, or none known.

        Also learns from `event`; to be asked once for each, in the journal's order.
        """
        match event:
            case ev.Started(restore_points=points):
                for point in points:
                    self.know(point.target, point.observation.fingerprint)
            case ev.Applied(key=key, after=after) if after is not None:
                self.know(self.target_of(event), after.fingerprint)
                self._effects.pop(key, None)
            case ev.ApplyFailed(why=ev.Why.HALF_DONE, after=after) if after is not None:
                self.know(self.target_of(event), after.fingerprint)
            case ev.Intended(key=key, effect=effect, before=before):
                edit = self._edit(effect, before)
                self._effects[key] = effect
                return edit
            case _:
                pass
        return None

    def target_of(self, event: ev.Event) -> str:
        """The target that `event` is about; "" if none, or an intent that was not seen."""
        match event:
            case ev.Intended(effect=Expose(target=target) | Restore(target=target)):
                return target
            case ev.Applied(key=key):
                effect = self._effects.get(key)
                return effect.target if isinstance(effect, Expose | Restore) else ""
            case (
                ev.ApplyFailed(target=target)
                | ev.Drifted(target=target)
                | ev.DriftCleared(target=target)
                | ev.OutsideKilled(target=target)
                | ev.Settled(target=target)
                | ev.Unsettled(target=target)
            ):
                return target
            case _:
                return ""

    def _edit(self, effect: Effect, before: Observation | None) -> Observation | None:
        if before is None or not isinstance(effect, Expose | Restore):
            return None
        ours = self._ours.get(effect.target)
        if not ours or before.fingerprint in ours:
            return None
        # A write of ours whose end nobody saw may have landed: that is nobody's edit.
        return None if before.exposure in self._unended(effect.target) else before

    def _unended(self, target: str) -> list[Exposure]:
        return [
            effect.exposure
            for effect in self._effects.values()
            if isinstance(effect, Expose) and effect.target == target
        ]


#: Events that change the phase.
_TURNS = (
    ev.Started
    | ev.Asked
    | ev.Approved
    | ev.Paused
    | ev.Resumed
    | ev.RollbackStarted
    | ev.KillRequested
    | ev.Held
    | ev.Stuck
    | ev.Finished
)
#: Events that only somebody who saw the target can record.
_SEEN = (ev.Applied, ev.Drifted, ev.DriftCleared, ev.OutsideKilled, ev.Settled, ev.Unsettled)


def _seen_by(event: ev.Event, target: str) -> list[str]:
    """The targets that were seen when `event` was recorded."""
    match event:
        case ev.Started(restore_points=points):
            return [point.target for point in points]
        case ev.TargetKilled(target=killed, confirmed=True):
            return [killed]
        case ev.ApplyFailed(after=after):
            return [target] if target and after is not None else []
        case _:
            return [target] if target and isinstance(event, _SEEN) else []


def _trouble(event: ev.ApplyFailed, at: datetime) -> Trouble:
    return Trouble(at=at, message=event.message, is_unread=event.key.startswith(LOOK_PREFIX))
