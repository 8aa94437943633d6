"""Runs a `cleanup`: the provider takes away what a target's old arm ran on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rolloutctl.core.ports import Provider
from rolloutctl.core.target import Target
from rolloutctl.errors import RolloutctlError, Unavailable
from rolloutctl.runner.adapters import Ending, InvokeResult


def clean_up(
    provider: Provider, target: Target, wanted: Mapping[str, str], timeout_s: float
) -> Callable[[Ending], InvokeResult]:
    """The work, to be begun beside the ticks; its every end is a result."""

    def work(ending: Ending) -> InvokeResult:
        own = getattr(provider, "clean_up", None)
        if ending.is_set() or own is None:
            message = "not begun" if own else f"{provider.name} has nothing to clean up"
            return InvokeResult(ok=False, message=message, output="")
        try:
            said = own(target, wanted["arm"], wanted["action"], timeout_s=timeout_s)
        except Unavailable as error:
            doubt = "; it may have taken effect all the same" if error.may_have_landed else ""
            return InvokeResult(ok=False, message=f"{error.message}{doubt}", output="")
        except RolloutctlError as error:
            hint = f" ({error.hint})" if error.hint else ""
            return InvokeResult(ok=False, message=f"{error.message}{hint}", output="")
        return InvokeResult(ok=True, message=str(said), output="")

    return work
