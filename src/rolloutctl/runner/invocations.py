"""What one rollout has begun and not seen the end of: commands, HTTP calls, notifications.

They run beside the ticks, so that guardrails are judged and requests are read meanwhile.
The intent is on disk before one begins; how it ended is recorded by the tick that sees it.
When the rollout goes back or is killed, and when its driver stops or is overtaken, they are
ended, and that is on record too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rolloutctl.core import events as ev
from rolloutctl.core.decision import Decision, WaitUntil
from rolloutctl.core.effects import target_of
from rolloutctl.core.observation import Receipt
from rolloutctl.core.state import Phase
from rolloutctl.errors import JournalUnavailable, LeaseLost, Stale
from rolloutctl.runner.adapters import InvokeResult, Running

if TYPE_CHECKING:
    from rolloutctl.runner.rollout import Rollout

#: How often a driver looks whether an invocation has ended, in seconds.
LOOK_S = 0.25
#: How long one that was told to end may take for it, in seconds. More than a command's grace
#: (`invoke.GRACE_S`); what takes longer cannot be ended, and that is what is recorded.
END_S = 5.0
#: The same for a driver that stops and waits for nothing else, in seconds.
_CLOSE_STEP_S = 0.05
_MOVING = frozenset({Phase.RUNNING, Phase.ASKING, Phase.PAUSED})
_BECAUSE = {
    Phase.ROLLING_BACK: "ended because the rollout goes back",
    Phase.ROLLED_BACK: "ended because the rollout goes back",
    Phase.KILLING: "ended because the rollout was killed",
    Phase.KILLED: "ended because the rollout was killed",
}


@dataclass(slots=True)
class _Run:
    """One of them; `told` is why it was told to end, `told_at` since when.

    `epoch` tells its intent from a later one with the same key: of another driver, or of
    this one after it had lost the lease for a while.
    """

    running: Running
    refusal: ev.Why
    epoch: int
    told: str = ""
    told_at: datetime | None = None
    told_as: ev.Why = ev.Why.ENDED

    def end(self, because: str, now: datetime, *, why: ev.Why = ev.Why.ENDED) -> None:
        """Tells it to end, once; `why` is what its end then means."""
        if self.told_at is None:
            self.told, self.told_at, self.told_as = because, now, why
            self.running.end()


class Invocations:
    """The invocations of one rollout in this process; for its driving thread only."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}

    @property
    def is_busy(self) -> bool:
        """Something is under way, or was told to end and has not yet."""
        return bool(self._runs)

    def add(
        self, key: str, running: Running, *, epoch: int, refusal: ev.Why = ev.Why.FAILED
    ) -> None:
        """Takes in what was begun under the open intent `key` of `epoch`.

        `refusal` is what its failure means: that it ran and failed, or was refused.
        """
        self._runs[key] = _Run(running=running, refusal=refusal, epoch=epoch)

    def settle(self, rollout: Rollout) -> None:
        """Records what has ended since, and ends what must not go on.

        What could not be recorded is recorded the next time. Raises `LeaseLost`,
        `JournalUnavailable`, and what broke in whoever ran one.
        """
        now = rollout.clock.now()
        for key, run in tuple(self._runs.items()):
            event = _outcome(key, run, now)
            if event is not None:
                _record(rollout, run.epoch, event)
                del self._runs[key]
        self.follow(rollout)
        self._end_overdue(rollout, now)
        self._close_unbegun(rollout)

    def follow(self, rollout: Rollout) -> None:
        """Ends everything if the rollout does not go forward any more; returns at once."""
        phase = rollout.state.phase
        if phase not in _MOVING:
            self.end(_BECAUSE.get(phase, "ended because the rollout rests"), rollout.clock.now())

    def end(self, because: str, now: datetime) -> None:
        """Tells everything to end; returns at once, and is safe twice."""
        for run in self._runs.values():
            run.end(because, now)

    def close(self, rollout: Rollout, because: str) -> None:
        """Ends everything, waits until it has, at most `END_S`, and records it if it can.

        SAFETY: whoever stops driving calls this; nothing may work on for a rollout that
        nobody watches. What the journal does not take stays an open intent: the next
        driver finds that its end is unknown.
        """
        if not self._runs:
            return
        self.end(because, rollout.clock.now())
        until = rollout.clock.now() + timedelta(seconds=END_S)
        while self._runs:
            try:
                self.settle(rollout)
            except LeaseLost:
                self._forget_ended()
            except (JournalUnavailable, Stale):
                pass
            if not self._runs or rollout.clock.now() >= until:
                break
            rollout.clock.sleep(_CLOSE_STEP_S)
        self._runs.clear()

    def bounded(self, decision: Decision, now: datetime) -> Decision:
        """The same wait, ended in time to see whether an invocation has ended."""
        if not self._runs or not isinstance(decision, WaitUntil):
            return decision
        soon = now + timedelta(seconds=LOOK_S)
        # Its end will move the rollout: nobody is needed before.
        return replace(decision, at=min(decision.at, soon), needs_human=False)

    def _end_overdue(self, rollout: Rollout, now: datetime) -> None:
        """Its own limit counts time awake only: a machine that slept ends it by the deadline.

        That is its time limit all the same, and so a failure of its own.
        """
        for key, run in self._runs.items():
            intent = rollout.state.open.get(key)
            is_open = intent is not None and intent.intended.epoch == run.epoch
            if not is_open or (intent is not None and now >= intent.intended.deadline):
                run.end("ended because its time was over", now, why=run.refusal)

    def _forget_ended(self) -> None:
        self._runs = {k: run for k, run in self._runs.items() if run.running.result() is None}

    def _close_unbegun(self, rollout: Rollout) -> None:
        """Closes intents of this very lease that were recorded and never begun.

        The journal failed after it had written, or the deadline passed before the
        beginning: nobody else could begin them, so it is certain that nobody has.
        """
        epoch = rollout.lease.epoch if rollout.lease is not None else None
        for key, intent in rollout.state.open.items():
            intended = intent.intended
            is_ours = intended.epoch == epoch and not target_of(intended.effect)
            if is_ours and key not in self._runs:
                message = "it was never begun"
                _record(rollout, intended.epoch, _failed(key, ev.Why.NOT_LANDED, message))


