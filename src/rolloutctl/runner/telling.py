"""Tells people of a rollout, beside the driving: a webhook that hangs delays no rollback.

At least once: what was delivered is on record as `Notified`; what is not is delivered
again by whoever drives next, under the same key. A message that failed all its tries is on
record with its error, and not tried again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from rolloutctl.clock import SystemClock, monotonic_s
from rolloutctl.core import events as ev
from rolloutctl.core.machine import allows, fold, follow
from rolloutctl.core.ports import Message, Notifier
from rolloutctl.credentials import redact
from rolloutctl.errors import JournalUnavailable, LeaseLost, RolloutctlError, Stale, Unavailable
from rolloutctl.runner.fence import KillEnd
from rolloutctl.runner.loop import attempt
from rolloutctl.runner.messages import Reporter, message_of
from rolloutctl.runner.rollout import Rollout
from rolloutctl.runner.workers import Work, Workers

#: Seconds for one call of a notifier.
CALL_S = 5.0
#: Tries of one message; a notifier that failed its last message gets one until it works.
TRIES = 3
#: Pause before the second try, in seconds; doubled before the next one.
RETRY_S = 0.5
#: The longest pause that a service may ask for, in seconds.
RETRY_MAX_S = 5.0
#: Messages that wait for one notifier; beyond it the oldest is given up, and said so.
WAITING_MAX = 200
#: How long the end of driving waits for the last messages, in seconds.
FLUSH_S = 10.0
#: How often the waiting end keeps its lease, in seconds.
_FLUSH_STEP_S = 1.0
_ERROR_CHARS_MAX = 300
_REFERENCE_CHARS_MAX = 300
#: Threads that tell, in one process.
THREADS_MAX = 8


class Teller:
    """Tells the notifiers of one rollout, each in order; drive it with `loop.drive`.

    Args:
        rollout: opened; it is listened to from now on, and what was not told before is
            told first. Without notifiers nothing is read and nothing done.
        run: takes the work of telling, such as `Workers.run`; `workers.at_once` tells in
            the driver's own thread (tests on a fake clock).
        sleep: waits between two tries.
    """

    def __init__(
        self,
        rollout: Rollout,
        *,
        run: Callable[[Work], None],
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._rollout = rollout
        self._run = run
        self._sleep = sleep or SystemClock().sleep
        self._changed = threading.Condition()
        self._channels = {
            name: _Channel(name, one, rollout.state.references.get(name, ""))
            for name, one in rollout.adapters.notifiers.items()
        }
        self._results: list[ev.Notified] = []
        self._reporter = Reporter(rollout.rollout_id, rollout.playbook.name)
        if self._channels:
            self._tell_backlog()
            rollout.listeners.append(self._hear)

    @property
    def is_idle(self) -> bool:
        """Everything was delivered or given up, and is on record."""
        with self._changed:
            return not self._results and not self._waiting()

    def settle(self) -> None:
        """Records what was delivered since; only the driving thread may call it.

        What the journal does not take is kept for the next time: telling stops no driving.

        Raises:
            LeaseLost: another process drives, and tells.
        """
        with self._changed:
            results = tuple(self._results)
        if not results:
            return
        with suppress(Stale, JournalUnavailable):
            self._rollout.record_fact(*results)
            with self._changed:
                del self._results[: len(results)]

    def flush(self, limit_s: float = FLUSH_S) -> None:
        """Waits for the last messages, at most `limit_s`; never raises.

        What is left of a rollout that is over is given up on record: nobody opens it again.
        """
        until_s = monotonic_s() + limit_s
        with suppress(LeaseLost, Stale, JournalUnavailable):
            while (left_s := until_s - monotonic_s()) > 0:
                self._rollout.keep_lease()
                with self._changed:
                    if self._changed.wait_for(
                        lambda: not self._waiting(), min(left_s, _FLUSH_STEP_S)
                    ):
                        break
            self.settle()
            if self._rollout.state.phase.is_terminal:
                self._give_up("not delivered within the time that the end waits for it")
                self.settle()

    def close(self) -> None:
        """Stops listening; what is under way may still be delivered."""
        with suppress(ValueError):
            self._rollout.listeners.remove(self._hear)

    # -- the driving thread -----------------------------------------------------

    def _tell_backlog(self) -> None:
        rollout, state = self._rollout, None
        told = {name: rollout.state.notified.get(name, 0) for name in self._channels}
        for recorded in rollout.journal.read(rollout.rollout_id):
            if recorded.seq > rollout.state.seq:
                break  # the listener hears of it
            state = fold(rollout.rollout_id, [recorded], state)
            message = self._reporter.message(recorded, state)
            if message is not None:
                self._offer(message, recorded.seq, (n for n in told if told[n] < recorded.seq))

    def _hear(self, recorded: ev.Recorded) -> None:
        message = self._reporter.message(recorded, self._rollout.state)
        if message is not None:
            self._offer(message, recorded.seq, self._channels)

    def _offer(self, message: Message, seq: int, names: Iterable[str]) -> None:
        for name in names:
            with self._changed:
                channel = self._channels[name]
                if len(channel.waiting) >= WAITING_MAX:
                    self._drop(channel, f"given up: {WAITING_MAX} messages were waiting")
                channel.waiting.append((seq, message))
                must_start = not channel.is_busy
                channel.is_busy = True
            if must_start:
                self._run(partial(self._tell_next, channel))

    def _give_up(self, why: str) -> None:
        with self._changed:
            for channel in self._channels.values():
                while channel.waiting:
                    self._drop(channel, why)

    def _drop(self, channel: _Channel, why: str) -> None:
        seq, _ = channel.waiting.popleft()
        self._results.append(ev.Notified(notifier=channel.name, of_seq=seq, error=why))

    def _waiting(self) -> bool:
        return any(channel.waiting for channel in self._channels.values())

    # -- the telling thread -----------------------------------------------------

    def _tell_next(self, channel: _Channel) -> None:
        """Delivers one message, then lets the others' have their turn."""
        with self._changed:
            first = channel.waiting[0] if channel.waiting else None
        if first is not None:
            seq, message = first
            tries = TRIES if channel.is_well else 1
            referring = replace(message, reference=channel.reference)
            told = deliver(channel.notifier, referring, tries=tries, sleep=self._sleep)
            channel.is_well = not told.error
            channel.reference = told.reference or channel.reference
        with self._changed:
            # It may have been given up meanwhile, and that is on record then.
            if first is not None and channel.waiting and channel.waiting[0] is first:
                channel.waiting.popleft()
                self._results.append(
                    ev.Notified(
                        notifier=channel.name,
                        of_seq=seq,
                        error=told.error,
                        reference=told.reference,
                    )
                )
            channel.is_busy = bool(channel.waiting)
            goes_on = channel.is_busy
            self._changed.notify_all()
        if goes_on:
            self._run(partial(self._tell_next, channel))


