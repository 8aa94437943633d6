"""What must hold at every step of every schedule; docs/safety.md says it in plain words.

Judges from outside: the journal's records, the requests that leave a process, and what
the service then serves. Shares `fold` with the engine, but none of its decisions.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from rolloutctl.core import events as ev
from rolloutctl.core.effects import Expose, Invoke, Restore
from rolloutctl.core.exposure import ZERO, Exposure, split
from rolloutctl.core.machine import fold
from rolloutctl.core.playbook import Playbook
from rolloutctl.core.state import OpenIntent, RolloutState
from rolloutctl.core.verdict import Outcome
from rolloutctl.errors import IllegalEvent
from rolloutctl.runner.perform import BEGIN_LIMIT_S
from rolloutctl.testing import FakeFlag, FakeWorld
from worlds.invocations import SimInvoker

OURS, KILL, OTHER = "rolloutctl", "kill", "other"


def flag_of(target: str) -> str:
    """The flag of a target in the model's world."""
    return f"flag-{target}"


@dataclass(slots=True)
class Leaving:
    """I4 from the journal alone: what entitles a rollout to leave its step."""

    playbook: Playbook
    rollout_id: str
    left: int = 0
    entered_at: datetime | None = None
    applied: dict[str, datetime] = field(default_factory=dict)
    extended_until: datetime | None = None
    judged: dict[str, ev.GateRecord] = field(default_factory=dict)
    promote: ev.PromoteRequested | None = None
    promote_at: datetime | None = None
    is_fast: bool = False
    is_approved: bool = False
    burning: str = ""

    def problem(self, record: ev.Recorded, state: RolloutState) -> str:
        """Why this event must not be there; "" if it may. `state` is the one before it."""
        event = record.event
        match event:
            case ev.StepLeft():
                return self._leave(event, record.at, state)
            case ev.Finished(finished_as=ev.FinishedAs.SUCCEEDED):
                return "" if self.left == len(self.playbook.steps) else "not every step was left"
            case ev.Intended(effect=Expose(exposure=exposure)) if state.rollback is None:
                if self.burning and not exposure.is_zero:
                    return f"exposed on although {self.burning} failed"
            case _:
                pass
        return ""

    def follow(self, record: ev.Recorded, state: RolloutState) -> None:
        """Takes the event into account."""
        event = record.event
        match event:
            case ev.StepEntered():
                self.entered_at, self.applied = record.at, {}
                self.extended_until, self.is_approved = None, False
            case ev.Intended(effect=Expose()) if state.rollback is None:
                self._forget_step_gates()
            case ev.Applied(key=key):
                self.applied[key] = record.at
            case ev.HoldExtended(until=until):
                self.extended_until = until
            case ev.Approved():
                self.is_approved = True
            case ev.GateJudged(gate=gate, record=judged):
                self.judged[gate] = judged
                if judged.verdict.outcome is Outcome.FAIL:
                    self.burning = gate
            case ev.Resumed():
                self.judged, self.burning = {}, ""
            case ev.Paused() | ev.PromoteRefused():
                self.promote = self.promote_at = None
            case ev.PromoteRequested():
                self.promote, self.promote_at = event, record.at
            case ev.StepLeft(override=override):
                self.left += 1
                full = self.promote is not None and self.promote.full and override
                self.is_fast = self.is_fast or full
                self.promote = self.promote_at = self.entered_at = None
                self._forget_step_gates()
            case _:
                pass

    def _forget_step_gates(self) -> None:
        guardrails = self.playbook.guardrails
        self.judged = {name: one for name, one in self.judged.items() if name in guardrails}

    def _leave(self, event: ev.StepLeft, at: datetime, state: RolloutState) -> str:
        if self.burning:
            return f"left although {self.burning} failed"
        if event.step != self.left or self.entered_at is None:
            return f"step {event.step} left out of order"
        if event.override:
            asked = self.promote is not None and (self.promote.override or self.promote.full)
            is_last = event.step == len(self.playbook.steps) - 1
            return "" if asked or (self.is_fast and not is_last) else "an override nobody asked"
        return self._leave_by_the_rules(event, at, state)

    def _leave_by_the_rules(self, event: ev.StepLeft, at: datetime, state: RolloutState) -> str:
        step = self.playbook.steps[event.step]
        begun_at = self._in_force_at(event.step)
        if begun_at is None:
            return "its effects are not in force"
        hold_ends_at = self.extended_until or begun_at + timedelta(seconds=step.hold_s)
        fresh_at = hold_ends_at
        if self.promote_at is not None:
            fresh_at = min(hold_ends_at, self.promote_at)
        elif at < hold_ends_at:
            return "its hold is not over"
        elif step.confirm and not self.is_approved:
            return "nobody approved"
        names = list(step.gates)
        written = [one.exposure for one in state.targets.values() if one.is_written]
        if any(exposure is None or exposure.canary_bp for exposure in written):
            names += self.playbook.guardrails
        for name in names:
            judged = self.judged.get(name)
            if judged is None or judged.verdict.outcome is not Outcome.PASS:
                return f"gate {name} does not pass"
            if judged.judged_at < fresh_at:
                return f"gate {name} was judged {judged.judged_at}, before {fresh_at}"
        return ""

    def _in_force_at(self, index: int) -> datetime | None:
        step = self.playbook.steps[index]
        if step.kind == "wait":
            return self.entered_at
        effects = 1 if step.kind == "run" else len(step.targets)
        keys = [f"{self.rollout_id}:{index}:{number}" for number in range(effects)]
        if any(key not in self.applied for key in keys):
            return None
        return max(self.applied[key] for key in keys)


