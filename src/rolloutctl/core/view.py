"""One rollout as `decide` sees it: playbook, state, kinds and the one `now`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rolloutctl.core.arm_names import only_mirrors
from rolloutctl.core.effects import target_of
from rolloutctl.core.events import GateRecord
from rolloutctl.core.lazily import lazily
from rolloutctl.core.playbook import Gate, Playbook, Step
from rolloutctl.core.ports import Kinds
from rolloutctl.core.state import Phase, RolloutState
from rolloutctl.core.step_effects import Keyed, step_effects
from rolloutctl.core.verdict import Outcome

#: How long a rollout with nothing to measure waits before it is looked at again.
IDLE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class View:
    """Questions about the state that several rules ask. Computes, never changes.

    A view lives for one decision, so what it computed once stays true.
    """

    playbook: Playbook
    state: RolloutState
    kinds: Kinds
    now: datetime
    #: the last thing that was done was a measurement
    has_measured: bool = False

    @lazily
    def step(self) -> Step | None:
        """The playbook's entry for the step being worked on."""
        if self.state.step is None:
            return None
        return self.playbook.steps[self.state.step.index]

    @lazily
    def plan(self) -> Keyed:
        """Every effect of the step with its key, in order; empty between steps."""
        step, progress = self.step, self.state.step
        if step is None or progress is None:
            return ()
        return step_effects(
            self.playbook,
            progress.index,
            kind=self.kinds.steps[step.kind],
            base=progress.base,
            rollout_id=self.state.rollout_id,
        )

    @lazily
    def applied_at(self) -> datetime | None:
        """When the last effect of the step was seen in force; None while one is missing."""
        progress = self.state.step
        if progress is None or any(key not in progress.done for key, _ in self.plan):
            return None
        return max(progress.done.values(), default=progress.entered_at)

    @lazily
    def hold_ends_at(self) -> datetime | None:
        """When the hold is over; None while the step's effects are not in force."""
        step, progress = self.step, self.state.step
        if step is None or progress is None or self.applied_at is None:
            return None
        return progress.extended_until or self.applied_at + timedelta(seconds=step.hold_s)

    @lazily
    def is_exposed(self) -> bool:
        """Some target gives its canary real answers to give now."""
        return any(
            target.exposure is None
            or target.exposure.canary_bp > 0
            or target.exposure.include is not None
            for target in self.state.targets.values()
            if target.is_written
        )

    @lazily
    def mirrors(self) -> tuple[str, ...]:
        """Targets whose canary gets mirrored requests only."""
        return tuple(
            [
                target.name
                for target in self.state.targets.values()
                if target.exposure is not None and only_mirrors(target.exposure)
            ]
        )

    @lazily
    def guardrails(self) -> list[Gate]:
        """The playbook's guardrails, in its order."""
        return [self.playbook.gates[name] for name in self.playbook.guardrails]

    @lazily
    def step_gates(self) -> list[Gate]:
        """Gates to judge for the current step now: `before` ones until its first write."""
        step, progress = self.step, self.state.step
        if step is None or progress is None or self.is_skipping(step):
            return []
        if not self.plan:
            names = dict.fromkeys((*step.before, *step.gates))
            return [self.playbook.gates[name] for name in names]
        if not progress.is_begun and step.before:
            return [self.playbook.gates[name] for name in step.before]
        if self.applied_at is None:
            return []
        return [self.playbook.gates[name] for name in step.gates]

    def is_skipping(self, step: Step) -> bool:
        """`promote --full`: steps before the last one skip holds and gates."""
        return self.state.is_fast and step.index < len(self.playbook.steps) - 1

    def record(self, gate: Gate) -> GateRecord | None:
        """The gate's standing in this step; None if it was not judged yet."""
        return self.state.gates.get(gate.name)

    def since(self, gate: Gate) -> datetime | None:
        """When the exposure that the gate judges came into force.

        A guardrail's counts from the first exposure of the rollout: a new weight must
        not blind it for another warm-up. One that must pass before that first exposure
        counts from the step's beginning, as every gate there.
        """
        step, progress = self.step, self.state.step
        if gate.name in self.playbook.guardrails:
            is_before = step is not None and gate.name in step.before
            if self.state.exposed_since is not None or progress is None or not is_before:
                return self.state.exposed_since
        if step is None or progress is None:
            return None
        if not progress.is_begun and step.before:
            return progress.entered_at
        return self.applied_at

    def due_at(self, gate: Gate) -> datetime:
        """When the gate is to be judged next; now if it never was."""
        record = self.record(gate)
        if record is None:
            return self.now
        due = record.judged_at + timedelta(seconds=gate.limits.interval_s)
        for moment in self._moments:
            # A hold's end and a promotion want a judgement of their own, on fresh data.
            if record.judged_at < moment < due:
                due = moment
        return due

    @lazily
    def _moments(self) -> list[datetime]:
        moments = [] if self.state.promote_at is None else [self.state.promote_at]
        if self.hold_ends_at is not None and self.state.phase is Phase.RUNNING:
            moments.append(self.hold_ends_at)
        return moments

    @lazily
    def watched(self) -> list[tuple[str, datetime]]:
        """Targets we wrote and when each is to be looked at next."""
        watched = []
        for target in self.state.targets.values():
            if not target.is_written or target.is_outside_killed or self._is_busy(target.name):
                continue
            if target.observed_at is None:
                due = self.now
            else:
                due = target.observed_at + timedelta(seconds=self.playbook.limits.observe_s)
            if target.retry_at is not None:
                due = max(due, target.retry_at)
            watched.append((target.name, due))
        return watched

    def blocking(self, gates: Iterable[Gate]) -> list[Gate]:
        """The gates that do not pass; observe-only ones never block."""
        return [
            gate
            for gate in gates
            if not gate.limits.observe_only
            and (
                (record := self.record(gate)) is None or record.verdict.outcome is not Outcome.PASS
            )
        ]

    def _is_busy(self, target: str) -> bool:
        """A write of ours may be landing; what is seen now would prove nothing."""
        return any(target_of(i.intended.effect) == target for i in self.state.open.values())

    @lazily
    def judged_gates(self) -> list[Gate]:
        """Guardrails always; the step's gates while the rollout moves or asks; each once."""
        gates = {gate.name: gate for gate in self.guardrails}
        if self.state.phase is not Phase.PAUSED:
            gates.update({gate.name: gate for gate in self.step_gates})
        return list(gates.values())

    @lazily
    def _dues(self) -> list[tuple[Gate, datetime]]:
        return [(gate, self.due_at(gate)) for gate in self.judged_gates]

    def due_gates(self) -> list[Gate]:
        """The gates to judge now; right after a measurement only what it did not settle."""
        due = [gate for gate, due_at in self._dues if due_at <= self.now]
        return [gate for gate in due if self._lacks(gate)] if self.has_measured else due

    def _lacks(self, gate: Gate) -> bool:
        """It was not judged yet, or not since a moment that wants a judgement of its own."""
        record = self.record(gate)
        passed = [moment for moment in self._moments if moment <= self.now]
        return record is None or any(record.judged_at < moment for moment in passed)

    def next_due(self) -> datetime:
        """The next moment something is to be measured; with nothing to measure, a minute."""
        dues = [due for _, due in self._dues]
        dues += [due for _, due in self.watched]
        return max(self.now, min(dues, default=self.now + timedelta(seconds=IDLE_S)))
