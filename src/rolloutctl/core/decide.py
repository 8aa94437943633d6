"""decide(playbook, state, kinds, now): exactly one next thing. The order of RULES is the safety.

killed -> open intent -> rollback asked, gate or guardrail failed -> look and judge ->
paused -> deadline -> current step -> finish. Every rule answers or passes on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from rolloutctl.core import events as ev
from rolloutctl.core.decision import (
    CompleteKill,
    Decision,
    Do,
    Finish,
    Look,
    Measure,
    Record,
    WaitUntil,
)
from rolloutctl.core.effects import Expose, Invoke, target_of
from rolloutctl.core.events import Cause, FinishedAs, HeldAs
from rolloutctl.core.exposure import describe
from rolloutctl.core.playbook import Gate, OnDrift, OnFail, OnSilence, Playbook
from rolloutctl.core.ports import Kinds
from rolloutctl.core.reconcile import drift_sentence
from rolloutctl.core.rollback import decide_rollback
from rolloutctl.core.state import OpenIntent, Phase, RolloutState
from rolloutctl.core.step_rules import decide_promotion_while_paused, decide_step
from rolloutctl.core.units import format_duration
from rolloutctl.core.verdict import Outcome
from rolloutctl.core.view import View
from rolloutctl.errors import ExitCode

_ROLLBACK_CODES = {
    Cause.GATE: ExitCode.JUDGED_BAD,
    Cause.GUARDRAIL: ExitCode.JUDGED_BAD,
    Cause.STEP: ExitCode.JUDGED_BAD,
    Cause.OPERATOR: ExitCode.ROLLED_BACK,
    Cause.INTERRUPTED: ExitCode.ROLLED_BACK,
    Cause.DRIFT: ExitCode.CONFLICT,
    Cause.OUTSIDE_KILL: ExitCode.KILLED,
}

#: What a gate that learned nothing says.
_SILENT = (Outcome.NO_DATA, Outcome.ERROR)


def decide(
    playbook: Playbook,
    state: RolloutState,
    kinds: Kinds,
    now: datetime,
    *,
    has_measured: bool = False,
) -> Decision:
    """The one next thing for this rollout at `now`; `because` is one sentence.

    With `has_measured` the last thing was a measurement, and another one is only taken for
    what has not been judged since the hold ended or somebody asked: where a source takes
    longer than a gate's interval, a gate is always due, and everything else would wait.
    """
    view = View(playbook=playbook, state=state, kinds=kinds, now=now, has_measured=has_measured)
    for rule in RULES:
        decision = rule(view)
        if decision is not None:
            return decision
    raise AssertionError("the last rule always answers")  # pragma: no cover


def exit_code(state: RolloutState) -> ExitCode:
    """The exit code of a rollout at rest, by how it came to rest."""
    match state.phase:
        case Phase.SUCCEEDED:
            return ExitCode.DONE
        case Phase.KILLED:
            return ExitCode.KILLED
        case Phase.STUCK:
            return ExitCode.STUCK
        case Phase.HELD:
            inconclusive = state.held_as is HeldAs.INCONCLUSIVE
            return ExitCode.INCONCLUSIVE if inconclusive else ExitCode.TIMED_OUT
        case Phase.ROLLED_BACK if state.rollback is not None:
            return _ROLLBACK_CODES[state.rollback.cause]
        case _:
            return ExitCode.PENDING


def _at_rest(view: View) -> Decision | None:
    if not view.state.phase.is_at_rest:
        return None
    return Finish(exit_code=exit_code(view.state), because=view.state.ended_because)


def _killed(view: View) -> Decision | None:
    if view.state.phase is not Phase.KILLING:
        return None
    reason = f": {view.state.kill_reason}" if view.state.kill_reason else ""
    return CompleteKill(because=f"a kill was requested{reason}")


def _open_intents(view: View) -> Decision | None:
    if view.state.phase is Phase.ROLLING_BACK:
        return None  # judged target by target, so that one cannot hold up the others
    for key, intent in view.state.open.items():
        decision = _recover(view, key, intent)
        if decision is not None:
            return decision
    return None


def _recover(view: View, key: str, intent: OpenIntent) -> Decision | None:
    intended = intent.intended
    if view.now < intended.deadline:
        return None  # it may still land; other rules go on watching
    name = target_of(intended.effect)
    if name:
        retry_at = view.state.targets[name].retry_at
        if retry_at is not None and view.now < retry_at:
            return None
        return Look(key=key, because=f"the end of {key} on {name} is unknown: looking")
    if intended.epoch == view.state.epoch:
        return None  # its driver lives, knows how it goes on, and closes it
    return _recover_invocation(key, intended)


def _recover_invocation(key: str, intended: ev.Intended) -> Decision:
    why, because = ev.Why.NOT_LANDED, f"{key} was started and its end is unknown: it runs again"
    if isinstance(intended.effect, Invoke) and not intended.effect.rerun_on_crash:
        why = ev.Why.UNKNOWN
        because = f"{key} was started and its end is unknown"
    failed = ev.ApplyFailed(key=key, target="", why=why, message=because)
    return Record(event=failed, because=because)


def _outside_killed(view: View) -> Decision | None:
    if view.state.phase is Phase.ROLLING_BACK:
        return None
    killed = [t for t in view.state.targets.values() if t.is_outside_killed]
    if not killed:
        return None
    names = ", ".join(t.name for t in killed)
    how = "; ".join(t.outside_because for t in killed if t.outside_because)
    said = f" ({how})" if how else ""
    because = f"another hand set {names} to zero{said}; it is not applied again"
    return _go_back(Cause.OUTSIDE_KILL, because)


def _failed_gates(view: View) -> Decision | None:
    if view.state.phase is Phase.ROLLING_BACK:
        return None
    for gate in view.guardrails:
        decision = _failed_gate(view, gate, Cause.GUARDRAIL)
        if decision is not None:
            return decision
    for gate in view.step_gates:
        decision = _failed_gate(view, gate, Cause.GATE)
        if decision is not None:
            return decision
    return None


def _failed_gate(view: View, gate: Gate, cause: Cause) -> Decision | None:
    record = view.record(gate)
    if record is None or record.verdict.outcome is not Outcome.FAIL or gate.limits.observe_only:
        return None
    because = f"{cause} {gate.name} failed: {record.verdict.because}"
    if gate.limits.on_fail is OnFail.ROLLBACK:
        return _go_back(cause, because)
    if view.state.phase is Phase.PAUSED:
        return None
    return Record(event=ev.Paused(because=because), because=because)


def _go_back(cause: Cause, because: str) -> Decision:
    return Record(event=ev.RollbackStarted(cause=cause, because=because), because=because)


def _rolling_back(view: View) -> Decision | None:
    if view.state.phase is not Phase.ROLLING_BACK:
        return None
    return decide_rollback(view)


def _look_and_judge(view: View) -> Decision | None:
    gates = [gate.name for gate in view.due_gates()]
    targets = [] if view.has_measured else [name for name, due in view.watched if due <= view.now]
    if not gates and not targets:
        return None
    what = ", ".join([*gates, *targets])
    return Measure(gates=tuple(gates), targets=tuple(targets), because=f"measuring {what}")


def _drifted(view: View) -> Decision | None:
    for target in view.state.targets.values():
        if target.drift is None or view.state.phase is Phase.PAUSED:
            continue
        because = f"drift on {target.name}: {drift_sentence(target.drift, target.wanted)}"
        match view.playbook.on_drift:
            case OnDrift.PAUSE:
                return Record(event=ev.Paused(because=because), because=because)
            case OnDrift.ABORT:
                return _go_back(Cause.DRIFT, because)
            case OnDrift.REAPPLY:
                cleared = ev.DriftCleared(
                    target=target.name, accepted=target.drift, because="on_drift: reapply"
                )
                return Record(event=cleared, because=because)
    return None


def _silent_gates(view: View) -> Decision | None:
    """`on_no_data: pause` and `on_error: pause`, once past the gate's failure limit."""
    if view.state.phase is Phase.PAUSED:
        return None
    for gate in view.judged_gates:
        record = view.record(gate)
        if record is None or record.verdict.outcome not in _SILENT or gate.limits.observe_only:
            continue
        limits = gate.limits
        outcome = record.verdict.outcome
        no_data = outcome is Outcome.NO_DATA and limits.on_no_data is OnSilence.PAUSE
        error = outcome is Outcome.ERROR and limits.on_error is OnSilence.PAUSE
        count = record.silences if no_data else record.errors
        if (no_data or error) and count > limits.failure_limit:
            because = f"gate {gate.name} is silent: {record.verdict.because}"
            return Record(event=ev.Paused(because=because), because=because)
    return None


