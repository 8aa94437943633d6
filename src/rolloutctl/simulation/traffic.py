"""Requests of control, canary and mirror as a Prometheus would count them: raw, cumulative.

Time goes on from look to look; between two looks everything is drawn at once. A weight
that changes, and a fault that begins, cut an interval in two.

What is modelled: arrivals are Poisson at the level of the moment (`shapes.py`), a share
of them is bad, response times are lognormal, costs are lognormal. Errors, response times
and costs of a request are drawn independently of each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

from rolloutctl.core.exposure import CANARY, CONTROL, FULL_BP, ZERO, Exposure
from rolloutctl.simulation.arrivals import Arrivals, Count, arrivals
from rolloutctl.simulation.draws import Draws, Expected
from rolloutctl.simulation.faults import TRAFFIC, Fault
from rolloutctl.simulation.shapes import Level, Shape, Weather
from rolloutctl.simulation.streams import SHADOW, Role, Slot, Streams

#: No interval is drawn at once that is longer than this: levels change meanwhile.
CHUNK_S = 300.0
#: Requests a second that nobody has stated.
REQUESTS_PER_S = 50.0
#: Part of everybody that an `include` cohort is taken for: the playbook cannot say.
INCLUDED_SHARE = 0.01
#: How a mirrored request goes wrong: as the canary's own.
_ARM_OF = {CONTROL: CONTROL, CANARY: CANARY, SHADOW: CANARY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Climate:
    """How much traffic there is, and how it behaves."""

    requests_per_s: float = REQUESTS_PER_S
    shape: Shape = Shape.STEADY


class Traffic:
    """The requests of one run."""

    def __init__(
        self,
        streams: Streams,
        healthy: Mapping[str, float],
        *,
        climate: Climate,
        faults: Sequence[Fault],
        draws: Draws | Expected,
    ) -> None:
        """Begins at second 0 with control for everybody.

        Args:
            streams: what is asked for.
            healthy: the number of each slot where all is well.
            climate: how much traffic, and how it behaves.
            faults: what goes wrong, and when.
            draws: where chance comes from.
        """
        self.streams = streams
        self.healthy = healthy
        self.requests: dict[str, float] = {}
        self.harm: dict[str, float] = {}
        self._climate, self._faults, self._draws = climate, tuple(faults), draws
        self._weather = Weather(climate.shape, draws)
        self._second = 0.0
        self._exposures: dict[str, Exposure] = {}
        self._reached: dict[int, float] = {}
        self._shares: dict[str, dict[str, float]] = {}
        self._active: tuple[Fault, ...] = ()
        self._next_turn = 0.0
        self._plans: dict[tuple[Level, float], _Plan] = {}
        self._works: dict[tuple[str, str, float, float], _Work] = {}
        self.counts: dict[tuple[str, str], Count] = {}
        for stream, target in streams.target.items():
            if stream:
                self._shares.setdefault(target, _shares_of(ZERO))
        self._parts = [
            self._part(stream, population)
            for stream in streams.target
            if stream
            for population in streams.populations(stream)
        ]
        # Control was served long before the rollout: its series are there at the first look.
        for part in self._parts:
            if part.population == CONTROL:
                self.counts[part.stream, CONTROL] = Count.of(part.slots)

    def _part(self, stream: str, population: str) -> _Part:
        slots = tuple(s for s in self.streams.slots.values() if s.stream == stream)
        errs = any(slot.role in (Role.BAD, Role.GOOD) for slot in slots)
        return _Part(stream, self.streams.target[stream], population, slots, errs)

    # -- what happens to it ---------------------------------------------------

    def expose(self, target: str, exposure: Exposure, second: float) -> None:
        """From `second` on, `target` serves `exposure`."""
        self.advance(second)
        self._exposures[target] = exposure
        self._shares[target] = _shares_of(exposure)
        reached = max(exposure.canary_bp, exposure.shadow_bp)
        for index, fault in enumerate(self._faults):
            if index not in self._reached and 0 < max(fault.at_bp, 1) <= reached:
                self._reached[index] = second
        self._turn(second)

    def advance(self, second: float) -> None:
        """Lets requests arrive until `second`; it never goes back."""
        while self._second < second:
            if self._second >= self._next_turn:
                self._turn(self._second)
            until = min(second, self._second + CHUNK_S, self._next_turn)
            self._arrive(until - self._second)
            self._second = until

    @property
    def next_turn_s(self) -> float:
        """The next second at which a fault begins or ends."""
        return self._next_turn

    def remember(self) -> Memory:
        """Everything that has happened, to `go_back` to."""
        counts = [(count, count.copied()) for count in self.counts.values()]
        return Memory(
            second=self._second,
            counts=counts,
            requests=dict(self.requests),
            harm=dict(self.harm),
            weather=copy(self._weather),
            chance=self._draws.state(),
        )

    def go_back(self, memory: Memory) -> None:
        """Undoes what has happened since; nothing may have turned or been exposed meanwhile."""
        self._second, self._weather = memory.second, copy(memory.weather)
        for count in self.counts.values():
            count.become(Count())
        for count, before in memory.counts:
            count.become(before)
        self.requests, self.harm = dict(memory.requests), dict(memory.harm)
        self._draws.go_back(memory.chance)

    def is_silent(self, gates: frozenset[str]) -> Fault | None:
        """The fault for which the source does not answer about these gates now."""
        if not self._active:
            return None
        told = (f for f in self._active if f.silence is not None and f.name in gates)
        return next(told, None)

    def began_s(self, index: int) -> float | None:
        """When a fault began; None if it did not."""
        since = self._since(index)
        if since is None or since + self._faults[index].after_s > self._second:
            return None
        return since + self._faults[index].after_s

    def number(self, slot: Slot, arm: str) -> float:
        """The slot's number on an arm at this moment, faults included."""
        number = self.healthy[slot.name]
        for fault in self._active:
            if fault.silence is None and fault.name in slot.gates and arm in fault.arms:
                number = fault.changed(number)
        return number

    # -- inside ---------------------------------------------------------------

    def _since(self, index: int) -> float | None:
        """What a fault's `after` counts from; None before its weight was reached."""
        return 0.0 if self._faults[index].at_bp == 0 else self._reached.get(index)

    def _turn(self, second: float) -> None:
        """Which faults are there from `second` on, and when that changes."""
        active, turns = [], [float("inf")]
        for index, fault in enumerate(self._faults):
            since = self._since(index)
            if since is None:
                continue
            begins, ends = since + fault.after_s, since + fault.after_s + fault.for_s
            if begins <= second < ends:
                active.append(fault)
            turns += [moment for moment in (begins, ends) if moment > second]
        self._active, self._next_turn = tuple(active), min(turns)
        self._plans.clear()
        self._works.clear()

    def _arrive(self, lasting_s: float) -> None:
        level = self._weather.at(self._second, lasting_s=lasting_s)
        known_as = (level, lasting_s)
        plan = self._plans.get(known_as)
        if plan is None:
            plan = self._plans[known_as] = self._plan(level, lasting_s)
        works, served = plan
        for one in works:
            one.arrivals.draw(self._draws)
            for slot, events in one.excess:
                self.harm[slot] = self.harm.get(slot, 0.0) + events
        for target, requests in served:
            self.requests[target] = self.requests.get(target, 0.0) + requests

    def _rate(self, arm: str) -> float:
        rate = self._climate.requests_per_s
        for fault in self._active:
            if fault.name == TRAFFIC and arm in fault.arms:
                rate = fault.changed(rate)
        return rate

    def _plan(self, level: Level, lasting_s: float) -> _Plan:
        """What is to be drawn in an interval like this one, and what each canary is sent."""
        works = []
        for part in self._parts:
            requests = self._rate(_ARM_OF[part.population]) * level.requests * lasting_s
            requests *= self._shares[part.target][part.population]
            if requests <= 0:
                continue
            known_as = (part.stream, part.population, requests, level.errors if part.errs else 1.0)
            work = self._works.get(known_as)
            if work is None:
                work = self._works[known_as] = self._work(part, requests, level.errors)
            works.append(work)
        return works, [
            (target, self._rate(CANARY) * level.requests * lasting_s * shares[CANARY])
            for target, shares in self._shares.items()
            if shares[CANARY]
        ]

    def _work(self, part: _Part, requests: float, errors: float) -> _Work:
        """The draws of one population's requests, at that level of errors."""
        arm, slots = _ARM_OF[part.population], part.slots
        numbers = {slot.name: self.number(slot, arm) for slot in slots}
        prepared = arrivals(
            self.counts.setdefault((part.stream, part.population), Count()),
            {slot: numbers[slot.name] for slot in slots},
            requests=requests,
            errors=errors,
            draws=self._draws,
            is_clustered=self._climate.shape is Shape.CLUSTERED,
        )
        is_canary = part.population == CANARY
        excess = self._excess(slots, numbers, requests * errors) if is_canary else ()
        return _Work(prepared, excess)

    def _excess(
        self, slots: Sequence[Slot], numbers: Mapping[str, float], requests: float
    ) -> tuple[tuple[str, float], ...]:
        """Bad events above those that control would have had, by slot."""
        more = {s: numbers[s.name] - self.number(s, CONTROL) for s in slots if s.role is Role.BAD}
        more |= {s: self.number(s, CONTROL) - numbers[s.name] for s in slots if s.role is Role.GOOD}
        return tuple((slot.name, requests * share) for slot, share in more.items() if share)


class Memory(NamedTuple):
    """What has happened up to a second."""

    second: float
    counts: Sequence[tuple[Count, Count]]
    requests: Mapping[str, float]
    harm: Mapping[str, float]
    weather: Weather
    chance: object


class _Part(NamedTuple):
    """One population of one stream."""

    stream: str
    target: str
    population: str
    slots: tuple[Slot, ...]
    errs: bool  # some of its requests go wrong, at a level that changes


class _Work(NamedTuple):
    """The draws of one population in one kind of interval, and the harm it brings."""

    arrivals: Arrivals
    excess: tuple[tuple[str, float], ...]


#: What is drawn in an interval, and the requests of each target's canary.
_Plan = tuple[Sequence[_Work], Sequence[tuple[str, float]]]


def _shares_of(exposure: Exposure) -> dict[str, float]:
    """The part of all requests that each population has."""
    canary = exposure.canary_bp / FULL_BP
    if exposure.include is not None:
        canary += INCLUDED_SHARE * (1 - canary)
    return {CONTROL: 1 - canary, CANARY: canary, SHADOW: exposure.shadow_bp / FULL_BP}