@dataclass(slots=True)
class _Channel:
    """One notifier and what waits for it, by place in the journal; one call at a time."""

    name: str
    notifier: Notifier
    reference: str = ""
    waiting: deque[tuple[int, Message]] = field(default_factory=deque)
    is_busy: bool = False
    is_well: bool = True


def has_untold(rollout: Rollout) -> bool:
    """Whether a notifier has not been told of something; reads the journal only then."""
    names = rollout.adapters.notifiers
    if not names:
        return False
    told = min(rollout.state.notified.get(name, 0) for name in names)
    reporter, state = Reporter(rollout.rollout_id, rollout.playbook.name), None
    for recorded in rollout.journal.read(rollout.rollout_id):
        state = fold(rollout.rollout_id, [recorded], state)
        if reporter.message(recorded, state) is not None and recorded.seq > told:
            return True
    return False


def _keep(answers: list[str | None], call: Callable[[], str | None]) -> None:
    answers.append(call())


class Delivery(NamedTuple):
    """How telling ended: the last error, or "", and what the notifier refers to later."""

    error: str = ""
    reference: str = ""


def deliver(
    notifier: Notifier, message: Message, *, tries: int, sleep: Callable[[float], None]
) -> Delivery:
    """Tells one notifier, trying again where that may help."""
    for number in range(tries):
        answers: list[str | None] = []
        notify = partial(notifier.notify, message, timeout_s=CALL_S)
        error = attempt(partial(_keep, answers, notify))
        if error is None:
            return Delivery(reference=redact(answers[0] or "")[:_REFERENCE_CHARS_MAX])
        # What is not one of ours is a bug in the notifier: trying again does not heal it.
        is_last = number == tries - 1 or not isinstance(error, Unavailable)
        text = error.message if isinstance(error, RolloutctlError) else repr(error)
        if is_last:
            return Delivery(error=redact(text)[:_ERROR_CHARS_MAX])
        asked_s = (error.retry_after_s or 0.0) if isinstance(error, Unavailable) else 0.0
        sleep(max(RETRY_S * 2**number, min(asked_s, RETRY_MAX_S)))
    return Delivery(error="not tried")