def _outcome(key: str, run: _Run, now: datetime) -> ev.Applied | ev.ApplyFailed | None:
    """How it ended, as an event; None while it has not."""
    result = run.running.result()
    if run.told_at is not None:
        if result is not None:
            return _failed(key, run.told_as, f"{run.told}: {_said(result)}")
        if now >= run.told_at + timedelta(seconds=END_S):
            return _failed(key, run.told_as, f"{run.told}, but it had not after {END_S:g} s")
        return None
    if result is None:
        return None
    if result.ok:
        receipt = Receipt(changed=result.message)
        return ev.Applied(key=key, receipt=receipt, after=None, output=result.output)
    return _failed(key, run.refusal, _said(result))


def _said(result: InvokeResult) -> str:
    return f"{result.message}: {result.output}" if result.output else result.message


def _failed(key: str, why: ev.Why, message: str) -> ev.ApplyFailed:
    return ev.ApplyFailed(key=key, target="", why=why, message=message)


def _record(rollout: Rollout, epoch: int, event: ev.Applied | ev.ApplyFailed) -> None:
    """Records the end once; also if the rollout was over before it was seen.

    SAFETY: an intent of another epoch is not ours to close. Its invocation may be at work
    in another process, and would then be begun a second time.
    """
    rollout.refresh()
    intent = rollout.state.open.get(event.key)
    is_ours = rollout.lease is not None and rollout.lease.epoch == epoch
    if intent is None and rollout.state.phase.is_terminal:
        if is_ours:
            said = event.receipt.changed if isinstance(event, ev.Applied) else event.message
            rollout.record_fact(_failed(event.key, ev.Why.ENDED, said))
    elif intent is not None and intent.intended.epoch == epoch:
        rollout.record_fact(event)
