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


#: Runs a command or an HTTP call: (effect, key, seconds left) -> result; never raises.
Invoker = Callable[[Invoke, str, float], InvokeResult]


def refuse_to_invoke(effect: Invoke, key: str, timeout_s: float) -> InvokeResult:
    """Stands where no invoker is wired (a playbook without `run` steps)."""
    del effect, timeout_s
    return InvokeResult(ok=False, message=f"{key}: nothing here can run commands", output="")


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
    fan_out: FanOut = at_once