@dataclass(slots=True)
class Invariants:
    """I1 to I7, checked at every journal record, every request and every landing."""

    playbook: Playbook
    rollout_id: str
    world: FakeWorld
    conditional: bool
    restore: dict[str, FakeFlag]
    failures: list[str]
    #: invariants not judged: with a rule removed, one wants to see what follows from it
    ignored: frozenset[str] = frozenset()
    state: RolloutState | None = None
    is_killed: bool = False
    is_over: bool = False
    kill_confirmed: bool = False
    #: by key: what was sent, and what was seen before it
    sent: dict[str, tuple[Expose | Restore, ev.Intended | None]] = field(default_factory=dict)
    #: by key: the last intent that was open, and since when
    intended: dict[str, OpenIntent] = field(default_factory=dict)
    half_done: set[str] = field(default_factory=set)
    outside_killed: set[str] = field(default_factory=set)
    accepted: set[tuple[str, str]] = field(default_factory=set)
    #: per flag: who wrote it last, and the version of the last edit by another hand
    writer: dict[str, str] = field(default_factory=dict)
    foreign_version: dict[str, int] = field(default_factory=dict)
    content: dict[str, FakeFlag] = field(default_factory=dict)
    leaving: Leaving = field(init=False)
    invoker: SimInvoker | None = None
    #: commands that may begin again: a person said so to a pause that named them
    answered: set[str] = field(default_factory=set)
    records: int = 0

    def __post_init__(self) -> None:
        self.leaving = Leaving(playbook=self.playbook, rollout_id=self.rollout_id)

    def fail(self, text: str) -> None:
        """Notes a violation; the schedule ends there."""
        if text[:2] in self.ignored:
            return
        self.failures.append(f"{text} (at {self.world.clock.now():%H:%M:%S.%f})")

    # -- the journal ------------------------------------------------------------

    def recorded(self, record: ev.Recorded) -> None:
        """One more event is on disk."""
        self.records += 1
        before = self.state
        try:
            self.state = fold(self.rollout_id, [record], before)
        except IllegalEvent as error:
            self.fail(f"I7 the journal does not fold: {error}")
            return
        if before is None:
            return
        self.intended |= self.state.open
        problem = self.leaving.problem(record, before)
        if problem:
            self.fail(f"I4 {type(record.event).__name__}: {problem}")
        self._judge(record, before)
        self.leaving.follow(record, before)

    def _judge(self, record: ev.Recorded, before: RolloutState) -> None:
        match record.event:
            case ev.LeaseTaken(epoch=epoch) if epoch <= before.epoch:
                self.fail(f"I7 epoch {epoch} after {before.epoch}")
            case ev.Intended():
                self._intended(record.event, before)
            case ev.KillRequested():
                self.is_killed = True
            case ev.Resumed():
                self._answer(before)
                self._accept(record.event, before)
            case ev.OutsideKilled(target=target):
                self.outside_killed.add(flag_of(target))
            case ev.DriftCleared(target=target, accepted=seen) if seen is not None:
                self.accepted.add((target, seen.fingerprint))
            case ev.Finished():
                self._finished(record.event)
            case _:
                pass

    def _accept(self, resumed: ev.Resumed, before: RolloutState) -> None:
        for target in before.targets.values():
            if resumed.reapply and target.drift is not None:
                self.accepted.add((target.name, target.drift.fingerprint))

    def _answer(self, before: RolloutState) -> None:
        step = self.playbook.steps[min(before.steps_left, len(self.playbook.steps) - 1)]
        if (
            f"step {step.name}: " in before.paused_because
            and "resume runs" in before.paused_because
        ):
            self.answered.add(f"{self.rollout_id}:{step.index}:0")

    def _intended(self, intended: ev.Intended, before: RolloutState) -> None:
        if self.is_killed:
            self.fail(f"I2 {intended.key} intended after the kill")
        if intended.epoch != before.epoch:
            self.fail(f"I7 {intended.key} intended under epoch {intended.epoch}, {before.epoch} is")
        if isinstance(intended.effect, Expose):
            allowed = self._planned(intended.key, intended.effect.target, before)
            if intended.effect.exposure not in allowed:
                self.fail(f"I1 {intended.key} intends {intended.effect.exposure}")

    def _planned(self, key: str, target: str, before: RolloutState) -> set[Exposure | None]:
        """What may be intended now: this step's exposure, the last one again, or zero."""
        if before.rollback is not None:
            return {ZERO}
        if ":reapply:" in key:
            return {before.targets[target].wanted}
        step = self.playbook.steps[self.leaving.left]
        if before.step is None or step.kind in {"wait", "run"}:
            return set()
        if step.kind == "shadow":
            return {replace(before.step.base[target], shadow_bp=step.spec.shadow)}
        return {split(step.spec.canary, shadow_bp=step.spec.shadow)}

    def _finished(self, event: ev.Finished) -> None:
        assert self.state is not None
        self.is_over = True
        self._nothing_at_work()
        if event.finished_as is ev.FinishedAs.SUCCEEDED:
            return
        if self.is_killed:
            self.confirm_kill()
            return
        for target in self.state.targets.values():
            flag = flag_of(target.name)
            held, was = self.world.flags[flag], self.restore[flag]
            if self.writer.get(flag) != OURS:
                continue
            if target.is_outside_killed and held.exposure.is_zero:
                continue
            if (held.exposure, held.note) != (was.exposure, was.note):
                self.fail(f"I3 rolled back, but {flag} serves {held} and not {was}")

    def confirm_kill(self) -> None:
        """Somebody was told that the kill is confirmed."""
        self.kill_confirmed = True
        for flag, held in self.world.flags.items():
            if self.writer.get(flag) != OTHER and not held.exposure.is_zero:
                self.fail(f"I2 kill confirmed, but {flag} serves {held}")

    def _nothing_at_work(self) -> None:
        """The driver that confirms has ended its own; one of a dead driver nobody can end."""
        assert self.state is not None
        for run in self.invoker.at_work if self.invoker is not None else ():
            if run.epoch == self.state.epoch and not self.is_killed:
                self.fail(f"I9 {run.key} is at work after the end")

    # -- commands -------------------------------------------------------------------

    def beginning(self, key: str) -> None:
        """A command begins now."""
        assert self.state is not None
        assert self.invoker is not None
        now = self.world.clock.now()
        intent = self.state.open.get(key)
        if intent is None:
            # A process that slept after its last look, no longer than it may.
            intent = self.intended.get(key)
            if intent is None or now >= intent.at + timedelta(seconds=BEGIN_LIMIT_S):
                self.fail(f"I9 {key} begins without an open intent")
                return
        if now >= intent.intended.deadline:
            self.fail(f"I9 {key} begins after its deadline")
        if self.invoker.at_work:
            self.fail(f"I9 {key} begins while it is at work already")
        before = [run for run in self.invoker.begun if run.key == key]
        effect = intent.intended.effect
        assert isinstance(effect, Invoke)
        if before and not effect.rerun_on_crash and key not in self.answered:
            self.fail(f"I9 {key} begins again and nobody asked for it")
        self.answered.discard(key)

    # -- requests and what they do --------------------------------------------------

    def sending(self, target: str, effect: Expose | Restore, key: str) -> None:
        """A write leaves a process now."""
        assert self.state is not None
        intent = self.state.open.get(key)
        if intent is None and self.is_killed and self.conditional:
            # A confirmed kill does not wait for a write that compare-and-set refuses: it may
            # leave a process that slept, in its time, and must not land (I2, I3).
            intent = self.intended.get(key)
        intended = intent.intended if intent is not None else None
        self.sent[key] = effect, intended
        if intended is None or intended.effect != effect:
            self.fail(f"I5 {key} sent to {target} without an open intent")
        elif self.world.clock.now() >= intended.deadline:
            self.fail(f"I5 {key} sent to {target} after its deadline")

    def landed(self, flag: str, exposure: Exposure, key: str) -> None:
        """A write of ours is in force."""
        before = self.content.get(flag, self.restore[flag])
        held = self.content[flag] = self.world.flags[flag]
        if key == "kill":
            self.writer[flag] = KILL
            # Done in part it leaves a shadow share that another hand gave; it adds none.
            if exposure.canary_bp or exposure.shadow_bp not in {0, before.exposure.shadow_bp}:
                self.fail(f"I2 the kill serves {exposure} on {flag}")
            return
        was_foreign = self.writer.get(flag) == OTHER
        self.writer[flag] = OURS
        effect, intended = self.sent[key]
        self._allowed_exposure(flag, key, before, held)
        if self.kill_confirmed and not exposure.is_zero:
            self.fail(f"I2 {key} serves {exposure} on {flag} after a confirmed kill")
        if self.is_over:
            self.fail(f"I3 {key} lands on {flag} after the end")
        if flag in self.outside_killed and exposure.canary_bp:
            self.fail(f"I6 {key} exposes {flag} again after an outside kill")
        if was_foreign and isinstance(effect, Restore):
            self._raised_again(flag, held, before, intended)
        if was_foreign and isinstance(effect, Expose) and intended is not None:
            self._overwritten(intended, before, self.foreign_version[flag])

    def _allowed_exposure(self, flag: str, key: str, before: FakeFlag, held: FakeFlag) -> None:
        effect, _ = self.sent[key]
        was = self.restore[flag]
        wanted = effect.exposure if isinstance(effect, Expose) else was.exposure
        if held.exposure == wanted:
            return
        parts = (held.exposure.weights, held.exposure.shadow_bp)
        if key in self.half_done and parts == (wanted.weights, before.exposure.shadow_bp):
            return
        self.fail(f"I1 {key} serves {held.exposure} on {flag}, wanted {wanted}")

    def _raised_again(
        self, flag: str, held: FakeFlag, before: FakeFlag, intended: ev.Intended | None
    ) -> None:
        """The way back gave the canary answers again that another hand had taken away."""
        if not held.exposure.canary_bp or not before.exposure.is_zero or intended is None:
            return
        assert intended.before is not None
        could_see = int(intended.before.version) >= self.foreign_version[flag]
        if could_see or self.conditional:
            self.fail(f"I6 {intended.key} raises {flag} from another hand's zero")

    def _overwritten(self, intended: ev.Intended, lost: FakeFlag, foreign_version: int) -> None:
        """Our exposure replaced somebody else's edit: was it accepted, or could it be seen?"""
        assert self.state is not None
        assert isinstance(intended.effect, Expose)
        assert intended.before is not None
        target, wanted, previous = intended.effect.target, intended.effect.exposure, intended.before
        if self.state.rollback is not None and wanted.is_zero:
            return
        if int(previous.version) < foreign_version:
            if self.conditional:
                self.fail(f"I6 {intended.key} overwrote an edit in spite of compare-and-set")
            return  # edited while the write was on its way: cannot be seen, docs/safety.md
        fingerprint = f"{lost.exposure}|{lost.note}"
        if (target, fingerprint) in self.accepted or lost.exposure == wanted:
            return
        if fingerprint == self.state.targets[target].fingerprint:
            return  # exactly what we knew as ours: cannot be told apart, docs/safety.md
        self.fail(f"I6 {intended.key} overwrote {lost} of another hand")

    def edited(self, flag: str) -> None:
        """Another hand changed the flag."""
        held = self.content[flag] = self.world.flags[flag]
        self.writer[flag] = OTHER
        self.foreign_version[flag] = held.version
