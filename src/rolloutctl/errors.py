"""Every error a user can meet, and the exit codes; imports nothing of ours.

RolloutctlError                    1   a bug, or the root nobody raises
├── UsageError                     2   the command line cannot be obeyed
├── InvalidPlaybook                3   the document is wrong; findings carry positions
├── PlanRefused                    3   the plan is unsafe or cannot work; nothing was touched
├── InvalidSettings                3   a setting or an installed plug-in is wrong
├── NotFound                       3   the flag, file, object or rollout does not exist
├── Rejected                       3   the service refused this for good
├── Unauthorized                   4   no, wrong or too weak credentials
├── Unavailable                    5   provider or source did not answer (retry may help)
│   └── JournalUnavailable         5   the store cannot be read or written
├── IllegalEvent                   5   the journal cannot be followed: damaged, or a bug
├── Conflict                       6   the world moved since it was read
│   ├── Stale                      6   the journal moved since the decision was taken
│   ├── LeaseHeld                  6   another process drives this rollout
│   ├── LeaseLost                  6   another process took this rollout over
│   └── WrongPhase                 6   the rollout is not in a phase that allows this
├── Pending                        8   needs a human or time
└── StuckError                    20   a rollback or kill is not confirmed

A gate that fails, a pause, a kill and missing data are outcomes, not errors.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class ExitCode(IntEnum):
    """What the process tells its caller; the table of `docs/exit-codes.md`."""

    DONE = 0
    BUG = 1
    USAGE = 2
    INVALID = 3
    UNAUTHORIZED = 4
    UNAVAILABLE = 5
    CONFLICT = 6
    PENDING = 8
    JUDGED_BAD = 10
    INCONCLUSIVE = 11
    TIMED_OUT = 12
    KILLED = 13
    ROLLED_BACK = 14
    STUCK = 20
    INTERRUPTED = 130


class RolloutctlError(Exception):
    """Something went wrong that the user can be told about.

    Args:
        message: what happened, to what, and why; numbers and limits included.
        hint: what to do next; empty only where nothing can be done.
    """

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(RolloutctlError):
    """The command line cannot be obeyed as it stands."""

    exit_code = ExitCode.USAGE


class Problem(NamedTuple):
    """One thing wrong in a document: where, what, and what to write instead.

    `line` and `column` count from 1, and are 0 where it stands in no file.
    `offending` is the text found there.
    """

    file: str
    line: int
    column: int
    message: str
    offending: str = ""
    fix: str = ""
    severity: str = "error"

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.message}"
        return f"{text}\n  fix: {self.fix}" if self.fix else text


class InvalidPlaybook(RolloutctlError):
    """The document cannot be used; every problem found in it is in `problems`."""

    exit_code = ExitCode.INVALID

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        count = len(problems)
        super().__init__(
            f"{count} problem{'s' if count != 1 else ''} in the playbook; nothing was touched",
            hint="correct the lines above and run: rolloutctl lint FILE",
        )
        self.problems = problems


class PlanRefused(RolloutctlError):
    """The plan is unsafe or cannot work here; nothing was touched."""

    exit_code = ExitCode.INVALID


class InvalidSettings(RolloutctlError):
    """A setting, an environment variable or an installed plug-in is wrong."""

    exit_code = ExitCode.INVALID


class NotFound(RolloutctlError):
    """What was named does not exist."""

    exit_code = ExitCode.INVALID


class Rejected(RolloutctlError):
    """The service understood and refused for good; trying again cannot help."""

    exit_code = ExitCode.INVALID


class TakenBack(Rejected):
    """The service undid the write by itself: an alarm of its own tells of harm.

    A step that is taken back fails as `on_fail` says, instead of waiting for a person.
    """


class Unauthorized(RolloutctlError):
    """Credentials are missing, wrong, expired or too weak."""

    exit_code = ExitCode.UNAUTHORIZED


class Unavailable(RolloutctlError):
    """The other side did not answer usefully; trying again later may help.

    Args:
        retry_after_s: seconds to wait at least, if the other side said so.
        may_have_landed: True when a write may have taken effect although its
            answer was lost (timeout, broken connection, 5xx). SAFETY: the intent
            then stays open until its deadline and the target is looked at.
    """

    exit_code = ExitCode.UNAVAILABLE

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        retry_after_s: float | None = None,
        may_have_landed: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s
        self.may_have_landed = may_have_landed


class JournalUnavailable(Unavailable):
    """The journal cannot be read or written; nothing is done without it."""


class IllegalEvent(RolloutctlError):
    """An event cannot follow the ones before it: the journal was edited, or there is a bug.

    Not a `JournalUnavailable`: waiting and trying again cannot help.
    """

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, message: str) -> None:
        super().__init__(
            f"the journal cannot be followed: {message}",
            hint="rolloutctl explain ID names the damaged event: restore a backup; if it finds "
            "none, report a bug. Without the journal: rolloutctl kill --playbook FILE",
        )


class Conflict(RolloutctlError):
    """The world moved since it was read; nothing was written."""

    exit_code = ExitCode.CONFLICT


class Stale(Conflict):
    """The journal got new events since the decision was taken; decide again."""


class LeaseHeld(Conflict):
    """Another live process drives this rollout."""


class LeaseLost(Conflict):
    """Another process took this rollout over; this one must stop driving."""


class WrongPhase(Conflict):
    """The rollout is not in a phase that allows this verb."""


class Pending(RolloutctlError):
    """Nothing is wrong; a human or time must come first."""

    exit_code = ExitCode.PENDING


class StuckError(RolloutctlError):
    """A rollback or kill could not be confirmed; a human must look."""

    exit_code = ExitCode.STUCK
