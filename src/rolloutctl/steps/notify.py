"""Step kind `notify`: tell people something at this point of the rollout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from rolloutctl.core import effects
from rolloutctl.core.playbook import Step
from rolloutctl.core.ports import Leave, StepAdvice, StepContext, StepProgress
from rolloutctl.core.units import doc


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A message and who gets it."""

    message: str = doc("what to say")
    to: tuple[str, ...] = doc("names of the playbook's notifiers (all)", default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySpec:
    """`notify: TEXT`, or `notify: {to: [...], message: TEXT}`."""

    notify: str | Announcement = doc("what to say, to all notifiers or to those named")


class Notify:
    """One message, at least once, to the notifiers named or to all of the playbook's."""

    name: ClassVar[str] = "notify"
    Spec: ClassVar[type] = NotifySpec

    def problems(self, spec: NotifySpec, step: Step) -> Sequence[tuple[str, str, str]]:  # noqa: ARG002 - the port's signature
        """Nothing to say."""
        if _announcement(spec).message.strip():
            return ()
        return (("notify", "nothing to say", 'write notify: "canary at 5%"'),)

    def plan(self, spec: NotifySpec, context: StepContext) -> Sequence[effects.Effect]:
        """The one message."""
        said = _announcement(spec)
        notifiers = said.to or tuple(context.playbook.notifiers)
        return (effects.Notify(notifiers=notifiers, message=said.message),)

    def advance(self, spec: NotifySpec, progress: StepProgress, now: datetime) -> StepAdvice:  # noqa: ARG002 - the port's signature
        """Nothing against leaving."""
        return Leave(because="people were told")


def _announcement(spec: NotifySpec) -> Announcement:
    """The long form of what was written."""
    said = spec.notify
    return Announcement(message=said) if isinstance(said, str) else said
