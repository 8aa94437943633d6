"""What a gate that compares arms carries from one look to the next, as JSON.

Evidence outlives a step: its counters and its sequential process go on at the next weight.
What was counted within a step (for the minimum sample, and for people) begins anew with
each exposure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any, cast

from rolloutctl.core.evolve import evolve
from rolloutctl.core.exposure import CANARY, CONTROL, Exposure, describe
from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import Query, Reading
from rolloutctl.core.ports import GateContext
from rolloutctl.core.units import format_duration
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.gates.arms import (
    ArmTick,
    Asked,
    counters_from_json,
    counters_to_json,
    no_traffic,
    read_tick,
)
from rolloutctl.gates.counters import Counters
from rolloutctl.gates.readings import error

#: Looks without an event on an arm after which there is no data: a quiet minute is none.
IDLE_LOOKS_MAX = 10
#: Exposures whose words are kept in memory: the same one is asked for at every look.
_EXPOSURES_MAX = 1_024
_VERSION = 2


@dataclass(frozen=True, kw_only=True)  # no slots: `evolve` copies it faster
class ArmEvidence:
    """Counters last seen, events of the step by arm, and the kind's own process.

    Attributes:
        asked: the questions it answers; other ones begin with new counters.
        since_s: when the exposure came into force that `control` and `canary` belong to,
            in seconds since the epoch.
        control: events of control in this step, by key.
        canary: events of the canary in this step, by key.
        idle: looks in a row without an event, of control and of the canary.
        served: the exposure at the last look, in words.
        served_since_s: since when it is known to be that one; later than `since_s` for a
            guardrail, which counts from the first exposure of the rollout.
        process: what the kind of gate knows, as JSON; None at first.
    """

    asked: str
    counters: Counters | None = None
    since_s: float = 0.0
    control: Mapping[str, float] = field(default_factory=dict)
    canary: Mapping[str, float] = field(default_factory=dict)
    idle: tuple[int, int] = (0, 0)
    served: str = ""
    served_since_s: float = 0.0
    process: Json = None

    def to_json(self) -> Json:
        """JSON with finite numbers only."""
        carried = _Carried(
            {
                "version": _VERSION,
                "asked": self.asked,
                "counters": counters_to_json(self.counters),
                "since": self.since_s,
                "control": self.control,
                "canary": self.canary,
                "idle": self.idle,
                "served": self.served,
                "served_since": self.served_since_s,
                "process": self.process,
            }
        )
        carried.evidence = self
        return carried


class _Carried(dict[str, Any]):  # Any: JSON of mixed type
    """Evidence as JSON that remembers what it was written from; it is never changed.

    Within a process the next look then reads nothing back.
    """

    __slots__ = ("evidence",)
    evidence: ArmEvidence


def asked_of(queries: Sequence[Query]) -> str:
    """What evidence is known by: its questions."""
    return "\n".join([one.text for one in queries])


def arm_evidence_of(stored: Json, *, asked: str) -> ArmEvidence:
    """The evidence carried over. Of other questions only the process is kept.

    A shadow and a canary are told apart by their labels: the counters differ, but the
    chance of an error is one for the whole rollout, so the process goes on.
    """
    if isinstance(stored, _Carried):
        known = stored.evidence
    elif isinstance(stored, Mapping) and stored.get("version") == _VERSION:
        row = cast("Mapping[str, Any]", stored)  # written by `to_json` of this version
        known = ArmEvidence(
            asked=row["asked"],
            counters=counters_from_json(row["counters"]),
            since_s=row["since"],
            control=row["control"],
            canary=row["canary"],
            idle=(row["idle"][0], row["idle"][1]),
            served=row["served"],
            served_since_s=row["served_since"],
            process=row["process"],
        )
    else:
        return ArmEvidence(asked=asked)
    if known.asked == asked:
        return known
    return ArmEvidence(asked=asked, process=known.process)


def look(
    asked: Asked,
    known: ArmEvidence,
    readings: Sequence[Reading],
    context: GateContext,
    *,
    delay_s: float = 0.0,
) -> tuple[ArmEvidence, ArmTick | Verdict]:
    """Counts what happened since the last look: events to judge, or why there are none.

    SAFETY: a tick that began before the exposure was in force, or within its warm-up,
    mixes two weights or a cold start with the truth. It moves the counters on, and is no
    evidence. With `delay_s` neither is one that began sooner than that after a change of
    the exposure: its events belong to answers that were given before.
    """
    counters, tick = read_tick(asked, known.counters, readings, context)
    if isinstance(tick, str):
        return known, error(tick)
    if context.since is None:
        known = evolve(known, counters=counters)
        return known, _not_yet(context, "the step is not in force")
    known = _in_force(known, counters=counters, since_s=context.since.timestamp(), context=context)
    if tick is None:
        return known, _not_yet(context, "first reading of the counters; judged from the next one")
    if tick.start_s < known.since_s + context.warm_up_s:
        return known, _not_yet(context, "events of the warm-up are no evidence")
    if tick.start_s < known.served_since_s + delay_s:
        late = f" for another {format_duration(delay_s)}" if delay_s else ""
        because = f"events of what was served before come in{late}: they are no evidence"
        return known, _not_yet(context, because)
    return known, tick


def _in_force(
    known: ArmEvidence, *, counters: Counters, since_s: float, context: GateContext
) -> ArmEvidence:
    """The evidence with the counters, what is known to be served now, and since when."""
    served = _words(context.exposure)
    if known.since_s != since_s:
        begun = evolve(known, counters=counters, control={}, canary={}, idle=(0, 0))
        return evolve(begun, since_s=since_s, served=served, served_since_s=since_s)
    if known.served == served:
        return evolve(known, counters=counters)
    since_s = context.now.timestamp()
    return evolve(known, counters=counters, served=served, served_since_s=since_s)


@lru_cache(maxsize=_EXPOSURES_MAX)
def _words(exposure: Exposure | None) -> str:
    return "" if exposure is None else describe(exposure)


def counted(known: ArmEvidence, tick: ArmTick, *, whole: str, process: Json = None) -> ArmEvidence:
    """The evidence with the tick's events added to the step's, and what the kind now knows.

    `whole` names all events; without `process` the kind knows what it knew.
    """
    idle = (
        0 if tick.control.get(whole, 0.0) > 0 else known.idle[0] + 1,
        0 if tick.canary.get(whole, 0.0) > 0 else known.idle[1] + 1,
    )
    return evolve(
        known,
        control=_sum(known.control, tick.control),
        canary=_sum(known.canary, tick.canary),
        idle=idle,
        process=known.process if process is None else process,
    )


def idle_verdict(known: ArmEvidence, *, looks_max: int = IDLE_LOOKS_MAX) -> Verdict | None:
    """NO_DATA where an arm had no event for too long; None otherwise."""
    for arm, looks in zip((CONTROL, CANARY), known.idle, strict=True):
        if looks >= looks_max:
            return no_traffic(arm, looks)
    return None


def _not_yet(context: GateContext, because: str) -> Verdict:
    return Verdict(
        outcome=Outcome.INCONCLUSIVE,
        because=because,
        settles_at=context.now + timedelta(seconds=context.interval_s),
    )


def _sum(before: Mapping[str, float], tick: Mapping[str, float]) -> dict[str, float]:
    if before.keys() == tick.keys():  # nearly every look
        return {name: count + tick[name] for name, count in before.items()}
    total = dict(before)
    for name, count in tick.items():
        total[name] = total.get(name, 0.0) + count
    return total
