"""Commands on fake time: each lasts so long, and takes its grace when it is told to end."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rolloutctl.core.effects import Invoke
from rolloutctl.runner.adapters import InvokeResult
from rolloutctl.testing import FakeClock


@dataclass(slots=True)
class SimRun:
    """One command; it goes on when its driver dies, as one does after SIGKILL."""

    clock: FakeClock
    key: str
    effect: Invoke
    ends_at: datetime
    how: InvokeResult
    grace_s: float
    told_at: datetime | None = None
    epoch: int = 0  # of the driver that began it

    @property
    def is_at_work(self) -> bool:
        return self.clock.now() < self._over_at()

    def result(self) -> InvokeResult | None:
        if self.is_at_work:
            return None
        if self.told_at is not None and self.told_at < self.ends_at:
            return InvokeResult(ok=False, message="killed by SIGTERM", output="")
        return self.how

    def end(self) -> None:
        if self.told_at is None:
            self.told_at = self.clock.now()

    def _over_at(self) -> datetime:
        if self.told_at is None:
            return self.ends_at
        return min(self.ends_at, self.told_at + timedelta(seconds=self.grace_s))


@dataclass(slots=True)
class SimInvoker:
    """Begins commands that last `lasts_s` and end as `how`; remembers them all."""

    clock: FakeClock
    lasts_s: float = 0.0
    grace_s: float = 1.0
    how: InvokeResult = field(
        default_factory=lambda: InvokeResult(ok=True, message="exit 0", output="done")
    )
    begun: list[SimRun] = field(default_factory=list)

    def __call__(self, effect: Invoke, key: str, timeout_s: float) -> SimRun:
        del timeout_s
        ends_at = self.clock.now() + timedelta(seconds=self.lasts_s)
        run = SimRun(self.clock, key, effect, ends_at, self.how, self.grace_s)
        self.begun.append(run)
        return run

    @property
    def at_work(self) -> list[SimRun]:
        return [run for run in self.begun if run.is_at_work]
