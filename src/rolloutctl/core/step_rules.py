"""What to do next within a step: write, hold, judge, ask, leave."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from rolloutctl.core import events as ev
from rolloutctl.core.decision import Decision, Do, Record, WaitUntil
from rolloutctl.core.effects import Effect, Expose, Invoke, target_of
from rolloutctl.core.events import Cause
from rolloutctl.core.exposure import describe
from rolloutctl.core.playbook import Gate, OnFail, OnInconclusive, Step
from rolloutctl.core.ports import GiveUp, Stay, StepProgress
from rolloutctl.core.state import Phase, StepState
from rolloutctl.core.units import format_duration
from rolloutctl.core.verdict import Outcome
from rolloutctl.core.view import View

#: What a person can answer where an invocation may have been done, in whole or in part.
_ANSWERS = "resume runs it again, promote --override counts it as done, rollback goes back"


def decide_step(view: View) -> Decision:
    """The next thing for the step being worked on. Its due gates were judged before."""
    step, progress = view.step, view.state.step
    assert step is not None  # noqa: S101 - callers checked
    assert progress is not None  # noqa: S101 - callers checked
    if progress.failure:
        return _failed(view, step, progress)
    effects = view.plan
    if effects and not progress.is_begun and step.before and not view.is_skipping(step):
        waiting = _before(view, step)
        if waiting is not None:
            return waiting
    for key, effect in effects:
        if key not in progress.done:
            return _write(view, step, key, effect)
    return _hold(view, step, progress)


def decide_promotion_while_paused(view: View) -> Decision:
    """Only an override moves a paused rollout, and only from a step that is in force."""
    step, progress, promote = view.step, view.state.step, view.state.promote
    assert promote is not None  # noqa: S101 - callers checked
    if step is None or progress is None or not promote.override:
        because = "not promoted: the rollout is paused; resume it first"
        return Record(event=ev.PromoteRefused(gates=(), because=because), because=because)
    if progress.failure:
        return _failed(view, step, progress)
    if view.applied_at is None:
        because = f"not promoted: step {step.name} is not in force yet; resume it first"
        return Record(event=ev.PromoteRefused(gates=(), because=because), because=because)
    return _promote(view, step, view.blocking(_leaving_gates(view)))


def _failed(view: View, step: Step, progress: StepState) -> Decision:
    because = f"step {step.name}: {progress.failure}"
    if view.state.promote is not None and view.state.promote.override:
        left = ev.StepLeft(step=step.index, because=f"overridden: {because}", override=True)
        return Record(event=left, because=left.because)
    if progress.follows_on_fail and view.playbook.on_fail is OnFail.ROLLBACK:
        started = ev.RollbackStarted(cause=Cause.STEP, because=because)
        return Record(event=started, because=because)
    if view.state.promote is not None:
        refused = ev.PromoteRefused(gates=(), because=because)
        return Record(event=refused, because=because)
    if any(isinstance(effect, Invoke) for _, effect in view.plan):
        because = f"{because}; {_ANSWERS}"
    return Record(event=ev.Paused(because=because), because=because)


def _before(view: View, step: Step) -> Decision | None:
    blocking = view.blocking(view.step_gates)
    if not blocking:
        return None
    if view.state.promote is not None:
        return _promote(view, step, blocking)
    pausing = _inconclusive(view, step, blocking)
    if pausing is not None:
        return pausing
    because = f"before step {step.name}: waiting for {_say(view, blocking)}"
    return _wait(view, because)


def _write(view: View, step: Step, key: str, effect: Effect) -> Decision:
    name = target_of(effect)
    burning = _burning(view)
    if burning and name:
        because = f"not begun: guardrail {burning}, before anything was written"
        started = ev.RollbackStarted(cause=Cause.GUARDRAIL, because=because)
        return Record(event=started, because=because)
    if name:
        target = view.state.targets[name]
        if target.retry_at is not None and view.now < target.retry_at:
            because = f"step {step.name}: {target.last_error}; trying again"
            return _wait(view, because, target.retry_at)
    what = describe(effect.exposure) if isinstance(effect, Expose) else step.kind
    because = f"step {step.name}: {name} to {what}" if name else f"step {step.name}: {what}"
    return Do(effect=effect, key=key, because=because)


def _burning(view: View) -> str:
    """A guardrail that fails before the rollout's first write: nothing begins on a fire."""
    if view.state.written_order:
        return ""
    for gate in view.guardrails:
        record = view.record(gate)
        if record is None or gate.limits.observe_only:
            continue
        if record.measured.outcome is Outcome.FAIL:
            return f"{gate.name} fails: {record.measured.because}"
    return ""


def _hold(view: View, step: Step, progress: StepState) -> Decision:
    applied_at = view.applied_at
    hold_ends_at = view.hold_ends_at
    assert applied_at is not None  # noqa: S101 - every effect is done here
    assert hold_ends_at is not None  # noqa: S101 - every effect is done here
    if view.is_skipping(step):
        return _leave(step, "promoted to the last step", override=True)
    advice = view.kinds.steps[step.kind].advance(
        step.spec,
        StepProgress(applied_at=applied_at, hold_ends_at=hold_ends_at, outputs=progress.outputs),
        view.now,
    )
    if isinstance(advice, GiveUp):
        because = f"step {step.name}: {advice.because}"
        started = ev.RollbackStarted(cause=Cause.STEP, because=because)
        return Record(event=started, because=because)
    if view.state.promote is not None:
        return _promote(view, step, view.blocking(_leaving_gates(view)))
    if view.now < hold_ends_at:
        left_s = (hold_ends_at - view.now).total_seconds()
        because = f"step {step.name} holds for {format_duration(left_s)} more"
        return _wait(view, because, hold_ends_at)
    if isinstance(advice, Stay):
        return _wait(view, f"step {step.name}: {advice.because}", advice.until)
    return _end_of_hold(view, step, progress, view.blocking(_leaving_gates(view)))


