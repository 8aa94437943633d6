"""The kill: control for everybody by the fewest calls, from any state, in parallel."""

from __future__ import annotations

import threading
from typing import NamedTuple

from rolloutctl.clock import Deadline
from rolloutctl.core.answers import Receipt
from rolloutctl.core.target import Target
from rolloutctl.errors import RolloutctlError, Unavailable
from rolloutctl.providers.unleash.api import Api
from rolloutctl.providers.unleash.place import Arms, flags_of, spec_of
from rolloutctl.providers.unleash.reading import read_flag
from rolloutctl.providers.unleash.serving import served
from rolloutctl.providers.unleash.weighing import killed
from rolloutctl.providers.unleash.writing import Call, calls_between

_OFF = Call(method="POST", path="/off", what="environment off")


class _Done(NamedTuple):
    """What the kill of one flag did, left, or could not do."""

    changed: str = ""
    untouched: str = ""
    failure: RolloutctlError | None = None


def kill(target: Target, *, timeout_s: float) -> Receipt:
    """Kills the flag and its shadow flag at the same time: one that hangs delays no other.

    Raises: the mapped error of the flag, or else of its shadow flag, after both were tried.
    """
    deadline = Deadline(timeout_s)
    flags = flags_of(target)
    done: list[_Done | None] = [None] * len(flags)

    def work(place: int, flag: str, arms: Arms) -> None:
        done[place] = _kill_flag(target, flag, arms, deadline=deadline)

    others = [
        threading.Thread(target=work, args=(place, *pair), daemon=True)
        for place, pair in enumerate(flags)
        if place
    ]
    for thread in others:
        thread.start()
    work(0, *flags[0])
    for thread in others:
        thread.join(timeout=max(0.0, deadline.remaining_s))
    ends = [each or _Done(failure=_too_slow(target)) for each in done]
    for end in ends:
        if end.failure is not None:
            raise end.failure
    return Receipt(
        changed="; ".join(each.changed for each in ends if each.changed) or "nothing had to change",
        untouched="; ".join(each.untouched for each in ends if each.untouched),
    )


def _too_slow(target: Target) -> RolloutctlError:
    return Unavailable(f"{target.name}: no answer for the shadow flag", may_have_landed=True)


def _kill_flag(target: Target, flag: str, arms: Arms, *, deadline: Deadline) -> _Done:
    try:
        if arms.is_switch:
            _send(target, flag, [_OFF], deadline=deadline)
            environment = spec_of(target).environment
            return _Done(
                changed=f"{flag}: off in {environment}",
                untouched=f"{flag}: its strategies are as they were, for when it is turned on",
            )
        return _kill_variants(target, flag, arms, deadline=deadline)
    except RolloutctlError as error:
        return _Done(failure=error)


def _kill_variants(target: Target, flag: str, arms: Arms, *, deadline: Deadline) -> _Done:
    view = read_flag(target, flag, arms, deadline=deadline)
    wanted = killed(view.found, arms.control, spec_of(target).payload)
    calls = calls_between(view.found, wanted) if wanted != view.found else []
    _send(target, flag, calls, deadline=deadline)
    note = served(wanted, arms).detail
    return _Done(
        changed="; ".join(f"{flag}: {call.what}" for call in calls),
        untouched=f"{flag}: {note}" if note else "",
    )


def _send(target: Target, flag: str, calls: list[Call], *, deadline: Deadline) -> None:
    """Every call is tried, whatever became of the one before; the first error is raised."""
    api = Api(spec_of(target))
    failure: RolloutctlError | None = None
    for call in calls:
        try:
            path = api.environment_path(flag) + call.path
            api.write(call.method, path, call.body, timeout_s=deadline.remaining_s)
        except RolloutctlError as error:
            failure = failure or error
    if failure is not None:
        raise failure
