"""What people are told of a rollout: which events, in which words; pure.

`message_of` has the words; `Reporter` reads the records in order and leaves out what goes
on as before, so that a gate without data or a service that is down is told once.
"""

from __future__ import annotations

from dataclasses import replace

from rolloutctl.core import events as ev
from rolloutctl.core.effects import Restore, target_of
from rolloutctl.core.exposure import describe
from rolloutctl.core.observation import Observation
from rolloutctl.core.ports import Message
from rolloutctl.core.state import RolloutState
from rolloutctl.core.verdict import Outcome

#: Verdicts that people are told of when a gate turns to them.
_BAD = frozenset({Outcome.FAIL, Outcome.ERROR, Outcome.NO_DATA})


def message_of(
    rollout_id: str, playbook_name: str, recorded: ev.Recorded, state_after: RolloutState
) -> Message | None:
    """The message for one event; None for those that nobody has to hear of.

    Its key is the event's place, so it is the same whoever tells it, and when.
    """
    said = _about_rollout(recorded.event) or _about_targets(recorded.event)
    if said is None:
        return None
    event, text = said
    return Message(
        key=f"{rollout_id}:{recorded.seq}",
        rollout_id=rollout_id,
        playbook=playbook_name,
        event=event,
        phase=str(state_after.phase),
        text=text,
        at=recorded.at,
    )


class Reporter:
    """Turns the records of one rollout into messages; the same records, the same messages.

    Must be given every record from the first one on.
    """

    def __init__(self, rollout_id: str, playbook_name: str) -> None:
        self._rollout_id = rollout_id
        self._playbook_name = playbook_name
        self._driver = ""
        self._outcomes: dict[str, Outcome] = {}
        self._failing: dict[str, ev.Why] = {}
        self._intended: dict[str, ev.Intended] = {}

    def message(self, recorded: ev.Recorded, state_after: RolloutState) -> Message | None:
        """The message for the next record, if it is news."""
        intended = self._intent_of(recorded.event)
        for name in list(self._failing):
            if state_after.targets[name].failures == 0:
                del self._failing[name]
        if not self._is_news(recorded.event):
            return None
        message = message_of(self._rollout_id, self._playbook_name, recorded, state_after)
        if message is None or intended is None:
            return message
        return replace(message, text=f"{_place(intended)}{message.text}")

    def _intent_of(self, event: ev.Event) -> ev.Intended | None:
        """What an `Applied` is the end of: only its intent names the target."""
        match event:
            case ev.Intended(key=key):
                self._intended[key] = event
            case ev.Applied(key=key):
                return self._intended.pop(key, None)
            case ev.ApplyFailed(key=key):
                self._intended.pop(key, None)
            case _:
                pass
        return None

    def _is_news(self, event: ev.Event) -> bool:
        match event:
            case ev.GateJudged(gate=gate, record=record):
                before = self._outcomes.get(gate)
                self._outcomes[gate] = record.verdict.outcome
                return before is not record.verdict.outcome
            case ev.ApplyFailed(target=target, why=why) if target:
                before_why = self._failing.get(target)
                self._failing[target] = why
                return before_why is not why
            case ev.LeaseTaken(owner=owner):
                # Who and where, not which process: `tick` from cron is another one each time.
                before_driver, self._driver = self._driver, owner.partition(":")[0]
                return before_driver not in {"", self._driver}
            case _:
                return True


def _place(intended: ev.Intended) -> str:
    name = target_of(intended.effect)
    restored = "restored, " if isinstance(intended.effect, Restore) else ""
    return f"{name}: {restored}" if name else ""


def _about_rollout(event: ev.Event) -> tuple[str, str] | None:  # noqa: C901, PLR0912 - one an event
    """Event name and words for what concerns the whole rollout."""
    match event:
        case ev.Started(actor=actor, reason=reason):
            return "started", f"started by {actor.name}{_because(reason)}"
        case ev.LeaseTaken(owner=owner):
            return "taken-over", f"{owner.partition(':')[0]} drives it from here on"
        case ev.StepEntered(because=because):
            return "step-entered", because
        case ev.StepLeft(because=because, override=True):
            return "step-overridden", f"step left by override: {because}"
        case ev.GateJudged(gate=gate, record=record) if record.verdict.outcome in _BAD:
            what = "guardrail" if record.is_guardrail else "gate"
            outcome = record.verdict.outcome
            return f"gate-{outcome}", f"{what} {gate}: {outcome}: {record.verdict.because}"
        case ev.Asked(question=question):
            return "asked", f"a human is asked: {question}"
        case ev.Approved(actor=actor, reason=reason):
            return "approved", f"approved by {actor.name}{_because(reason)}"
        case ev.Paused(because=because):
            return "paused", because if because.startswith("paused") else f"paused: {because}"
        case ev.Resumed(actor=actor, reason=reason):
            return "resumed", f"resumed by {actor.name}{_because(reason)}"
        case ev.PromoteRefused(because=because):
            return "promote-refused", because
        case ev.RollbackStarted(because=because):
            return "rollback-started", f"rolling back: {because}"
        case ev.KillRequested(actor=actor, reason=reason):
            return "kill-requested", f"kill asked by {actor.name}{_because(reason)}"
        case ev.Held(because=because):
            return "held", f"held, and nobody drives it: {because}"
        case ev.Stuck(because=because):
            return "stuck", f"STUCK, a human must look: {because}"
        case ev.Finished(finished_as=finished_as, because=because):
            return "finished", f"{finished_as}: {because}"
        case _:
            return None


def _about_targets(event: ev.Event) -> tuple[str, str] | None:
    """Event name and words for what concerns one target."""
    match event:
        case ev.Applied(after=Observation() as after):
            return "applied", f"observed {_seen(after)}"
        case ev.ApplyFailed(target=target, why=why, message=message):
            return "apply-failed", f"{target or 'step'}: not done ({why}): {message}"
        case ev.Drifted(target=target, because=because):
            return "drifted", f"{target}: edited by somebody else: {because}"
        case ev.OutsideKilled(target=target):
            return "outside-killed", f"{target}: set to zero by another hand"
        case ev.Unsettled(target=target, observation=observation):
            return "unsettled", f"{target}: not restored any more: {_seen(observation)}"
        case ev.TargetKilled(target=target, confirmed=False, message=message):
            return "kill-not-confirmed", f"{target}: NOT killed{_because(message)}"
        case _:
            return None


def _seen(observation: Observation) -> str:
    if observation.exposure is not None:
        return describe(observation.exposure)
    return observation.detail or "neither control nor canary"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
