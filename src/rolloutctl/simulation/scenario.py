"""What a run is made of, and one run of it: traffic, faults, a rollout, what it cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from rolloutctl.clock import in_seconds
from rolloutctl.core.exposure import Exposure
from rolloutctl.errors import UsageError
from rolloutctl.simulation.draws import Draws
from rolloutctl.simulation.faults import Fault
from rolloutctl.simulation.healthy import Healthy, find_healthy
from rolloutctl.simulation.leap import Leaper
from rolloutctl.simulation.quiet import rehearse_quietly
from rolloutctl.simulation.rehearsal import Given, Rehearsed, begin, rehearse
from rolloutctl.simulation.streams import Role, Streams, streams_of
from rolloutctl.simulation.traffic import Climate, Traffic
from rolloutctl.simulation.virtual import EPOCH, VirtualClock, VirtualSource

#: Users among whom requests are shared out, unless somebody says.
UNITS = 10_000
_PER_S = {"s": 1.0, "m": 60.0, "h": 3600.0}
_RATE_HINT = "e.g. --traffic 50/s, 3000/m or 180000/h"
#: Requests a second that one source can count.
RATE_MAX = 10_000_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Everything of a run but its chance."""

    given: Given
    streams: Streams
    healthy: Healthy
    climate: Climate
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One run.

    Attributes:
        rehearsed: how the rollout went.
        exposures: (second, target, exposure) of everything that was served.
        requests: that the canary answered, by target.
        harm: bad events above those that control would have had, by gate, expected.
        began_s: when each fault began, in the order of the scenario; None if never.
        unknown: texts that a gate asked and nobody could answer.
    """

    rehearsed: Rehearsed
    exposures: tuple[tuple[float, str, Exposure], ...]
    requests: Mapping[str, float]
    harm: Mapping[str, float]
    began_s: tuple[float | None, ...]
    unknown: tuple[str, ...]

    @property
    def lasted_s(self) -> float:
        """Virtual seconds from start to end."""
        return (self.rehearsed.ended_at - EPOCH).total_seconds()


def parse_rate(text: str) -> float:
    """Parses "50/s", "3000/m" or "180000/h" to requests a second. Raises `UsageError`."""
    number, _, unit = text.strip().partition("/")
    per_s = _PER_S.get(unit.strip())
    try:
        rate = float(number) / (per_s or 1.0)
    except ValueError:
        rate = math.nan
    if not 0 < rate <= RATE_MAX:
        raise UsageError(
            f"--traffic {text}: requests per time, above 0 and at most {RATE_MAX:g}/s",
            hint=_RATE_HINT,
        )
    if per_s is None:
        # A bare number could be any of them, and an hour's is 3600 times a second's.
        raise UsageError(f"--traffic {text}: {number} per what? Write the unit", hint=_RATE_HINT)
    return rate


def prepare(
    given: Given,
    *,
    answers: Mapping[str, str],
    climate: Climate,
    faults: Sequence[Fault] = (),
) -> Scenario:
    """Finds what the gates ask and what is healthy. Raises `UsageError`."""
    streams = streams_of(given.playbook, given.kinds.gates)
    for fault in faults:
        _refuse_impossible(fault, streams)
    healthy = find_healthy(given.playbook, given.kinds, streams, answers=answers, climate=climate)
    return Scenario(
        given=given, streams=streams, healthy=healthy, climate=climate, faults=tuple(faults)
    )


def _refuse_impossible(fault: Fault, streams: Streams) -> None:
    """A share above 100 % is a forgotten percent sign."""
    roles = {slot.role for slot in streams.slots_of(fault.name)}
    is_share = bool(roles) and roles <= {Role.BAD, Role.GOOD}
    if is_share and fault.silence is None and not fault.is_factor and fault.amount > 1:
        raise UsageError(
            f"--fault {fault.text or fault.name!r}: {fault.name} is a share, at most 100%",
            hint=f"write it with its sign, such as {fault.name}={fault.amount:g}%, or as a factor: "
            f"{fault.name}={fault.amount:g}x",
        )


def play(
    scenario: Scenario,
    seed: str,
    *,
    quietly: bool = False,
    leaping: bool = False,
    patience_s: float = math.inf,
) -> Played:
    """Runs it once. Equal seeds give equal runs, to the byte.

    Args:
        scenario: what to run.
        seed: where chance begins.
        quietly: by a faster drive; the journal is the same (`quiet.py`).
        leaping: by the fastest one; its journal lacks judgements that changed nothing, and
            is otherwise the same (`leap.py`).
        patience_s: virtual seconds after which a faster drive gives up.
    """
    clock = VirtualClock(EPOCH)
    traffic = Traffic(
        scenario.streams,
        scenario.healthy.numbers,
        climate=scenario.climate,
        faults=scenario.faults,
        draws=Draws(seed),
    )
    source = VirtualSource(traffic, clock)
    exposures: list[tuple[float, str, Exposure]] = []
    sources = dict.fromkeys(scenario.given.playbook.sources, source)
    served = partial(_served, clock, traffic, exposures)
    rollout = begin(scenario.given, clock, sources, served=served)
    until = None if math.isinf(patience_s) else in_seconds(EPOCH, patience_s)
    if quietly or leaping:
        leaper = Leaper(traffic, source) if leaping else None
        rehearsed = rehearse_quietly(rollout, until=until, leaper=leaper)
    else:
        rehearsed = rehearse(rollout)
    harm: dict[str, float] = {}
    for slot, events in traffic.harm.items():
        for gate in scenario.streams.slots[slot].gates:
            harm[gate] = harm.get(gate, 0.0) + events
    return Played(
        rehearsed=rehearsed,
        exposures=tuple(exposures),
        requests=dict(traffic.requests),
        harm=harm,
        began_s=tuple(traffic.began_s(index) for index in range(len(scenario.faults))),
        unknown=tuple(source.unknown),
    )


def units_exposed(played: Played, units: int) -> float:
    """About how many of `units` users the canary answered, of the target with the most.

    A user keeps their arm, so the users of a share are those of every larger share. A user
    whose share got `r` requests a head was answered with a chance of 1 - e^-r.
    """
    most = 0.0
    for target, requests in played.requests.items():
        shares = [one.canary_bp / 10_000 for _, name, one in played.exposures if name == target]
        eligible = units * max(shares, default=0.0)
        if eligible > 0:
            most = max(most, eligible * -math.expm1(-requests / eligible))
    return most


def _served(
    clock: VirtualClock,
    traffic: Traffic,
    exposures: list[tuple[float, str, Exposure]],
    target: str,
    exposure: Exposure,
) -> None:
    second = clock.second(clock.now())
    traffic.expose(target, exposure, second)
    exposures.append((second, target, exposure))
