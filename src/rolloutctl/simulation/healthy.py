"""The numbers of a service where all is well: stated, or found so that no gate objects.

A gate's question can be read from its spec, but not which answer is usual. What nobody
has stated begins at a usual number and is moved, by halves and doubles, until the gate itself
does not object to what it would see on average, with half as much again to spare.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass

from rolloutctl.core.arm_names import arm_names, only_target
from rolloutctl.core.exposure import split
from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import QueryKind, Reading
from rolloutctl.core.playbook import Gate, Playbook
from rolloutctl.core.ports import GateContext, Kinds
from rolloutctl.core.verdict import Outcome
from rolloutctl.errors import UsageError
from rolloutctl.simulation.draws import Expected
from rolloutctl.simulation.numerals import numbers_in, parse_number
from rolloutctl.simulation.streams import Role, Slot, Streams
from rolloutctl.simulation.traffic import Climate, Traffic
from rolloutctl.simulation.virtual import EPOCH, VirtualClock, VirtualSource

#: Where nothing is stated: 0.5 % of the requests are bad, 99 % take less than half a second,
#: one costs a cent.
USUAL = {Role.BAD: 0.005, Role.GOOD: 0.995, Role.SUM: 0.01, Role.HISTOGRAM: 0.5}
#: How a usual number is moved, nearest first.
_LADDER = (1.0, 0.5, 2.0, 0.25, 4.0, 0.125, 8.0, 0.03125, 32.0, 0.001, 1000.0)
#: So much worse (or better) must be fine with the gate too.
_ROOM = 1.5
#: Looks in which a gate may object: a window's worth, and more.
_LOOKS = 25
#: Seconds of traffic between two such looks.
_LOOK_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthy:
    """The number of every slot, and what people should know of them.

    Attributes:
        numbers: by slot.
        stated: slots whose number somebody stated.
        doubts: sentences about gates that cannot be modelled well.
    """

    numbers: Mapping[str, float]
    stated: frozenset[str]
    doubts: tuple[str, ...]


def find_healthy(
    playbook: Playbook,
    kinds: Kinds,
    streams: Streams,
    *,
    answers: Mapping[str, str],
    climate: Climate,
) -> Healthy:
    """The healthy numbers.

    Args:
        playbook: whose gates.
        kinds: of its gates.
        streams: what they ask.
        answers: numbers that were stated, by gate, as text.
        climate: how much traffic there is.

    Raises:
        UsageError: an answer cannot be read, or its gate has no number.
    """
    numbers = {slot.name: _usual(slot, playbook) for slot in streams.slots.values()}
    stated = _stated(playbook, streams, answers)
    numbers |= stated
    probe = _Probe(playbook, kinds, streams, climate)
    doubts = []
    for slot in streams.slots.values():
        if slot.name in stated:
            continue
        found = probe.find(slot, numbers)
        if found is None:
            doubts.append(_no_number(slot))
            continue
        numbers[slot.name] = found
        if slot.role is Role.EXPRESSION:
            doubts.append(_assumed(slot, found, _words(slot, playbook, kinds)))
    return Healthy(numbers=numbers, stated=frozenset(stated), doubts=tuple(doubts))


def _usual(slot: Slot, playbook: Playbook) -> float:
    """The number that a search begins with: what a gate's own plan counts on, if it has one."""
    if slot.role in (Role.BAD, Role.GOOD):
        for gate in slot.gates:
            baseline = _field(playbook.gates[gate].spec, "baseline")
            if baseline is not None:
                return baseline
    return USUAL.get(slot.role, 1.0)


def _field(spec: object, name: str) -> float | None:
    """A number of that name in a spec, however deep."""
    if not is_dataclass(spec):
        return None
    own = getattr(spec, name, None)
    if isinstance(own, float):
        return own
    inner = (_field(getattr(spec, one.name), name) for one in fields(spec))
    return next((number for number in inner if number is not None), None)


def _stated(playbook: Playbook, streams: Streams, answers: Mapping[str, str]) -> dict[str, float]:
    stated: dict[str, float] = {}
    for gate, text in answers.items():
        if gate not in playbook.gates:
            known = ", ".join(playbook.gates)
            raise UsageError(f"--answer {gate}={text}: no gate {gate}; known: {known}")
        slots = streams.slots_of(gate)
        if not slots:
            raise UsageError(
                f"--answer {gate}={text}: the gate {gate} only counts requests; it has no number",
                hint="state the traffic instead: --traffic 50/s",
            )
        try:
            stated |= {slot.name: parse_number(text) for slot in slots}
        except ValueError as error:
            raise UsageError(
                f"--answer {gate}={text}: {error}", hint=f"e.g. --answer {gate}=0.5%"
            ) from error
    return stated


def _no_number(slot: Slot) -> str:
    gates = ", ".join(slot.gates)
    return (
        f"gate {gates}: no healthy number was found that it accepts; "
        f"state one with --answer {slot.gates[0]}=VALUE"
    )


