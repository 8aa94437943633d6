"""Rollouts on fakes for the benchmarks: a playbook, a steady application, a flag service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from rolloutctl import playbook_file
from rolloutctl.core.events import Actor
from rolloutctl.core.playbook import Playbook, Target
from rolloutctl.core.ports import Journal, Kinds
from rolloutctl.plugins import InstalledCatalog
from rolloutctl.runner.adapters import Adapters
from rolloutctl.runner.rollout import Rollout
from rolloutctl.runner.start import start
from rolloutctl.testing import (
    FakeClock,
    FakeFlag,
    FakeProvider,
    FakeSource,
    FakeWorld,
    FlagSpec,
)

PLAYBOOK = Path(__file__).with_name("simulated_day.yaml")
ACTOR = Actor(name="benchmark@here")
REQUESTS_PER_S = 10.0
_CATALOG = InstalledCatalog()


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The playbook with its target moved to a fake flag, and what judges it."""

    playbook: Playbook
    kinds: Kinds


def load_day(flag: str = "llm") -> Day:
    """Reads the playbook; `flag` names the flag it changes."""
    playbook = playbook_file.load(PLAYBOOK, inputs={}, env={}, catalog=_CATALOG)
    kinds = Kinds(
        gates={"threshold": _CATALOG.load("gates", "threshold")()},
        steps={name: _CATALOG.load("steps", name)() for name in ("shadow", "canary")},
    )
    return Day(playbook=with_flag(playbook, flag), kinds=kinds)


def with_flag(playbook: Playbook, flag: str) -> Playbook:
    """The same playbook on another flag of the fake service."""

    def moved(target: Target) -> Target:
        return replace(target, provider="fake", spec=FlagSpec(flag=flag))

    return replace(playbook, targets={n: moved(t) for n, t in playbook.targets.items()})


def steady_source(clock: FakeClock) -> FakeSource:
    """Ten requests a second, one in a hundred failed, 99 % below half a second."""
    begin = clock.now()

    def grows(rate: float) -> Callable[[datetime], dict[tuple[tuple[str, str], ...], float]]:
        labels = (("model", "b"),)
        return lambda at: {labels: REQUESTS_PER_S * rate * (at - begin).total_seconds()}

    def buckets(at: datetime) -> dict[tuple[tuple[str, str], ...], float]:
        total = REQUESTS_PER_S * (at - begin).total_seconds()
        shares = (("0.1", 0.5), ("0.25", 0.9), ("0.5", 0.995), ("1", 1.0), ("+Inf", 1.0))
        return {(("le", bound), ("model", "b")): total * share for bound, share in shares}

    return FakeSource(
        answers={
            'llm_requests_total{model="b"}': grows(1.0),
            'llm_failures_total{model="b"}': grows(0.01),
            'llm_usd_total{model="b"}': grows(0.005),
            'llm_seconds_bucket{model="b"}': buckets,
            'success_rate{model="b"}': lambda _at: 0.99,
        }
    )


def begin(day: Day, journal: Journal, *, clock: FakeClock, rollout_id: str) -> Rollout:
    """Starts a rollout of the day on a flag of its own and takes its lease."""
    playbook = with_flag(day.playbook, rollout_id)
    world = FakeWorld(clock=clock, flags={rollout_id: FakeFlag()})
    adapters = Adapters(
        kinds=day.kinds,
        providers=dict.fromkeys(playbook.targets, FakeProvider(world)),
        sources={"app": steady_source(clock)},
    )
    start(playbook, adapters, journal, clock=clock, rollout_id=rollout_id, actor=ACTOR)
    rollout = Rollout.open(
        rollout_id, playbook=playbook, adapters=adapters, journal=journal, clock=clock
    )
    rollout.take_lease("benchmark")
    return rollout
