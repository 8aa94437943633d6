"""What an agent counts of its own work, for a Prometheus that scrapes it.

Names follow https://prometheus.io/docs/practices/naming/. Gauges are made from one picture a
rollout when the page is read, so a rollout that is gone leaves no series behind.
"""

from __future__ import annotations

import threading
from collections import Counter as Counts
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from rolloutctl import __version__
from rolloutctl.core import events as ev
from rolloutctl.core.exposure import FULL_BP
from rolloutctl.core.state import Phase
from rolloutctl.runner.agent import AgentEvent, Happened

if TYPE_CHECKING:
    from prometheus_client import Metric

    from rolloutctl.core.ports import Clock
    from rolloutctl.core.state import RolloutState
    from rolloutctl.runner.rollout import Onlookers, Rollout
    from rolloutctl.runner.turn import Driven

#: Seconds after it was due that a turn began; a poll is 0.25 s.
LAG_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
#: Seconds that a turn took; a source or provider that hangs takes its own time limit.
TURN_BUCKETS_S = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
#: Phases in which nothing happens before a human does something.
WAITING = frozenset({Phase.ASKING, Phase.PAUSED, Phase.HELD, Phase.STUCK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What one rollout was at the end of its last turn here.

    Attributes:
        shares: canary and shadow share a target as fractions of 1; targets whose shares
            are unknown are left out.
        waits_since: when it began to wait for a human; None while it does not.
    """

    playbook: str
    phase: Phase
    shares: Mapping[str, tuple[float, float]]
    waits_since: datetime | None


@dataclass(slots=True)
class AgentMetrics:
    """Takes what the agent says of itself; `registry` is what the page shows.

    Methods are called in the agent's thread and in its workers; the page is read in others.
    """

    clock: Clock
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pictures: dict[str, Picture] = field(default_factory=dict)
    _judged_at: dict[str, dict[str, tuple[datetime, int]]] = field(default_factory=dict)
    _open: int = 0
    _driven: int = 0
    _looked_at: datetime | None = None
    _trouble: str = ""
    _stalled: dict[str, str] = field(default_factory=dict)
    _lag: Histogram = field(init=False)
    _turns: Histogram = field(init=False)
    _judgements: Counter = field(init=False)
    _errors: Counter = field(init=False)
    _events: Counter = field(init=False)
    _untold: Counter = field(init=False)
    _waited: Counter = field(init=False)

    def __post_init__(self) -> None:
        """Declares every series that can be known before it is needed, at zero."""
        own = self.registry
        self._lag = Histogram(
            "rolloutctl_turn_lag_seconds",
            "How long after it was due a rollout's turn began.",
            buckets=LAG_BUCKETS_S,
            registry=own,
        )
        self._turns = Histogram(
            "rolloutctl_turn_seconds",
            "How long a rollout's turn took, reading and writing included.",
            buckets=TURN_BUCKETS_S,
            registry=own,
        )
        self._judgements = Counter(
            "rolloutctl_gate_judgements",
            "Judgements of gates, by kind of gate and outcome.",
            ("kind", "outcome"),
            registry=own,
        )
        self._errors = Counter(
            "rolloutctl_provider_errors",
            "Reads and writes of targets that failed, by provider and reason.",
            ("provider", "why"),
            registry=own,
        )
        self._events = Counter(
            "rolloutctl_agent_events",
            "What became of rollouts here: taken, rested, lost, failed, left.",
            ("event",),
            registry=own,
        )
        self._untold = Counter(
            "rolloutctl_notifier_errors",
            "Messages that a notifier could not deliver.",
            ("notifier",),
            registry=own,
        )
        self._waited = Counter(
            "rolloutctl_human_wait_seconds",
            "Seconds that rollouts driven here have waited for a human.",
            registry=own,
        )
        for happened in Happened:
            self._events.labels(happened.value)
        own.register(_Gauges(self))

    # -- what the agent tells ---------------------------------------------------

    def looked(self, open_ids: Collection[str], driven_ids: Collection[str]) -> None:
        """The journal was read; rollouts that are not open any more are forgotten."""
        with self._lock:
            self._looked_at = self.clock.now()
            self._open, self._driven = len(open_ids), len(driven_ids)
            for rollout_id in [one for one in self._pictures if one not in open_ids]:
                del self._pictures[rollout_id]
                self._judged_at.pop(rollout_id, None)

    def turn(self, driven: Driven) -> None:
        """A rollout had its turn."""
        self._lag.observe(driven.lag_s)
        self._turns.observe(driven.took_s)
        rollout, state = driven.rollout, driven.rollout.state
        with self._lock:
            before = self._pictures.get(rollout.rollout_id)
        waits_since = self._waits_since(rollout, state.phase, before)
        shares = {
            target.name: (
                target.exposure.canary_bp / FULL_BP,
                target.exposure.shadow_bp / FULL_BP,
            )
            for target in state.targets.values()
            if target.exposure is not None
        }
        picture = Picture(
            playbook=state.name, phase=state.phase, shares=shares, waits_since=waits_since
        )
        with self._lock:
            self._pictures[rollout.rollout_id] = picture

    def event(self, event: AgentEvent) -> None:
        """Something became of a rollout; what another process drives is not shown here."""
        self._events.labels(event.happened.value).inc()
        with self._lock:
            if event.happened is Happened.STALLED:
                self._stalled[event.rollout_id] = event.because
            else:
                self._stalled.pop(event.rollout_id, None)
        if event.happened in {Happened.LOST, Happened.FAILED, Happened.LEFT}:
            with self._lock:
                self._pictures.pop(event.rollout_id, None)
                self._judged_at.pop(event.rollout_id, None)

    def trouble(self, because: str) -> None:
        """Why the journal cannot be read; "" once it can again."""
        with self._lock:
            self._trouble = because

    def judged(self, rollout: Rollout, state: RolloutState) -> None:
        """A rollout was looked at: what was judged since the last look is counted."""
        with self._lock:
            seen = self._judged_at.setdefault(rollout.rollout_id, {})
            new = [
                (name, record)
                for name, record in state.gates.items()
                if record.judgements and seen.get(name) != (record.judged_at, record.judgements)
            ]
            seen.update({name: (record.judged_at, record.judgements) for name, record in new})
        for name, record in new:
            gate = rollout.playbook.gates.get(name)
            kind = gate.kind if gate is not None else "implied"
            self._judgements.labels(kind, record.measured.outcome.value).inc()

    def watch(self, rollout: Rollout) -> None:
        """Hears from now on what happens to a rollout, and every judgement of its gates."""
        rollout.listeners.append(partial(self.recorded, rollout))
        rollout.onlookers = _Judgements(self, rollout, rollout.onlookers)

    def recorded(self, rollout: Rollout, recorded: ev.Recorded) -> None:
        """An event went by, ours or somebody else's."""
        match recorded.event:
            case ev.ApplyFailed(target=target, why=why) if target:
                provider = rollout.playbook.targets[target].provider
                self._errors.labels(provider, why.value).inc()
            case ev.Notified(notifier=notifier, error=error) if error:
                self._untold.labels(notifier).inc()
            case _:
                pass

    # -- what people ask --------------------------------------------------------

    def standing(self) -> tuple[datetime | None, str]:
        """When the journal was last read, and why it cannot be read now."""
        with self._lock:
            stalled = next((f"{one}: {why}" for one, why in self._stalled.items()), "")
            return self._looked_at, self._trouble or stalled

    def gauges(self) -> Iterable[Metric]:
        """What is true at this moment."""
        now = self.clock.now()
        with self._lock:
            pictures = dict(self._pictures)
            counts = (self._open, self._driven, self._looked_at, self._trouble)
            stalled = len(self._stalled)
        yield from _gauges(pictures, *counts, now=now)
        yield _gauge(
            "rolloutctl_stalled_rollouts",
            "Rollouts driven here of which the journal takes nothing: nothing is judged.",
            stalled,
        )

    # -- how it is counted --------------------------------------------------------

    def _waits_since(
        self, rollout: Rollout, phase: Phase, before: Picture | None
    ) -> datetime | None:
        """When it began to wait; adds up what it waited once that is over."""
        now = self.clock.now()
        since = before.waits_since if before is not None else None
        if phase in WAITING:
            return since if since is not None else _began_to_wait(rollout, now)
        if since is not None:
            self._waited.inc(max(0.0, (now - since).total_seconds()))
        return None


def _began_to_wait(rollout: Rollout, now: datetime) -> datetime:
    """From the journal: it may have waited since long before this agent was started."""
    for recorded in reversed(rollout.journal.read(rollout.rollout_id)):
        if isinstance(recorded.event, ev.Asked | ev.Paused | ev.Held | ev.Stuck):
            return recorded.at
    return now


@dataclass(slots=True)
class _Judgements:
    """Counts judgements, and lets those look on who did before."""

    metrics: AgentMetrics
    rollout: Rollout
    others: Onlookers | None

    def leave(self, state: RolloutState, now: datetime) -> None:
        """As `runner.rollout.Onlookers` has it."""
        self.metrics.judged(self.rollout, state)
        if self.others is not None:
            self.others.leave(state, now)

    def remove(self, rollout_id: str) -> None:
        """As `runner.rollout.Onlookers` has it."""
        if self.others is not None:
            self.others.remove(rollout_id)


@dataclass(slots=True, eq=False)  # a registry keeps collectors in a set
class _Gauges(Collector):
    """Lets the registry ask for what is true when the page is read."""

    metrics: AgentMetrics

    def collect(self) -> Iterable[Metric]:
        """As `prometheus_client.registry.Collector` has it."""
        return self.metrics.gauges()


def _gauges(
    pictures: Mapping[str, Picture],
    open_rollouts: int,
    driven: int,
    looked_at: datetime | None,
    trouble: str,
    *,
    now: datetime,
) -> Iterable[Metric]:
    info = GaugeMetricFamily("rolloutctl_build_info", "The version that runs.", labels=["version"])
    info.add_metric([__version__], 1)
    yield info
    is_up = looked_at is not None and not trouble
    yield _gauge("rolloutctl_journal_up", "1 while the journal can be read.", float(is_up))
    yield _gauge(
        "rolloutctl_last_look_timestamp_seconds",
        "When the journal was last read, in seconds since 1970.",
        looked_at.timestamp() if looked_at is not None else 0.0,
    )
    yield _gauge("rolloutctl_open_rollouts", "Rollouts that are not over.", open_rollouts)
    yield _gauge("rolloutctl_driven_rollouts", "Rollouts that this agent drives.", driven)
    yield _phases(pictures)
    yield from _shares(pictures)
    yield _waits(pictures, now)


def _shares(pictures: Mapping[str, Picture]) -> Iterable[Metric]:
    labels = ["playbook", "rollout", "target"]
    canary = GaugeMetricFamily(
        "rolloutctl_canary_ratio", "Share of the canary as last seen, 0 to 1.", labels=labels
    )
    shadow = GaugeMetricFamily(
        "rolloutctl_shadow_ratio", "Share of shadow traffic as last seen, 0 to 1.", labels=labels
    )
    for rollout_id, picture in sorted(pictures.items()):
        for target, (canary_share, shadow_share) in picture.shares.items():
            canary.add_metric([picture.playbook, rollout_id, target], canary_share)
            shadow.add_metric([picture.playbook, rollout_id, target], shadow_share)
    yield canary
    yield shadow


def _waits(pictures: Mapping[str, Picture], now: datetime) -> Metric:
    family = GaugeMetricFamily(
        "rolloutctl_waiting_for_human_seconds",
        "How long a rollout has been waiting for a human by now.",
        labels=["playbook", "rollout", "phase"],
    )
    for rollout_id, picture in sorted(pictures.items()):
        if picture.waits_since is not None:
            waited_s = max(0.0, (now - picture.waits_since).total_seconds())
            family.add_metric([picture.playbook, rollout_id, picture.phase.value], waited_s)
    return family


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _phases(pictures: Mapping[str, Picture]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "rolloutctl_rollouts", "Open rollouts known to this agent, by phase.", labels=["phase"]
    )
    counted = Counts(picture.phase for picture in pictures.values())
    for phase in Phase:
        if not phase.is_terminal:
            family.add_metric([phase.value], counted[phase])
    return family
