"""The same drive without asking `decide` where its answer is known: for thousands of runs.

While a step only holds, `decide` says "measure" whenever something is due and "wait" after
it, until a verdict turns, the hold is over, or the deadline has come. `calm_until` names
the conditions under which that is so, from the rules in `core.decide` and `core.step_rules`;
in such a stretch the gates only judge, look after look, as `runner.measure` has them do.
Targets are not looked at meanwhile: nobody else edits a virtual one, and a look that finds
what was left there is recorded nowhere. Every other moment goes through production's `tick`.

SAFETY: that both drives write the same journal is no matter of belief: a test compares them
event by event, and every certificate drives a part of its runs both ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from rolloutctl.core.decision import Finish, WaitUntil
from rolloutctl.core.evolve import evolve
from rolloutctl.core.measurement import Query, Reading
from rolloutctl.core.playbook import Gate
from rolloutctl.core.ports import GiveUp, MetricSource, StepProgress
from rolloutctl.core.state import Phase, RolloutState
from rolloutctl.core.verdict import Outcome
from rolloutctl.core.view import View
from rolloutctl.errors import ExitCode
from rolloutctl.runner.measure import Asked, context_of, judge, read_once
from rolloutctl.runner.rollout import Rollout
from rolloutctl.runner.tick import tick
from rolloutctl.simulation.leap import LOOKS_MAX, Leaper, Standing
from rolloutctl.simulation.rehearsal import Rehearsed, approve, ended

#: Verdicts after which a holding step goes on holding.
_GOES_ON = frozenset({Outcome.PASS, Outcome.INCONCLUSIVE})


def rehearse_quietly(
    rollout: Rollout, *, until: datetime | None = None, leaper: Leaper | None = None
) -> Rehearsed:
    """Drives to the end as `rehearsal.rehearse` does, in less time; at most `until`.

    With a `leaper` most looks that pass are left out of the journal (`leap.py`).
    """
    while True:
        if until is not None and rollout.clock.now() >= until:
            return ended(rollout, ExitCode.PENDING, f"there is nothing after {until}")
        decision = tick(rollout)
        if isinstance(decision, Finish):
            return ended(rollout, decision.exit_code, decision.because)
        if rollout.state.phase is Phase.ASKING:
            approve(rollout)
        elif isinstance(decision, WaitUntil):
            if decision.needs_human:
                return ended(rollout, ExitCode.PENDING, decision.because)
            _sleep_until(rollout, decision.at)
            view = _view(rollout)
            calm = calm_until(view)
            if calm is not None and until is not None:
                calm = min(calm, until)
            if calm is not None and view.now < calm:
                _Stretch(rollout, view, calm).look_on(leaper)


def calm_until(view: View) -> datetime | None:
    """Until when a step only holds, whatever is measured, unless a verdict turns; or None."""
    state, hold_ends_at = view.state, view.hold_ends_at
    if state.step is None or hold_ends_at is None or not is_calm(state):
        return None
    deadline = state.deadline_from + timedelta(seconds=view.playbook.limits.deadline_s)
    return min(hold_ends_at, deadline)


def is_calm(state: RolloutState) -> bool:
    """Nobody asked for anything, nothing is under way, nothing has drifted."""
    if state.phase is not Phase.RUNNING or state.open or state.promote is not None:
        return False
    if state.is_fast or state.step is None or state.step.failure:
        return False
    return not any(
        one.drift is not None
        or one.is_to_reapply
        or one.is_outside_killed
        or one.retry_at is not None
        for one in state.targets.values()
    )


class _Stretch:
    """A hold in which only looking happens: what stays the same in it, kept at hand."""

    def __init__(self, rollout: Rollout, view: View, calm: datetime) -> None:
        self._rollout, self._calm = rollout, calm
        self._clock, self._progress = rollout.clock, view.state.step
        self._gates = [
            _Watched(gate, view, rollout.adapters.sources[gate.source])
            for gate in view.judged_gates
        ]
        self._step, ends_at, applied_at = view.step, view.hold_ends_at, view.applied_at
        self._known = None
        if self._progress is not None and ends_at is not None and applied_at is not None:
            self._known = StepProgress(
                applied_at=applied_at, hold_ends_at=ends_at, outputs=self._progress.outputs
            )

    def look_on(self, leaper: Leaper | None = None) -> None:
        """Measures whatever is due until something may have to be decided."""
        while (now := self._clock.now()) < self._calm:
            state = self._rollout.state
            due = [one for one in self._gates if one.due_at(state, now) <= now]
            if due:
                self._judge(due, now)
            if not self._goes_on(now):
                return
            if leaper is not None:
                self._leap(leaper)
            state, now = self._rollout.state, self._clock.now()
            moments = [one.due_at(state, now) for one in self._gates]
            _sleep_until(self._rollout, min([self._calm, *moments]))

    def _leap(self, leaper: Leaper) -> None:
        """Over looks that surely pass; one is left before the calm ends, and records them."""
        state = self._rollout.state
        gates = [one.standing(state) for one in self._gates]
        rhythms = {(one.record.judged_at, one.interval) for one in gates}
        if len(rhythms) != 1:
            return
        ((last, interval),) = rhythms
        looks = -((last - self._calm) // interval) - 2  # all before the calm ends but one
        moments = []
        for number in range(1, min(looks, LOOKS_MAX) + 1):
            at = last + number * interval
            if not self._advises_to_stay(at):
                break
            moments.append(at)
        done = leaper.leap(gates, moments)
        if done is not None:
            at, records = done
            self._rollout.state = evolve(state, gates={**state.gates, **records})
            _sleep_until(self._rollout, at)

    def _judge(self, due: Sequence[_Watched], now: datetime) -> None:
        """What production's `measure` does with gates, at one time for all of them."""
        view, readings = _view(self._rollout), dict[tuple[str, Query], Reading]()
        for one in due:
            for query in one.queries:
                known_as = (one.gate.source, query)
                if known_as not in readings:
                    readings[known_as] = read_once(one.source, query, now)
        self._rollout.judged([judge(view, one.asked(now), readings) for one in due])

    def _goes_on(self, now: datetime) -> bool:
        """Nothing has turned: neither a verdict, nor the rollout, nor its step's kind."""
        state = self._rollout.state
        if state.step is not self._progress or not is_calm(state):
            return False
        for one in self._gates:
            record = state.gates.get(one.gate.name)
            if record is None or record.verdict.outcome not in _GOES_ON:
                return False
        return self._advises_to_stay(now)

    def _advises_to_stay(self, now: datetime) -> bool:
        step, known = self._step, self._known
        if step is None or known is None:
            return False
        kind = self._rollout.adapters.kinds.steps[step.kind]
        return not isinstance(kind.advance(step.spec, known, now), GiveUp)


