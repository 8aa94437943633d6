"""What a test of an adapter provides so that the conformance suite can run over it.

Knows the ports only: the same suite runs over files, fake servers and the fake provider.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from rolloutctl.core.playbook import Target
from rolloutctl.core.ports import Provider
from rolloutctl.errors import Conflict, NotFound, RolloutctlError, Unauthorized, Unavailable


class Operation(StrEnum):
    """The calls of a provider that talk to its service."""

    OBSERVE = "observe"
    APPLY = "apply"
    RESTORE = "restore"
    KILL = "kill"


class ServiceFault(StrEnum):
    """What a service does to one call."""

    UNAUTHORIZED = "unauthorized"  # 401
    FORBIDDEN = "forbidden"  # 403
    MISSING = "missing"  # 404
    CONFLICT = "conflict"  # 409 or a failed precondition
    RATE_LIMITED = "rate-limited"  # 429 with Retry-After
    SERVER_ERROR = "server-error"  # 5xx; whether it landed is not known
    UNREACHABLE = "unreachable"  # connection refused: certainly nothing landed
    TIMEOUT = "timeout"  # no answer in time, nothing landed, the caller cannot know
    LOST_ANSWER = "lost-answer"  # it landed, the answer did not arrive
    HALF_DONE = "half-done"  # of several calls some landed, then silence


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What the adapter must raise for a fault.

    `may_have_landed` is demanded of writes only; None demands nothing.
    """

    error: type[RolloutctlError]
    may_have_landed: bool | None = None
    has_retry_after: bool = False


DEMANDS = {
    ServiceFault.UNAUTHORIZED: Demand(error=Unauthorized),
    ServiceFault.FORBIDDEN: Demand(error=Unauthorized),
    ServiceFault.MISSING: Demand(error=NotFound),
    ServiceFault.CONFLICT: Demand(error=Conflict),
    ServiceFault.RATE_LIMITED: Demand(
        error=Unavailable, may_have_landed=False, has_retry_after=True
    ),
    ServiceFault.SERVER_ERROR: Demand(error=Unavailable),
    ServiceFault.UNREACHABLE: Demand(error=Unavailable, may_have_landed=False),
    ServiceFault.TIMEOUT: Demand(error=Unavailable, may_have_landed=True),
    ServiceFault.LOST_ANSWER: Demand(error=Unavailable, may_have_landed=True),
    ServiceFault.HALF_DONE: Demand(error=Unavailable, may_have_landed=True),
}
#: After these nothing may have been written.
HARMLESS = frozenset(
    {
        ServiceFault.UNAUTHORIZED,
        ServiceFault.FORBIDDEN,
        ServiceFault.MISSING,
        ServiceFault.CONFLICT,
        ServiceFault.RATE_LIMITED,
        ServiceFault.UNREACHABLE,
        ServiceFault.TIMEOUT,
    }
)


class World(Protocol):
    """One target in a service that the test controls; fresh for every test.

    The target begins with control for everybody and, if the provider can, a shadow flag
    at 0 %. Its credentials are the `secrets`.
    """

    provider: Provider
    target: Target
    #: Fake credentials that the adapter was given; no message may hold one.
    secrets: Sequence[str]
    #: States that `enter` knows, beyond those that `apply` reaches: a third arm, an
    #: unreadable rule, disabled … kill must bring each to zero.
    states: Sequence[str]

    def enter(self, state: str) -> None:
        """Puts the target into one of `states`, from whatever it is in."""
        ...

    def edit_outside(self) -> None:
        """Somebody else edits what rolloutctl owns of the target."""
        ...

    def edit_elsewhere(self) -> None:
        """Somebody else edits a neighbour in the same place; may do nothing."""
        ...

    def neighbour(self) -> object:
        """What `edit_elsewhere` edited, comparable; None if there is none."""
        ...

    def content(self) -> bytes | None:
        """The whole stored configuration, if this service can show it."""
        ...

    def break_next(self, operation: Operation, fault: ServiceFault) -> bool:
        """Makes the next `operation` meet the fault; False if this world cannot."""
        ...

    def mend(self) -> None:
        """Everything works again; nothing else changes."""
        ...

    def advance(self, seconds: float) -> None:
        """Lets time pass, if this world has a clock of its own."""
        ...
