"""What a playbook counts: each text that its gates ask, what it stands for, and for whom.

Nobody has to say how metrics map onto the model: a gate's own spec does. The key that a
text is written under (`bad`, `total`, `sum`, `histogram`, …) says what is counted, and
the references in it say whose events. Gates that divide by the same total share a
stream of requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum

from rolloutctl.core.arm_names import arm_names, names_of_arm, only_target
from rolloutctl.core.evolve import evolve
from rolloutctl.core.exposure import CANARY, CONTROL, split
from rolloutctl.core.measurement import QueryKind
from rolloutctl.core.playbook import Gate, Playbook
from rolloutctl.core.ports import GateKind
from rolloutctl.core.references import quote_label, references, replace
from rolloutctl.simulation.latency import BOUNDS_S
from rolloutctl.simulation.numerals import numbers_in

#: Requests that were mirrored to the canary, where their labels tell them apart.
SHADOW = "shadow"
#: Keys of a spec whose numbers are limits: a histogram has a bucket at each.
_LIMIT_FIELDS = ("above", "bounds", "fail", "pass_", "pass")


class Role(StrEnum):
    """What a counter counts."""

    TOTAL = "total"
    BAD = "bad"
    GOOD = "good"
    SUM = "sum"
    HISTOGRAM = "histogram"
    EXPRESSION = "expression"  # a number in the source's own language; nothing is counted


_ROLES = {
    **dict.fromkeys(("bad", "errors", "failures", "negative", "down", "slow"), Role.BAD),
    **dict.fromkeys(("good", "success", "positive", "up"), Role.GOOD),
    **dict.fromkeys(("sum", "value", "cost"), Role.SUM),
    **dict.fromkeys(("histogram", "buckets"), Role.HISTOGRAM),
}
#: A counter under this key may be of anything: requests, errors, money.
_SPENT = "spent"
#: What tells money and tokens from requests, where only the metric's name can.
_COSTLY = ("cost", "usd", "eur", "dollar", "price", "token", "spend")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One number of the model: a share of bad events, a mean, a p99, an answer.

    Attributes:
        role: what the number is.
        stream: whose requests; "" for an expression.
        gates: the gates that it decides.
        bounds_s: buckets of a histogram.
    """

    name: str
    role: Role
    stream: str
    gates: tuple[str, ...]
    bounds_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the answer to a text is found: a slot (or all requests) of some populations."""

    stream: str
    role: Role
    slot: str
    populations: tuple[str, ...]
    gates: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """Everything that a playbook's gates ask.

    Attributes:
        target: of each stream.
        slots: by name.
        places: by text, references replaced.
    """

    target: Mapping[str, str]
    slots: Mapping[str, Slot]
    places: Mapping[str, Place]

    def slots_of(self, gate: str) -> list[Slot]:
        """The numbers that decide a gate."""
        return [slot for slot in self.slots.values() if gate in slot.gates]

    def populations(self, stream: str) -> tuple[str, ...]:
        """Whose events of a stream are asked about at all."""
        asked = [p for one in self.places.values() if one.stream == stream for p in one.populations]
        return tuple(dict.fromkeys(asked))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    gate: Gate
    target: str
    role: Role
    template: str
    is_sure: bool = True
    same_as: str = ""  # the template that names what is counted


def streams_of(playbook: Playbook, kinds: Mapping[str, GateKind]) -> Streams:
    """Finds the streams, slots and places of a playbook's gates."""
    asked = [one for gate in playbook.gates.values() for one in _asked(playbook, gate, kinds)]
    asked = _told_apart(playbook, asked)
    streams = _joined(asked)
    slots: dict[str, Slot] = {}
    places: dict[str, Place] = {}
    for one in asked:
        stream = streams[_known_as(one)]
        slot = _slot(one, stream, known=slots)
        for text, populations in _texts(playbook, one):
            before = places.get(text)
            gates = frozenset({one.gate.name}) | (before.gates if before else frozenset())
            if before is not None:
                populations = tuple(dict.fromkeys((*before.populations, *populations)))  # noqa: PLW2901 - the same text in a shadow step
            places[text] = Place(
                stream=stream, role=one.role, slot=slot, populations=populations, gates=gates
            )
    target = {streams[_known_as(one)]: one.target for one in asked}
    return Streams(target=target, slots=slots, places=places)


def _asked(playbook: Playbook, gate: Gate, kinds: Mapping[str, GateKind]) -> Iterator[_Asked]:
    kind = kinds[gate.kind]
    counts = QueryKind.COUNTERS in kind.query_kinds(gate.spec)
    target = gate.target or only_target(playbook) or next(iter(playbook.targets))
    for key, template in kind.texts(gate.spec).items():
        word = key.rpartition(".")[2].partition(" ")[0]  # of metric.success, of `spent 2`
        role = _ROLES.get(word, Role.TOTAL) if counts else Role.EXPRESSION
        if word == _SPENT and any(each in template.partition("{")[0] for each in _COSTLY):
            role = Role.SUM
        is_sure = word != _SPENT
        yield _Asked(gate=gate, target=target, role=role, template=template, is_sure=is_sure)


