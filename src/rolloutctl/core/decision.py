"""What `decide` answers: exactly one next thing, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rolloutctl.core.effects import Effect
from rolloutctl.core.events import Event
from rolloutctl.errors import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """Perform an effect under the journal-before-act rules."""

    effect: Effect
    key: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Judge these gates and look at these targets, all at one time."""

    gates: tuple[str, ...]
    targets: tuple[str, ...]
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Look at the target of an open intent and reconcile it."""

    key: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Write one event; nothing leaves the process."""

    event: Event
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitUntil:
    """Nothing to do before `at`, unless the journal moves. `needs_human`: nor then."""

    at: datetime
    because: str
    needs_human: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteKill:
    """A kill was asked for and is not confirmed yet; do it (again)."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Nothing will happen any more by itself."""

    exit_code: ExitCode
    because: str


Decision = Do | Measure | Look | Record | WaitUntil | CompleteKill | Finish
