"""Tells the notifiers of killed rollouts: once the kill is reported, best effort, bounded."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from rolloutctl.cli import wiring
from rolloutctl.cli.driving import lease_of
from rolloutctl.clock import monotonic_s
from rolloutctl.core.ports import Message
from rolloutctl.errors import RolloutctlError
from rolloutctl.runner.loop import attempt
from rolloutctl.runner.owner import owner_is_dead
from rolloutctl.runner.telling import kill_messages, tell_now
from rolloutctl.runner.workers import Workers

if TYPE_CHECKING:
    from pathlib import Path

    from rolloutctl.cli.kill_rollouts import Killed
    from rolloutctl.core.ports import Notifier
    from rolloutctl.runner.fence import KillEnd
    from rolloutctl.runner.rollout import Rollout
    from rolloutctl.ui.console import Console

#: Rollouts told of side by side.
ROLLOUTS_AT_ONCE = 32
#: How long the notifiers of all killed rollouts together are waited for, in seconds.
TELL_LIMIT_S = 12.0
#: How long a live driver may take to tell them itself, in seconds.
DRIVER_TELLS_S = 2.0
_LOOK_S = 0.1


def tell(killed: Sequence[Killed], console: Console) -> None:
    """Tells what the kill reached; whoever cannot be told in time is named."""
    done: SimpleQueue[str] = SimpleQueue()
    waiting: set[str] = set()
    workers = Workers(ROLLOUTS_AT_ONCE, name="tell-kill")
    for one in killed:
        name, work = one.rollout_id, _telling(one, console)
        if work is not None:
            name = name or str(one.file)
            waiting.add(name)
            workers.run(partial(_guarded, name, work, console, done=done))
    workers.close()
    until_s = monotonic_s() + TELL_LIMIT_S
    with suppress(Empty):
        while waiting:
            waiting.discard(done.get(timeout=max(0.0, until_s - monotonic_s())))
    if waiting:
        console.talk(
            f"the notifiers of {', '.join(sorted(waiting))} were not all told within "
            f"{TELL_LIMIT_S:g} s"
        )


def _telling(one: Killed, console: Console) -> Callable[[], None] | None:
    """The work of telling of one kill; None where nothing was killed."""
    if one.rollout is not None and one.end is not None:
        if not one.is_followed:
            return partial(_tell_of_unread, one, one.rollout, console)
        return partial(_tell_of_rollout, one.rollout, one.end, console)
    if one.file is not None:
        return partial(_tell_of_playbook, one, one.file, console)
    return None


def _guarded(
    name: str, work: Callable[[], None], console: Console, *, done: SimpleQueue[str]
) -> None:
    """In a worker: whatever happens, the name is put into `done`."""
    error = attempt(work)
    if error is not None:
        text = error.message if isinstance(error, RolloutctlError) else repr(error)
        console.talk(f"the notifiers of {name} were not told: {text}")
    done.put(name)


def _tell_of_playbook(one: Killed, file: Path, console: Console) -> None:
    """Targets of a playbook that no open rollout holds: one message, with no rollout's id."""
    known = wiring.catalog()
    playbook = wiring.load_playbook(file, one.inputs, known=known, environ=os.environ)
    _tell_all([_message_of(one, playbook.name)], wiring.notifiers(playbook, known), console)


def _tell_of_unread(one: Killed, rollout: Rollout, console: Console) -> None:
    """A rollout of which nothing but its start could be read: one message."""
    notifiers = wiring.notifiers_in(rollout.playbook.document, wiring.catalog())
    _tell_all([_message_of(one, rollout.playbook.name)], notifiers, console)


def _message_of(one: Killed, playbook_name: str) -> Message:
    """What the kill reached, for whom the journal has no events to tell of."""
    at = wiring.clock().now()
    stuck = [report for report in one.reports if not report.confirmed]
    said = "; ".join(f"{report.target} NOT killed: {report.message}" for report in stuck)
    names = ", ".join(report.target for report in one.reports)
    return Message(
        key=f"{one.rollout_id or playbook_name}:killed:{at.isoformat()}",
        rollout_id=one.rollout_id,
        playbook=playbook_name,
        event="kill-not-confirmed" if stuck else "finished",
        phase="stuck" if stuck else "killed",
        text=f"kill asked by {wiring.actor().name}: {said or f'{names} killed, confirmed'}",
        at=at,
    )


def _tell_all(
    messages: Sequence[Message],
    notifiers: Mapping[str, Notifier],
    console: Console,
    references: Mapping[str, str] | None = None,
) -> None:
    if notifiers:
        for name, trouble in tell_now(messages, notifiers, references=references).items():
            console.talk(f"{name} could not be told: {trouble}")


def _tell_of_rollout(rollout: Rollout, end: KillEnd, console: Console) -> None:
    notifiers = wiring.notifiers_in(rollout.playbook.document, wiring.catalog())
    messages = kill_messages(rollout, end) if notifiers else ()
    if not messages:
        return
    told = set() if end.journal_error else _told_by_driver(rollout, set(notifiers), messages)
    left = {name: one for name, one in notifiers.items() if name not in told}
    _tell_all(messages, left, console, rollout.state.references)


def _told_by_driver(rollout: Rollout, names: set[str], messages: Sequence[Message]) -> set[str]:
    """Who heard of all of it from the live driver; nobody, at once, if there is none.

    Telling twice is allowed, and a receiver knows it by the key. A chat does not.
    """
    last_seq = int(messages[-1].key.rpartition(":")[2])  # what is recorded has its place as key
    until_s = monotonic_s() + DRIVER_TELLS_S
    while True:
        is_over = monotonic_s() >= until_s or not _is_driven(rollout)
        rollout.refresh()
        told = {name for name in names if rollout.state.notified.get(name, 0) >= last_seq}
        if is_over or told == names:
            return told
        rollout.clock.sleep(_LOOK_S)


def _is_driven(rollout: Rollout) -> bool:
    lease = lease_of(rollout.journal, rollout.rollout_id)
    return (
        lease is not None
        and lease.expires_at > rollout.clock.now()
        and not owner_is_dead(lease.owner)
    )