# -- without a driver -------------------------------------------------------------


def tell_now(
    messages: Sequence[Message],
    notifiers: Mapping[str, Notifier],
    *,
    limit_s: float = FLUSH_S,
    references: Mapping[str, str] | None = None,
) -> Mapping[str, str]:
    """Tells every notifier all messages, all notifiers at once; for a kill without a lease.

    `references` are those of the rollout's earlier messages, by notifier. Returns the
    notifiers that could not be told within `limit_s`, each with its error.
    """
    errors = dict.fromkeys(notifiers, f"no answer within {limit_s:g} s")
    done = {name: threading.Event() for name in notifiers}
    sleep = SystemClock().sleep

    def tell(name: str, notifier: Notifier) -> None:
        reference, failed = (references or {}).get(name, ""), []
        for one in messages:
            referring = replace(one, reference=reference)
            told = deliver(notifier, referring, tries=TRIES, sleep=sleep)
            reference = told.reference or reference
            failed.append(told.error)
        errors[name] = next((error for error in failed if error), "")
        done[name].set()

    workers = Workers(len(notifiers), name="tell")
    for name, notifier in notifiers.items():
        workers.run(partial(tell, name, notifier))
    until_s = monotonic_s() + limit_s
    for finished in done.values():
        finished.wait(max(0.0, until_s - monotonic_s()))
    workers.close()
    return {name: error for name, error in dict(errors).items() if error}


def kill_messages(rollout: Rollout, end: KillEnd) -> Sequence[Message]:
    """What `fence.kill_rollout` did to a rollout that was opened before it.

    What the journal took has its place as key, as if a driver had told it; what it did not
    take is told all the same.
    """
    messages: list[Message | None] = []
    name = rollout.playbook.name

    def hear(recorded: ev.Recorded) -> None:
        messages.append(message_of(rollout.rollout_id, name, recorded, rollout.state))

    rollout.listeners.append(hear)
    with suppress(JournalUnavailable):
        rollout.refresh()
    rollout.listeners.remove(hear)
    state, at = rollout.state, rollout.clock.now()
    for number, event in enumerate(end.unrecorded, start=1):
        if allows(state, event):
            state = follow(state, event, at)
        recorded = ev.Recorded(seq=rollout.state.seq + number, at=at, event=event)
        message = message_of(rollout.rollout_id, name, recorded, state)
        if message is not None:
            key = f"{rollout.rollout_id}:unrecorded:{at.isoformat()}:{number}"
            messages.append(replace(message, key=key))
    return [message for message in messages if message is not None]