class _Watched:
    """A gate within a stretch: its context but for the time, and its questions."""

    def __init__(self, gate: Gate, view: View, source: MetricSource) -> None:
        self.gate, self.source = gate, source
        self._context = context_of(view, gate)
        self._kind = view.kinds.gates[gate.kind]
        self.queries = self._kind.queries(gate.spec, self._context)
        self._interval = timedelta(seconds=gate.limits.interval_s)

    def due_at(self, state: RolloutState, now: datetime) -> datetime:
        """When it is judged next; the end of the hold is nearer than any moment of its own."""
        record = state.gates.get(self.gate.name)
        return now if record is None else record.judged_at + self._interval

    def standing(self, state: RolloutState) -> Standing:
        """How it stands before a leap."""
        return Standing(
            name=self.gate.name,
            kind=self._kind,
            spec=self.gate.spec,
            queries=self.queries,
            context=self._context,
            record=state.gates[self.gate.name],
            interval=self._interval,
        )

    def asked(self, now: datetime) -> Asked:
        """The gate as production's `measure` asks it at `now`."""
        context = evolve(self._context, now=now)
        return Asked(gate=self.gate, context=context, queries=self.queries)


def _view(rollout: Rollout) -> View:
    return View(
        playbook=rollout.playbook,
        state=rollout.state,
        kinds=rollout.adapters.kinds,
        now=rollout.clock.now(),
    )


def _sleep_until(rollout: Rollout, at: datetime) -> None:
    rollout.clock.sleep((at - rollout.clock.now()).total_seconds())
