"""The kill: control for everybody by one semantic patch, from any state, in parallel.

A flag that is on stays on, so that flags that depend on it are served as before. Where
LaunchDarkly refuses that (its own rollout runs there), the flag is turned off instead.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from rolloutctl.clock import Deadline
from rolloutctl.core.answers import Receipt
from rolloutctl.core.target import Target
from rolloutctl.errors import Rejected, RolloutctlError, Unavailable
from rolloutctl.providers.launchdarkly.api import Api, ApprovalRequired
from rolloutctl.providers.launchdarkly.configuration import (
    Configuration,
    Flag,
    Serve,
    parse_flag,
    parse_variations,
)
from rolloutctl.providers.launchdarkly.place import Names, arms_of, flags_of, spec_of
from rolloutctl.providers.launchdarkly.reading import read_facts
from rolloutctl.providers.launchdarkly.writing import Instruction, instructions_between, said

COMMENT = "rolloutctl kill: the control for everybody"


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

    def work(place: int, flag: str, names: Names) -> None:
        done[place] = _kill_flag(target, flag, names, deadline=deadline)

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


def _kill_flag(target: Target, key: str, names: Names, *, deadline: Deadline) -> _Done:
    try:
        facts = read_facts(target, key, deadline=deadline)
        control = arms_of(parse_variations(facts), names, key, needs_canary=False).control
        return _kill_read(target, key, facts, control, deadline=deadline)
    except RolloutctlError as error:
        return _Done(failure=error)


def _kill_read(
    target: Target,
    key: str,
    facts: Mapping[str, object],
    control: str,
    *,
    deadline: Deadline,
) -> _Done:
    environment = spec_of(target).environment
    try:
        flag = parse_flag(facts, environment)
        wanted = killed(flag.found, control)
        instructions = instructions_between(flag, flag.found, wanted, _never)
        if instructions:
            _patch(target, key, instructions, deadline=deadline)
    except ApprovalRequired:
        raise
    except Rejected as refused:
        # SAFETY: turning it off takes no knowledge of the flag; nobody is ever turned on.
        off: list[Instruction] = [
            {"kind": "turnFlagOff"},
            {"kind": "updateOffVariation", "variationId": control},
        ]
        _patch(target, key, off, deadline=deadline)
        return _Done(
            changed=f"{key}: turned off in {environment}, with the control as its off variation",
            untouched=f"{key}: its rules are as they were ({refused.message}); flags that depend"
            " on it now get their own off variation",
        )
    changed = f"{key}: {said(flag, instructions)}" if instructions else ""
    return _Done(changed=changed, untouched=_untouched(flag))


def killed(found: Configuration, control: str) -> Configuration:
    """Control wherever anything else is served; everything else as it is.

    The off variation too: prerequisites that fail, and whoever turns the flag off, get it.
    """
    if not found.on:
        return replace(found, off_variation=control)
    serve = Serve(variation=control)
    return replace(
        found,
        off_variation=control,
        fallthrough=serve,
        rules=tuple(rule if rule.disabled else replace(rule, serve=serve) for rule in found.rules),
        targets=tuple(each for each in found.targets if each.variation == control),
    )


def _untouched(flag: Flag) -> str:
    notes = []
    if not flag.found.on:
        notes.append("it is off and stays off; look at its rules before you turn it on again")
    if flag.found.prerequisites:
        names = ", ".join(each.flag for each in flag.found.prerequisites)
        notes.append(f"its prerequisites ({names})")
    disabled = [rule.label for rule in flag.found.rules if rule.disabled]
    if disabled:
        notes.append(f"disabled rules ({', '.join(disabled)})")
    return f"{flag.key}: {'; '.join(notes)}" if notes else ""


def _never(key: str, index: int) -> str:
    raise AssertionError(f"a kill does not change prerequisites ({key}, {index})")


def _patch(
    target: Target, key: str, instructions: list[Instruction], *, deadline: Deadline
) -> None:
    Api(spec_of(target)).patch(
        key, instructions, comment=COMMENT, timeout_s=deadline.remaining_s, rescues=True
    )