def _told_apart(playbook: Playbook, asked: Sequence[_Asked]) -> list[_Asked]:
    """Texts that come out the same for some arm are one thing, however they are written.

    What a budget calls `spent` is what another gate says that it is.
    """
    meant: dict[str, _Asked] = {}
    found: dict[int, _Asked] = {}
    for one in sorted(asked, key=lambda each: not each.is_sure):
        texts = [text for text, _ in _texts(playbook, one)]
        first = next((meant[text] for text in texts if text in meant), one)
        told = evolve(one, role=first.role, same_as=first.same_as or first.template)
        found[id(one)] = told
        for text in texts:
            meant.setdefault(text, told)
    return [found[id(one)] for one in asked]


def _known_as(one: _Asked) -> tuple[str, str, str]:
    return one.target, one.role, one.same_as


def _joined(asked: Sequence[_Asked]) -> dict[tuple[str, str, str], str]:
    """The stream of each text: those of one gate, and of gates that share a text, are one."""
    leader: dict[str, str] = {}
    first: dict[tuple[str, str, str], str] = {}

    def lead(gate: str) -> str:
        while leader[gate] != gate:
            gate = leader[gate]
        return gate

    for one in asked:
        name = leader.setdefault(one.gate.name, one.gate.name)
        met = first.setdefault(_known_as(one), one.gate.name)
        leader[lead(name)] = lead(met)
    is_counted = {_known_as(one): one.role is not Role.EXPRESSION for one in asked}
    return {key: lead(gate) if is_counted[key] else "" for key, gate in first.items()}


def _slot(one: _Asked, stream: str, *, known: dict[str, Slot]) -> str:
    """The slot's name; a total has none. Gates with the same text share the slot."""
    if one.role is Role.TOTAL:
        return ""
    name = f"{one.role} {one.target} {one.same_as}"
    gates = (*(known[name].gates if name in known else ()), one.gate.name)
    bounds = (*(known[name].bounds_s if name in known else ()), *_bounds(one))
    known[name] = Slot(
        name=name,
        role=one.role,
        stream=stream,
        gates=tuple(dict.fromkeys(gates)),
        bounds_s=tuple(sorted(set(bounds))),
    )
    return name


def _bounds(one: _Asked) -> tuple[float, ...]:
    if one.role is not Role.HISTOGRAM:
        return ()
    return (*BOUNDS_S, *(n for n in limits_in(one.gate.spec) if BOUNDS_S[0] < n))


def limits_in(spec: object) -> list[float]:
    """The numbers that a spec gives as limits, in base units."""
    if not is_dataclass(spec):
        return []
    named = [getattr(spec, one.name) for one in fields(spec) if one.name in _LIMIT_FIELDS]
    return [number for value in named for number in numbers_in(value)]


def _texts(playbook: Playbook, one: _Asked) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The text as it is asked of each population, in live and in mirroring steps."""
    has_shadow = playbook.targets[one.target].shadow is not None
    live = dict(_variant(playbook, one, is_mirroring=False))
    mirrored = dict(_variant(playbook, one, is_mirroring=True)) if has_shadow else live
    for text, populations in live.items():
        # Without labels of their own, mirrored requests are counted among the canary's.
        is_mixed = has_shadow and text in mirrored and CANARY in populations
        yield text, (*populations, SHADOW) if is_mixed else populations
    for text, populations in mirrored.items():
        if text not in live:
            yield text, tuple(SHADOW if p == CANARY else p for p in populations)


def _variant(
    playbook: Playbook, one: _Asked, *, is_mirroring: bool
) -> Iterator[tuple[str, tuple[str, ...]]]:
    exposures = {one.target: split(0, shadow_bp=1)} if is_mirroring else {}
    names = arm_names(playbook, one.gate, exposures=exposures)
    quoted = {name: quote_label(value) for name, value in names.items()}
    scopes = {name.partition(".")[0] for name in references(one.template)}
    if "arm" in scopes:
        for arm in (CONTROL, CANARY):
            own = {f"arm.{name}": value for name, value in names_of_arm(quoted, arm).items()}
            yield replace(one.template, (quoted | own).get), (arm,)
        return
    named = tuple(arm for arm in (CONTROL, CANARY) if arm in scopes)
    yield replace(one.template, quoted.get), named if len(named) == 1 else (CONTROL, CANARY)
