"""Step kind `wait`: let time pass, changing nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from rolloutctl.core.effects import Effect
from rolloutctl.core.playbook import Step
from rolloutctl.core.ports import Leave, Stay, StepAdvice, StepContext, StepProgress
from rolloutctl.core.units import DurationS, doc, format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitSpec:
    """`wait: 1h`; the field is named like its kind, as `StepKind` asks."""

    wait: DurationS = doc("how long to wait")


class Wait:
    """Has no effects; is over `wait` after it was entered."""

    name: ClassVar[str] = "wait"
    Spec: ClassVar[type] = WaitSpec

    def problems(self, spec: WaitSpec, step: Step) -> Sequence[tuple[str, str, str]]:
        """No time to wait, or two times."""
        if not spec.wait:
            return (("wait", "a wait of 0s does not wait", "write wait: 10m, or remove the step"),)
        if step.hold_s:
            return (("hold", "wait is the hold of this step", "remove hold"),)
        return ()

    def plan(self, spec: WaitSpec, context: StepContext) -> Sequence[Effect]:  # noqa: ARG002 - the port's signature
        """Nothing is written."""
        return ()

    def advance(self, spec: WaitSpec, progress: StepProgress, now: datetime) -> StepAdvice:
        """Stays until the time is over."""
        until = progress.applied_at + timedelta(seconds=spec.wait)
        if now < until:
            return Stay(until=until, because=f"waiting {format_duration(spec.wait)}")
        return Leave(because=f"waited {format_duration(spec.wait)}")
