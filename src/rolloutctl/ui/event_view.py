"""One line for people for each event of a rollout; pure."""

from __future__ import annotations

from datetime import datetime

from rolloutctl.core import events as ev
from rolloutctl.core.effects import Effect, Expose, Invoke, Notify, Restore, cleanup_in
from rolloutctl.core.exposure import Exposure, describe
from rolloutctl.core.history import Edits
from rolloutctl.core.observation import Observation


class EventLines:
    """Remembers what was intended and what the rollout left, so that later lines can say it."""

    def __init__(self) -> None:
        self._effects: dict[str, Effect] = {}
        self._edits = Edits()

    def know(self, target: str, *fingerprints: str) -> None:
        """These configurations are the rollout's own: for who did not see how they came."""
        self._edits.know(target, *fingerprints)

    def line(self, recorded: ev.Recorded) -> str:
        """The line, in local time; "" for events that tell people nothing."""
        text = self.text(recorded.event)
        return f"{local_time(recorded.at)}  {text}" if text else ""

    def text(self, event: ev.Event) -> str:
        """What happened, without the time; "" for events that tell people nothing."""
        edit = self._edits.under(event)
        match event:
            case ev.Intended(key=key, effect=effect):
                self._effects[key] = effect
                return f"{_intention(effect)}{_over(edit)}"
            case ev.Applied(key=key):
                return _done(self._effects.get(key), event)
            case ev.ApplyFailed(key=key):
                return _failed(self._effects.get(key), event)
            case _:
                return _about_rollout(event) or _about_targets(event)


def local_time(at: datetime) -> str:
    """The time of day where the reader is."""
    return at.astimezone().strftime("%H:%M:%S")


def local_moment(at: datetime, now: datetime) -> str:
    """The time of day where the reader is, with the date unless it is today's."""
    there = at.astimezone()
    return local_time(at) if there.date() == now.astimezone().date() else f"{there:%Y-%m-%d %H:%M}"


def said_once(phase: str, because: str) -> str:
    """`phase: because`, or `because` alone where it begins with the phase's own words."""
    rest = because.removeprefix(f"{phase}: ")
    begins = rest.startswith((phase, phase.replace("-", " ")))
    return rest if begins else f"{phase}: {rest}"


def seen(observation: Observation) -> str:
    """What an observation says, in a few words."""
    return _exposure(observation.exposure, observation.detail)


def _exposure(exposure: Exposure | None, detail: str = "") -> str:
    if exposure is None:
        return detail or "neither control nor canary"
    return f"{describe(exposure)} ({detail})" if detail else describe(exposure)


def _intention(effect: Effect) -> str:
    match effect:
        case Expose(target=target, exposure=exposure):
            return f"{target}: writing {describe(exposure)}"
        case Restore(target=target):
            return f"{target}: writing its restore point back"
        case Invoke():
            if cleanup := cleanup_in(effect):
                return f"{cleanup['target']}: {cleanup['action']} of its {cleanup['arm']}"
            return "running the step's command or call"
        case Notify(notifiers=names):
            return f"telling {', '.join(names)}"


def _over(edit: Observation | None) -> str:
    """SAFETY: nobody's edit goes without a word."""
    if edit is None:
        return ""
    who = f" by {edit.editor}" if edit.editor else " by another hand"
    return f", over an edit{who} ({seen(edit)})"


def _failed(effect: Effect | None, event: ev.ApplyFailed) -> str:
    target, message = event.target, event.message
    if not target:
        return f"{_intention(effect) if effect else event.key}: {message}"
    match event.why:
        case ev.Why.NOT_LANDED | ev.Why.HALF_DONE | ev.Why.DRIFTED:
            return f"{target}: {message}"
        case ev.Why.TAKEN_BACK:
            return f"{target}: taken back: {message}"
        case _ if effect is None:
            return f"{target}: cannot be read: {message}"
        case _:
            return f"{target}: not written: {message}"


def _done(effect: Effect | None, event: ev.Applied) -> str:
    target = effect.target if isinstance(effect, Expose | Restore) else ""
    if event.after is not None:
        return f"{target}: observed {seen(event.after)}"
    return f"done: {event.output.strip()}" if event.output.strip() else "done"


def _about_rollout(event: ev.Event) -> str:  # noqa: C901, PLR0912 - one line an event
    match event:
        case ev.Started(name=name, actor=actor, reason=reason):
            return f"{name} started by {actor.name}{_because(reason)}"
        case ev.StepEntered(because=because):
            return because
        case ev.StepLeft(because=because, override=override):
            # The step was named when it was entered, just above.
            said = because.partition(" left: ")[2] or because
            what = "left by override" if override else "done"
            return f"step {what}" if said == what else f"step {what}: {said}"
        case ev.GateJudged(gate=gate, record=record):
            return f"gate {gate}: {record.verdict.outcome}: {record.verdict.because}"
        case ev.HoldExtended(because=because):
            return f"hold extended: {because}"
        case ev.Asked(question=question):
            return f"asking: {question}"
        case ev.Approved(actor=actor, reason=reason):
            return f"approved by {actor.name}{_because(reason)}"
        case ev.Paused(because=because):
            return said_once("paused", because)
        case ev.Resumed(actor=actor, reason=reason):
            return f"resumed by {actor.name}{_because(reason)}"
        case ev.PromoteRequested(actor=actor, reason=reason, override=override, full=full):
            how = f"{' --full' if full else ''}{' --override' if override else ''}"
            return f"promote{how} asked by {actor.name}{_because(reason)}"
        case ev.PromoteRefused(because=because):
            return because
        case ev.RollbackStarted(because=because):
            return because if because.startswith("not begun") else f"rolling back: {because}"
        case ev.KillRequested(actor=actor, reason=reason):
            return f"kill asked by {actor.name}{_because(reason)}"
        case ev.Held(because=because):
            return f"held: {because}"
        case ev.Stuck(because=because):
            return f"STUCK: {because}"
        case ev.Finished(finished_as=finished_as, because=because):
            return said_once(finished_as, because)
        case _:
            return ""


def _about_targets(event: ev.Event) -> str:
    match event:
        case ev.Drifted(target=target, because=because):
            return f"{target}: edited by somebody else: {because}"
        case ev.DriftCleared(target=target, because=because):
            return f"{target}: drift cleared: {because}"
        case ev.OutsideKilled(target=target):
            return f"{target}: set to zero by another hand; its zero is kept"
        case ev.Settled(target=target):
            return f"{target}: restored, confirmed"
        case ev.Unsettled(target=target, observation=observation):
            return f"{target}: not restored any more: {seen(observation)}"
        case ev.TargetKilled(target=target, confirmed=confirmed, message=message):
            return (
                f"{target}: {'killed, confirmed' if confirmed else 'NOT killed'}{_because(message)}"
            )
        case ev.Notified(notifier=notifier, error=error):
            return f"{notifier} could not be told: {error}" if error else ""
        case _:
            return ""


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
