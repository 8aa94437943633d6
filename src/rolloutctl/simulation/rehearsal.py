"""One rollout on a virtual clock, by production's own `start`, `tick`, `decide` and `fold`.

People of a rehearsal say yes at once: a step with `confirm` is approved when it asks.
Commands and notifications of `run` and `notify` steps are taken as done.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from rolloutctl.core import events as ev
from rolloutctl.core.decision import Decision, WaitUntil
from rolloutctl.core.effects import Invoke
from rolloutctl.core.observation import Capabilities
from rolloutctl.core.playbook import Playbook
from rolloutctl.core.ports import Kinds, MetricSource
from rolloutctl.core.state import Phase, RolloutState
from rolloutctl.errors import ExitCode
from rolloutctl.runner import requests
from rolloutctl.runner.adapters import Adapters, Ended, InvokeResult, Running
from rolloutctl.runner.loop import drive
from rolloutctl.runner.rollout import Rollout
from rolloutctl.runner.start import start
from rolloutctl.simulation.ledger import Ledger
from rolloutctl.simulation.virtual import Served, SilentNotifier, VirtualClock, VirtualProvider

ROLLOUT_ID = "rehearsal"
ACTOR = ev.Actor(name="rehearsal")
#: Longer than any rollout: nobody else could take the lease.
_LEASE_S = 100 * 366 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the composition root gives: a playbook and what it names.

    Attributes:
        playbook: what to rehearse.
        kinds: its gate and step kinds.
        capabilities: of the provider of each target.
        addresses: of each target.
    """

    playbook: Playbook
    kinds: Kinds
    capabilities: Mapping[str, Capabilities]
    addresses: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """How a rehearsal ended.

    Attributes:
        exit_code: as `start` would have exited.
        because: one sentence.
        ended_at: virtual time.
        state: the rollout's state at the end.
        records: its whole journal.
    """

    exit_code: ExitCode
    because: str
    ended_at: datetime
    state: RolloutState
    records: tuple[ev.Recorded, ...]

    @property
    def story(self) -> tuple[tuple[datetime, ev.Event], ...]:
        """What happened and when, without the judgements on the way."""
        left_out = (ev.GateJudged, ev.Notified)  # the latter name the number of a record
        return tuple(
            (one.at, one.event) for one in self.records if not isinstance(one.event, left_out)
        )

    @property
    def is_aborted(self) -> bool:
        """Did a gate or a guardrail take it back?"""
        return self.exit_code == ExitCode.JUDGED_BAD


def begin(
    given: Given, clock: VirtualClock, sources: Mapping[str, MetricSource], *, served: Served
) -> Rollout:
    """Starts a rollout that asks `sources`, by their names, and takes its lease."""
    playbook, ledger = given.playbook, Ledger()
    adapters = Adapters(
        kinds=given.kinds,
        providers={
            name: VirtualProvider(
                clock,
                given.capabilities[name],
                address=given.addresses[name],
                served=served,
            )
            for name in playbook.targets
        },
        sources=sources,
        notifiers={name: SilentNotifier() for name in playbook.notifiers},
        invoke=_taken_as_done,
    )
    start(playbook, adapters, ledger, clock=clock, rollout_id=ROLLOUT_ID, actor=ACTOR)
    rollout = Rollout.open(
        ROLLOUT_ID, playbook=playbook, adapters=adapters, journal=ledger, clock=clock
    )
    rollout.lease_ttl_s = _LEASE_S
    rollout.take_lease(ACTOR.name)
    return rollout


def rehearse(rollout: Rollout) -> Rehearsed:
    """Drives to the end: at rest, or in need of a person."""
    end = drive(rollout, stop=partial(_answer, rollout), poll_s=math.inf)
    return ended(rollout, end.exit_code, end.because)


def ended(rollout: Rollout, exit_code: ExitCode, because: str) -> Rehearsed:
    """What is left of a rollout that is driven no further."""
    return Rehearsed(
        exit_code=exit_code,
        because=because,
        ended_at=rollout.clock.now(),
        state=rollout.state,
        records=tuple(rollout.journal.read(rollout.rollout_id)),
    )


def _answer(rollout: Rollout, decision: Decision) -> str:
    """Says yes where a person is asked; a word ends the driving."""
    if rollout.state.phase is Phase.ASKING:
        approve(rollout)
        return ""
    is_stopped = isinstance(decision, WaitUntil) and decision.needs_human
    return "needs a person" if is_stopped else ""


def approve(rollout: Rollout) -> None:
    """Answers the question of a step with yes."""
    make = partial(requests.approve, actor=ACTOR, reason="a rehearsal says yes at once")
    requests.request(rollout.journal, rollout.clock, rollout.rollout_id, make)


def _taken_as_done(effect: Invoke, key: str, timeout_s: float) -> Running:
    del effect, key, timeout_s
    return Ended(how=InvokeResult(ok=True, message="taken as done", output=""))


def stretched(playbook: Playbook, hold_s: float) -> Playbook:
    """The same playbook with all holds longer or shorter, together `hold_s`."""
    now_s = sum(step.hold_s for step in playbook.steps)
    if now_s <= 0:
        return playbook
    factor = hold_s / now_s
    steps = tuple(replace(step, hold_s=step.hold_s * factor) for step in playbook.steps)
    deadline_s = max(playbook.limits.deadline_s, 2 * hold_s)
    return replace(playbook, steps=steps, limits=replace(playbook.limits, deadline_s=deadline_s))
