"""A promotion that nobody drives: said before it widens, and asked for once it can be answered.

Whoever drives judges all the time, so it can answer at once. A process that begins to judge
has first readings only: it waits for the next ones, within its own timeout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rolloutctl.core.decision import Decision, WaitUntil
from rolloutctl.core.events import GateRecord
from rolloutctl.core.state import Phase
from rolloutctl.core.verdict import Outcome
from rolloutctl.core.view import View
from rolloutctl.ui.event_view import local_time

if TYPE_CHECKING:
    from rolloutctl.runner.rollout import Rollout
    from rolloutctl.ui.rollout_view import Standing

#: What is left of a timeout for the judgement that answers, in seconds.
ANSWER_TAKES_S = 2.0

_MOVES = frozenset({Phase.RUNNING, Phase.ASKING})


def goes_on_alone(view: View, *, full: bool = False) -> str:
    """What will be served with nobody watching, if nobody drives; "" if nothing more is."""
    name, steps, index = view.state.rollout_id, view.playbook.steps, view.state.steps_left + 1
    if index >= len(steps):
        return ""
    index = len(steps) - 1 if full else index
    return (
        f"nobody drives {name}: if it is promoted, this command begins step {index + 1} of "
        f"{len(steps)} ({steps[index].name}), then ends, and nobody judges what is served\n"
        "  hint: to have it watched, first, in another terminal: rolloutctl agent"
    )


def is_left_alone(standing: Standing) -> str:
    """The same for a verb after which the rollout goes on as far as it can at once."""
    name = standing.view.state.rollout_id
    return (
        f"nobody drives {name}: this command does what is due now, which may begin the next "
        "step, then ends, and nobody judges what is served\n"
        "  hint: to have it watched, first, in another terminal: rolloutctl agent"
    )


@dataclass(slots=True, kw_only=True)
class Preparation:
    """A request that is recorded once more waiting promises nothing.

    Attributes:
        rollout: driven by this process meanwhile.
        record: records the request.
        tell: takes the sentence that says what is waited for.
        until: no gate is waited for longer.
        is_override: only guardrails are waited for; nothing goes past them.
        steps_left: where the rollout stood when it was asked for.
        is_over: nothing is prepared any more.
        came_first: what made the request pointless; "" if it was recorded.
    """

    rollout: Rollout
    record: Callable[[], None]
    tell: Callable[[str], None]
    until: datetime
    steps_left: int
    is_override: bool = False
    is_over: bool = False
    came_first: str = ""
    _is_told: bool = False

    def look(self, decision: Decision) -> None:
        """Records the request as soon as it can be answered. Raises as `record`."""
        state = self.rollout.state
        if self.is_over:
            return
        if state.steps_left != self.steps_left:
            self._end("its step was left meanwhile")
        elif state.phase not in _MOVES:
            self._end(f"it is {state.phase} now")
        elif self._is_late() or isinstance(decision, WaitUntil):
            moment = None if self._is_late() else self.settles_at()
            if moment is None:
                self.is_over = True
                self.record()
            elif not self._is_told:
                self._is_told = True
                self.tell(f"its gates are undecided; they are judged again at {local_time(moment)}")

    def _is_late(self) -> bool:
        """A source that hangs is always due again: no wait ever comes."""
        return self.rollout.clock.now() >= self.until

    def settles_at(self) -> datetime | None:
        """When the last undecided gate will have been judged; None if none is waited for."""
        rollout = self.rollout
        now = rollout.clock.now()
        view = View(
            playbook=rollout.playbook, state=rollout.state, kinds=rollout.adapters.kinds, now=now
        )
        moments = [
            moment
            for gate in view.blocking(view.guardrails if self.is_override else view.judged_gates)
            if (moment := _settles_at(view.record(gate))) is not None and now <= moment
        ]
        latest = max(moments, default=None)
        return latest if latest is not None and latest <= self.until else None

    def _end(self, came_first: str) -> None:
        self.is_over, self.came_first = True, came_first


def _settles_at(record: GateRecord | None) -> datetime | None:
    if record is None or record.verdict.outcome is not Outcome.INCONCLUSIVE:
        return None
    return record.verdict.settles_at