def _paused(view: View) -> Decision | None:
    if view.state.phase is not Phase.PAUSED:
        return None
    if view.state.promote is not None:
        return decide_promotion_while_paused(view)
    because = f"paused: {view.state.paused_because}"
    return WaitUntil(at=view.next_due(), because=because, needs_human=True)


def _waiting_for_intents(view: View) -> Decision | None:
    if not view.state.open:
        return None
    if not any(target_of(intent.intended.effect) for intent in view.state.open.values()):
        # An invocation writes no target of ours; what drifted does not wait for its end.
        return _reapply(view) or _waiting_for_invocations(view)
    moments = []
    for intent in view.state.open.values():
        name = target_of(intent.intended.effect)
        retry_at = view.state.targets[name].retry_at if name else None
        moments.append(max(intent.intended.deadline, retry_at or intent.intended.deadline))
    because = "a write may still be landing; waiting before looking"
    return WaitUntil(at=min([*moments, view.next_due()]), because=because)


def _waiting_for_invocations(view: View) -> Decision:
    deadlines = [i.intended.deadline for i in view.state.open.values()]
    ahead = [deadline for deadline in deadlines if deadline > view.now]
    is_ours = all(i.intended.epoch == view.state.epoch for i in view.state.open.values())
    name = f"step {view.step.name}" if view.step is not None else ", ".join(view.state.open)
    because = (
        f"{name} is under way"
        if is_ours
        else f"{name} was begun by a driver that is gone; waiting for its time limit"
    )
    return WaitUntil(at=min([*ahead, view.next_due()]), because=because)


