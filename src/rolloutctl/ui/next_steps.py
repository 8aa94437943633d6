"""The commands with which a rollout goes on, by its phase; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rolloutctl.core.exposure import describe
from rolloutctl.core.state import Phase, RolloutState, TargetState
from rolloutctl.ui.hints import with_store

_BACK = "back to what was before"
_KILL = "control for everybody, now"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """A command line to copy, and what it does."""

    command: str
    does: str


_AGENT = NextStep(command="rolloutctl agent", does="drives it: judges its gates, goes on")
_WATCHING = NextStep(command=_AGENT.command, does="judges its guardrails meanwhile")


def next_steps(state: RolloutState, *, is_driven: bool) -> list[NextStep]:
    """What somebody can do now, the most likely first; nothing once it is over."""
    match state.phase:
        case Phase.ASKING:
            return [
                _step(state, "approve", "yes: leave this step"),
                _step(state, "reject", "no: roll back"),
            ]
        case Phase.PAUSED | Phase.HELD:
            return [*_resume(state), _step(state, "rollback", _BACK)]
        case Phase.STUCK if state.killed_at is not None:
            return [_step(state, "kill", f"again: {_KILL}")]
        case Phase.STUCK:
            return [
                _step(state, "rollback", f"again: {_BACK}"),
                _step(state, "kill", _KILL),
            ]
        case Phase.ROLLING_BACK | Phase.KILLING if is_driven:
            return [_step(state, "wait", "until it is confirmed")]
        case Phase.ROLLING_BACK:
            return [_step(state, "rollback", "goes on with it"), _step(state, "kill", _KILL)]
        case Phase.KILLING:
            return [_step(state, "kill", "goes on with it")]
        case Phase.RUNNING if not is_driven:
            return [
                _AGENT,
                _step(state, "rollback", _BACK),
            ]
        case _:
            return []


def ways_on(state: RolloutState) -> list[NextStep]:
    """For an exposure that is left behind: who watches it, and how it goes on or ends."""
    steps = next_steps(state, is_driven=False)
    commands = {step.command for step in steps}
    # An agent lets a rollout at rest alone; only a person ends that. After a kill it judges
    # nothing, and the kill is what has to be finished.
    is_left = state.phase.is_at_rest or state.phase is Phase.KILLING
    is_watchable = not is_left and _AGENT.command not in commands
    kill = _step(state, "kill", _KILL)
    return [
        *([_WATCHING] if is_watchable else []),
        *steps,
        *([] if kill.command in commands else [kill]),
    ]


def next_lines(steps: Sequence[NextStep], width: int) -> list[str]:
    """A line each, to be copied: never folded; where it is narrow the meaning goes below."""
    rows = [(with_store(step.command), step.does) for step in steps]
    column = max((len(command) for command, _ in rows), default=0)
    if all(column + 2 + len(does) <= width for _, does in rows):
        return [f"{command:<{column}}  {does}" for command, does in rows]
    return [line for command, does in rows for line in (command, f"  {does}")]


def _resume(state: RolloutState) -> list[NextStep]:
    drifted = [target for target in state.targets.values() if target.drift is not None]
    if not drifted:
        return [_step(state, "resume", "goes on; skips neither time nor gates")]
    ours = ", ".join(_ours(target) for target in drifted)
    return [
        _step(state, "resume", f"writes {ours} over the edit", option="--reapply"),
        _step(state, "resume", "once the edit was put back by hand"),
    ]


def _ours(target: TargetState) -> str:
    said = describe(target.exposure) if target.exposure is not None else "its exposure"
    return f"{target.name} {said}"


def _step(state: RolloutState, verb: str, does: str, *, option: str = "") -> NextStep:
    command = f"rolloutctl {verb} {state.rollout_id}{f' {option}' if option else ''}"
    return NextStep(command=command, does=does)