def _words(slot: Slot, playbook: Playbook, kinds: Kinds) -> str:
    """What the gates of a slot ask."""
    gate = playbook.gates[slot.gates[0]]
    asked = kinds.gates[gate.kind].query_kinds(gate.spec)
    if asked <= {QueryKind.EXPRESSION, QueryKind.CONDITION}:
        return "an expression"
    return "for alarms" if QueryKind.ALARMS in asked else "for alerts"


def _assumed(slot: Slot, number: float, asked: str) -> str:
    gates = ", ".join(slot.gates)
    return (
        f"gate {gates} asks {asked}, which cannot be modelled: it is answered {number:g}, "
        f"which it accepts; state another with --answer {slot.gates[0]}=VALUE"
    )


class _Probe:
    """Asks the gates themselves, on traffic without chance."""

    def __init__(
        self, playbook: Playbook, kinds: Kinds, streams: Streams, climate: Climate
    ) -> None:
        self._playbook, self._kinds, self._streams = playbook, kinds, streams
        self._climate = climate

    def find(self, slot: Slot, numbers: Mapping[str, float]) -> float | None:
        """The first candidate that no gate of the slot objects to; None if there is none."""
        gates = self._gates(slot)
        for candidate in self._candidates(slot, numbers[slot.name]):
            if all(self._is_fine(g, {**numbers, slot.name: candidate}) for g in gates):
                return candidate
        return None

    def _gates(self, slot: Slot) -> list[Gate]:
        """The gates that a healthy number must suit.

        Not those that keep what they counted for good (a budget, an experiment): they judge
        how much there was, and no number of a single request.
        """
        gates = [self._playbook.gates[name] for name in slot.gates]
        kinds = self._kinds.gates
        return [one for one in gates if not getattr(kinds[one.kind], "keeps_evidence", False)]

    def _candidates(self, slot: Slot, usual: float) -> Iterator[float]:
        if slot.role is Role.EXPRESSION:
            yield from self._answers(slot)
            return
        yield from (usual * factor for factor in _LADDER if self._has_room(slot, usual * factor))

    def _has_room(self, slot: Slot, number: float) -> bool:
        if slot.role is Role.GOOD and number > 1:
            return False
        usual = {one.name: USUAL.get(one.role, 1.0) for one in self._streams.slots.values()}
        gates = self._gates(slot)
        near = (number / _ROOM, number * _ROOM) if slot.role is not Role.GOOD else (number,)
        return all(self._is_fine(g, usual | {slot.name: n}) for g in gates for n in near)

    def _answers(self, slot: Slot) -> Iterator[float]:
        """Numbers near the limits that the specs name."""
        limits = []
        for name in slot.gates:
            gate = self._playbook.gates[name]
            texts = set(self._kinds.gates[gate.kind].texts(gate.spec).values())
            for field in fields(gate.spec) if is_dataclass(gate.spec) else ():
                value = getattr(gate.spec, field.name)
                if isinstance(value, str) and value not in texts:
                    limits += numbers_in(value)
        for limit in limits:
            if 0 < limit < 1:
                yield (1 + limit) / 2
            yield from (limit * 2, limit / 2, limit)
        yield from (1.0, 0.0)

    def _is_fine(self, gate: Gate, numbers: Mapping[str, float]) -> bool:
        """Does the gate, as a kind, never fail on what it sees on average?"""
        expression = all(slot.role is Role.EXPRESSION for slot in self._streams.slots_of(gate.name))
        looks = list(self._looks(gate, numbers))
        if expression:
            return looks[-1] is Outcome.PASS
        return Outcome.FAIL not in looks

    def _looks(self, gate: Gate, numbers: Mapping[str, float]) -> Iterator[Outcome]:
        clock = VirtualClock(EPOCH)
        traffic = Traffic(
            self._streams, numbers, climate=self._climate, faults=(), draws=Expected()
        )
        for target in self._playbook.targets:
            traffic.expose(target, split(5_000), 0.0)
        source = VirtualSource(traffic, clock)
        kind = self._kinds.gates[gate.kind]
        evidence: Json = None
        for _ in range(_LOOKS):
            clock.sleep(_LOOK_S)
            context = self._context(gate, clock)
            readings = [
                Reading(query=query, measurement=source.query(query, context.now))
                for query in kind.queries(gate.spec, context)
            ]
            evidence, verdict = kind.assess(gate.spec, evidence, readings, context)
            yield verdict.outcome

    def _context(self, gate: Gate, clock: VirtualClock) -> GateContext:
        own = gate.target or only_target(self._playbook)
        return GateContext(
            now=clock.now(),
            since=clock.start,
            arms=arm_names(self._playbook, gate),
            exposure=split(5_000) if own else None,
            interval_s=_LOOK_S,
            min_sample=gate.limits.min_sample,
        )