def _leaving_gates(view: View) -> list[Gate]:
    """The step's gates, and the guardrails where the canary answers anybody."""
    gates = list(view.step_gates)
    if view.is_exposed:
        named = {gate.name for gate in gates}
        gates += [gate for gate in view.guardrails if gate.name not in named]
    return gates


def _end_of_hold(view: View, step: Step, progress: StepState, blocking: Sequence[Gate]) -> Decision:
    if blocking:
        consequence = _inconclusive(view, step, blocking)
        if consequence is not None:
            return consequence
        because = f"step {step.name}: the hold is over, waiting for {_say(view, blocking)}"
        return _wait(view, because)
    if step.confirm and not progress.is_approved:
        question = f"leave step {step.name}? its hold is over and its gates pass"
        if view.state.phase is Phase.ASKING:
            return WaitUntil(at=view.next_due(), because=f"asking: {question}", needs_human=True)
        return Record(event=ev.Asked(step=step.index, question=question), because=question)
    return _leave(step, "hold over and gates passed" if step.gates else "done")


def _inconclusive(view: View, step: Step, blocking: Sequence[Gate]) -> Decision | None:
    """The declared consequence of a gate that more waiting will not decide by itself."""
    for gate in blocking:
        if not _is_undecided(view, gate):
            continue
        record = view.record(gate)
        said = record.verdict.because if record is not None else ""
        because = f"step {step.name}: gate {gate.name} is inconclusive: {said}"
        match gate.limits.on_inconclusive:
            case OnInconclusive.WAIT:
                continue
            case OnInconclusive.FAIL:
                started = ev.RollbackStarted(cause=Cause.GATE, because=because)
                return Record(event=started, because=because)
            case OnInconclusive.EXTEND_ONCE if _can_extend(view, step):
                until = view.now + timedelta(seconds=step.hold_s)
                longer = f"{because}; held {format_duration(step.hold_s)} longer, once"
                extended = ev.HoldExtended(step=step.index, until=until, because=longer)
                return Record(event=extended, because=longer)
            case OnInconclusive.PAUSE | OnInconclusive.EXTEND_ONCE:
                return Record(event=ev.Paused(because=because), because=because)
    return None


def _can_extend(view: View, step: Step) -> bool:
    progress = view.state.step
    is_new = progress is not None and progress.extended_until is None
    return is_new and step.hold_s > 0 and progress is not None and progress.is_begun


def _is_undecided(view: View, gate: Gate) -> bool:
    record = view.record(gate)
    if record is None or record.verdict.outcome is not Outcome.INCONCLUSIVE:
        return False
    settles_at = record.verdict.settles_at
    if settles_at is not None and view.now < settles_at:
        return False
    measured = record.measured
    is_short = measured.sample is not None and measured.sample < gate.limits.min_sample
    return measured.outcome is Outcome.INCONCLUSIVE or is_short


def _growing(view: View, step: Step) -> Decision | None:
    """SAFETY: a growth that is left is judged, and stopped, by nobody any more."""
    if view.applied_at is None:
        return None
    left_s = step.growth_s - (view.now - view.applied_at).total_seconds()
    if left_s <= 0:
        return None
    because = (
        f"not promoted: step {step.name}: the service may grow it for {format_duration(left_s)}"
        " more, and nobody would judge that; wait, or use promote --override"
    )
    return Record(event=ev.PromoteRefused(gates=(), because=because), because=because)


def _promote(view: View, step: Step, blocking: Sequence[Gate]) -> Decision:
    promote = view.state.promote
    assert promote is not None  # noqa: S101 - callers checked
    guardrails = [gate for gate in blocking if gate.name in view.playbook.guardrails]
    # In a pause gates are not judged anew: what they said before it is no pass now.
    is_past = bool(blocking) or view.state.phase is Phase.PAUSED
    growing = _growing(view, step)
    if growing is not None and not promote.override:
        return growing
    why = f" ({promote.reason})" if promote.reason else ""
    if promote.override and is_past and not guardrails:
        passed_over = f" past {_say(view, blocking)}" if blocking else ""
        return _leave(step, f"promoted by {promote.actor.name}{passed_over}{why}", override=True)
    if not blocking:
        unneeded = "; its gates pass, nothing was overridden" if promote.override else ""
        passed_over = "; the service still grows it" if growing is not None else unneeded
        by = f"promoted by {promote.actor.name}{why}{passed_over}"
        return _leave(step, by, override=promote.full or growing is not None)
    which = "guardrail " if guardrails else ""
    because = f"not promoted: {which}{_say(view, guardrails or blocking)}"
    names = tuple(gate.name for gate in guardrails or blocking)
    return Record(event=ev.PromoteRefused(gates=names, because=because), because=because)


def _leave(step: Step, because: str, *, override: bool = False) -> Decision:
    sentence = f"step {step.name} left: {because}"
    left = ev.StepLeft(step=step.index, because=sentence, override=override)
    return Record(event=left, because=sentence)


def _say(view: View, gates: Sequence[Gate]) -> str:
    parts = []
    for gate in gates:
        record = view.record(gate)
        if record is None:
            parts.append(f"{gate.name} (not judged yet)")
        else:
            parts.append(f"{gate.name} ({record.verdict.outcome}: {record.verdict.because})")
    return ", ".join(parts)


def _wait(view: View, because: str, at: datetime | None = None) -> Decision:
    soonest = view.next_due()
    return WaitUntil(at=min(at, soonest) if at is not None else soonest, because=because)
