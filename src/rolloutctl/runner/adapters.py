"""The adapters of one playbook, built by the composition root; ports only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from rolloutctl.core.effects import Invoke
from rolloutctl.core.ports import Kinds, MetricSource, Notifier, Provider
from rolloutctl.runner.kill import FanOut, at_once

T = TypeVar("T")


class Gather(Protocol):
    """Runs the calls, perhaps at once, and returns their results in order."""

    def __call__(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """Results in the order of the calls."""
        ...


def one_by_one(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Runs the calls in order, in this thread."""
    return [call() for call in calls]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvokeResult:
    """How an invocation ended: `ok`, a short line, and its redacted, bounded output."""

    ok: bool
    message: str
    output: str


class Running(Protocol):
    """An invocation under way beside the ticks; both methods return at once."""

    def result(self) -> InvokeResult | None:
        """How it ended; None while it runs. Raises what broke in whoever runs it."""
        ...

    def end(self) -> None:
        """Asks it to end now; a result must follow within `invocations.END_S`. Safe twice."""
        ...


class Ending(Protocol):
    """Whether an invocation was asked to end; `threading.Event` is one."""

    def is_set(self) -> bool:
        """True from the moment it was asked."""
        ...


#: Begins a command or an HTTP call: (effect, key, seconds it may take); never raises.
Invoker = Callable[[Invoke, str, float], Running]
#: Begins work that may take long beside the ticks; the work looks at its `Ending`.
Beside = Callable[[Callable[[Ending], InvokeResult]], Running]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An invocation that was over before anybody could look: a refusal, a fake."""

    how: InvokeResult

    def result(self) -> InvokeResult:
        """How it ended."""
        return self.how

    def end(self) -> None:
        """There is nothing left to end."""


class _Never:
    """An `Ending` that does not come."""

    def is_set(self) -> bool:
        return False


NEVER: Ending = _Never()


def not_beside(work: Callable[[Ending], InvokeResult]) -> Running:
    """Does the work here and now: what stands for threads on a fake clock."""
    return Ended(how=work(NEVER))


def refuse_to_invoke(effect: Invoke, key: str, timeout_s: float) -> Running:
    """Stands where no invoker is wired (a playbook without `run` steps)."""
    del effect, timeout_s
    message = f"{key}: nothing here can run commands"
    return Ended(how=InvokeResult(ok=False, message=message, output=""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """Everything of one playbook that touches the world.

    `providers` by target name, `sources` and `notifiers` by their names in the playbook.
    """

    kinds: Kinds
    providers: Mapping[str, Provider]
    sources: Mapping[str, MetricSource] = field(default_factory=dict)
    notifiers: Mapping[str, Notifier] = field(default_factory=dict)
    gather: Gather = one_by_one
    invoke: Invoker = refuse_to_invoke
    beside: Beside = not_beside
    fan_out: FanOut = at_once