def _deadline(view: View) -> Decision | None:
    limit_s = view.playbook.limits.deadline_s
    if view.now < view.state.deadline_from + timedelta(seconds=limit_s):
        return None
    undecided = [
        gate.name
        for gate in view.step_gates
        if (record := view.record(gate)) and record.verdict.outcome is Outcome.INCONCLUSIVE
    ]
    held_as = HeldAs.INCONCLUSIVE if undecided else HeldAs.TIMED_OUT
    because = f"the deadline of {format_duration(limit_s)} passed"
    if undecided:
        because = f"{because} with {', '.join(undecided)} inconclusive"
    because = f"{because}; the weight is held at {_exposures(view)}"
    return Record(event=ev.Held(held_as=held_as, because=because), because=because)


def _exposures(view: View) -> str:
    return "; ".join(
        f"{target.name} {describe(target.exposure)}" if target.exposure else f"{target.name} ?"
        for target in view.state.targets.values()
    )


def _reapply(view: View) -> Decision | None:
    """A target whose drift was accepted for rewriting gets our exposure again."""
    for target in view.state.targets.values():
        if not target.is_to_reapply or target.wanted is None:
            continue
        if target.retry_at is not None and view.now < target.retry_at:
            return WaitUntil(at=min(target.retry_at, view.next_due()), because=target.last_error)
        key = f"{view.state.rollout_id}:{view.state.steps_left}:reapply:{target.name}"
        effect = Expose(target=target.name, exposure=target.wanted)
        because = f"{target.name}: writing {describe(target.wanted)} again after drift"
        return Do(effect=effect, key=key, because=because)
    return None


def _step(view: View) -> Decision | None:
    if view.step is not None:
        return decide_step(view)
    index = view.state.steps_left
    steps = view.playbook.steps
    if index < len(steps):
        because = f"step {index + 1} of {len(steps)}: {steps[index].name}"
        return Record(event=ev.StepEntered(step=index, because=because), because=because)
    return None


def _succeed(view: View) -> Decision:
    count = len(view.playbook.steps)
    done_so = f"all {count} steps are done" if count > 1 else "its step is done"
    because = f"{done_so}; serving {_exposures(view)}"
    done = ev.Finished(finished_as=FinishedAs.SUCCEEDED, because=because)
    return Record(event=done, because=because)


RULES: tuple[Callable[[View], Decision | None], ...] = (
    _at_rest,
    _killed,
    _open_intents,
    _outside_killed,
    _failed_gates,
    _rolling_back,
    _look_and_judge,
    _drifted,
    _silent_gates,
    _paused,
    _waiting_for_intents,
    _deadline,
    _reapply,
    _step,
    _succeed,
)
