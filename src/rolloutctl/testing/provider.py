"""A flag service in memory with everything that goes wrong with real ones.

`FakeWorld` is the service: flags, versions, writes that land late, scripted faults, and
a log of every state that was ever served. `FakeProvider` is the adapter that talks to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from rolloutctl.core.exposure import FULL_BP, ZERO, Condition, Exposure
from rolloutctl.core.json_types import Json
from rolloutctl.core.observation import (
    ArmCounts,
    Capabilities,
    Finding,
    Observation,
    Receipt,
    Severity,
)
from rolloutctl.core.playbook import Target
from rolloutctl.core.ports import Clock
from rolloutctl.errors import (
    Conflict,
    NotFound,
    Rejected,
    TakenBack,
    Unauthorized,
    Unavailable,
    UsageError,
)


class Fault(StrEnum):
    """What may go wrong with one call."""

    REFUSED_CONNECTION = "refused-connection"  # certainly without effect
    LOST_ANSWER = "lost-answer"  # landed, the caller sees a timeout
    LATE = "late"  # the caller sees a timeout, it lands within the write timeout
    NEVER = "never"  # the caller sees a timeout, it never lands
    RATE_LIMITED = "rate-limited"
    SERVER_ERROR = "server-error"  # 5xx, without effect
    FORBIDDEN = "forbidden"
    CONFLICT = "conflict"
    REJECTED = "rejected"
    TAKEN_BACK = "taken-back"  # landed, and undone by an alarm of the service's own
    HALF_DONE = "half-done"  # weights landed, shadow did not; the caller sees a timeout


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagSpec:
    """Where a fake target is."""

    flag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeFlag:
    """What the fake service holds for one flag. `note` stands for all other settings."""

    exposure: Exposure = ZERO
    note: str = ""
    version: int = 1
    editor: str = ""


@dataclass(slots=True)
class _Late:
    lands_at: datetime
    land: Callable[[], None]


@dataclass(slots=True)
class FakeWorld:
    """The service. `fault(operation, flag)` is asked before every call."""

    clock: Clock
    flags: dict[str, FakeFlag] = field(default_factory=dict)
    fault: Callable[[str, str], Fault | None] = lambda _operation, _flag: None
    #: (time, flag, exposure, key) of everything that ever came into force through us
    served: list[tuple[datetime, str, Exposure, str]] = field(default_factory=list)
    late: list[_Late] = field(default_factory=list)
    late_s: float = 2.0

    def settle(self) -> None:
        """Lands the late writes whose time has come."""
        now = self.clock.now()
        due = [write for write in self.late if write.lands_at <= now]
        self.late = [write for write in self.late if write.lands_at > now]
        for write in due:
            write.land()

    def edit(self, flag: str, *, editor: str = "somebody", **changes: object) -> None:
        """Somebody else changes the flag."""
        self.settle()
        held = self.flags[flag]
        self.flags[flag] = replace(held, version=held.version + 1, editor=editor, **changes)  # type: ignore[arg-type]  # exposure and note by name

    def land_later(self, land: Callable[[], None], *, seconds: float) -> None:
        """A write that takes effect in `seconds`."""
        lands_at = self.clock.now() + timedelta(seconds=seconds)
        self.late.append(_Late(lands_at=lands_at, land=land))


class FakeProvider:
    """An adapter for `FakeWorld`, with or without conditional writes."""

    name: ClassVar[str] = "fake"
    TargetSpec: ClassVar[type] = FlagSpec
    capabilities: ClassVar[Capabilities] = Capabilities(
        shadow=True, audience=True, include=True, conditional_write=False, write_timeout_s=5.0
    )

    def __init__(self, world: FakeWorld, *, conditional: bool = False) -> None:
        self.world = world
        self.conditional = conditional
        if conditional:
            # Declared per instance here; a real adapter declares it on the class.
            self.capabilities = replace(  # type: ignore[misc]  # see above
                type(self).capabilities, conditional_write=True
            )

    def address(self, target: Target) -> str:
        """`fake://FLAG`."""
        return f"fake://{_flag(target)}"

    def parse_address(self, address: str) -> Mapping[str, str]:
        """The reverse of `address`."""
        scheme, _, flag = address.partition("://")
        if scheme != self.name or not flag:
            raise UsageError(f"not an address of {self.name}: {address}", hint="fake://FLAG")
        return {"flag": flag}

    def probe(self, target: Target) -> Sequence[Finding]:
        """Says whether the flag exists."""
        self._maybe_fail("probe", target)
        if _flag(target) in self.world.flags:
            return [Finding(severity=Severity.OK, message=f"{self.address(target)} is there")]
        return [Finding(severity=Severity.REFUSE, message=f"no flag {_flag(target)}")]

    def observe(self, target: Target) -> Observation:
        """The flag now; late writes whose time has come have landed."""
        self._maybe_fail("observe", target)
        held = self._held(target)
        exposure = held.exposure
        return Observation(
            at=self.world.clock.now(),
            exposure=exposure,
            version=str(held.version),
            fingerprint=_fingerprint(held),
            snapshot={"exposure": _to_json(exposure), "note": held.note},
            editor=held.editor,
        )

    def apply(
        self,
        target: Target,
        exposure: Exposure,
        *,
        key: str,
        expect: str | None,
        timeout_s: float,
    ) -> Receipt:
        """Serves `exposure` from now on, faults permitting."""
        return self._write(
            "apply", target, lambda held: replace(held, exposure=exposure), key, expect, timeout_s
        )

    def restore(
        self, target: Target, snapshot: Json, *, key: str, expect: str | None, timeout_s: float
    ) -> Receipt:
        """Writes the snapshot back, note included."""
        if not isinstance(snapshot, Mapping):
            raise Rejected("not a snapshot of this provider")
        exposure, note = _from_json(snapshot["exposure"]), str(snapshot["note"])
        return self._write(
            "restore",
            target,
            lambda held: replace(held, exposure=exposure, note=note),
            key,
            expect,
            timeout_s,
        )

    def kill(self, target: Target, *, timeout_s: float) -> Receipt:
        """Control for everybody."""
        return self._write(
            "kill", target, lambda held: replace(held, exposure=ZERO), "kill", None, timeout_s
        )

    def sample(self, target: Target, units: int, *, timeout_s: float) -> ArmCounts:
        """Counts as if every unit were bucketed exactly."""
        del timeout_s
        held = self._held(target)
        canary = units * held.exposure.canary_bp // FULL_BP
        shadow = units * held.exposure.shadow_bp // FULL_BP
        return ArmCounts(
            units=units, arms=(("control", units - canary), ("canary", canary)), shadow=shadow
        )

    # -- inside ---------------------------------------------------------------

    def _held(self, target: Target) -> FakeFlag:
        self.world.settle()
        try:
            return self.world.flags[_flag(target)]
        except KeyError:
            raise NotFound(f"no flag {_flag(target)}", hint="create it") from None

    def _write(
        self,
        operation: str,
        target: Target,
        change: Callable[[FakeFlag], FakeFlag],
        key: str,
        expect: str | None,
        timeout_s: float,
    ) -> Receipt:
        fault = self._maybe_fail(operation, target)
        held = self._held(target)
        if expect is not None and self.conditional and str(held.version) != expect:
            raise Conflict(f"{self.address(target)} is at version {held.version}, not {expect}")

        def land(half: bool = False) -> None:  # noqa: FBT001, FBT002 - local
            now_held = self.world.flags[_flag(target)]
            if self.conditional and expect is not None and str(now_held.version) != expect:
                return  # the service checks the version when the write lands
            changed = change(now_held)
            if half:
                weights = replace(now_held.exposure, weights=changed.exposure.weights)
                changed = replace(changed, exposure=weights)
            self.world.flags[_flag(target)] = replace(
                changed, version=now_held.version + 1, editor="rolloutctl"
            )
            moment = self.world.clock.now()
            self.world.served.append((moment, _flag(target), changed.exposure, key))

        match fault:
            case Fault.LATE:
                self.world.land_later(land, seconds=min(self.world.late_s, timeout_s))
            case Fault.LOST_ANSWER:
                land()
            case Fault.HALF_DONE:
                land(half=True)
            case Fault.NEVER:
                pass
            case _:
                land()
                return Receipt(version=str(self.world.flags[_flag(target)].version), changed=key)
        raise Unavailable(f"{self.address(target)}: no answer", may_have_landed=True)

    def _maybe_fail(self, operation: str, target: Target) -> Fault | None:
        fault = self.world.fault(operation, _flag(target))
        where = f"{self.address(target)}: {operation}"
        match fault:
            case None:
                return None
            case Fault.REFUSED_CONNECTION | Fault.SERVER_ERROR:
                raise Unavailable(f"{where}: {fault}")
            case Fault.RATE_LIMITED:
                raise Unavailable(f"{where}: rate limited", retry_after_s=2.0)
            case Fault.FORBIDDEN:
                raise Unauthorized(f"{where}: forbidden", hint="use a token that may write")
            case Fault.CONFLICT:
                raise Conflict(f"{where}: somebody wrote meanwhile")
            case Fault.REJECTED:
                raise Rejected(f"{where}: rejected")
            case Fault.TAKEN_BACK:
                raise TakenBack(f"{where}: undone by alarm checkout-errors")
            case _ if operation in {"probe", "observe"}:
                raise Unavailable(f"{where}: no answer")
            case _:
                return fault


def _flag(target: Target) -> str:
    assert isinstance(target.spec, FlagSpec)  # noqa: S101 - only this provider's targets arrive
    return target.spec.flag


def _fingerprint(held: FakeFlag) -> str:
    return f"{held.exposure}|{held.note}"


def _to_json(exposure: Exposure) -> Json:
    def cohort(conditions: tuple[Condition, ...] | None) -> Json:
        return None if conditions is None else [[c.attribute, list(c.values)] for c in conditions]

    return {
        "weights": [[arm, bp] for arm, bp in exposure.weights],
        "shadow_bp": exposure.shadow_bp,
        "audience": cohort(exposure.audience),
        "include": cohort(exposure.include),
    }


def _from_json(data: Json) -> Exposure:
    assert isinstance(data, Mapping)  # noqa: S101 - written by _to_json

    def cohort(rows: Json) -> tuple[Condition, ...] | None:
        if rows is None:
            return None
        return tuple(Condition(attribute=a, values=tuple(v)) for a, v in rows)  # type: ignore[union-attr,misc,arg-type]  # shape of _to_json

    return Exposure(
        weights=tuple((arm, bp) for arm, bp in data["weights"]),  # type: ignore[union-attr,misc]  # shape of _to_json
        shadow_bp=int(data["shadow_bp"]),  # type: ignore[arg-type]  # shape of _to_json
        audience=cohort(data["audience"]),
        include=cohort(data["include"]),
    )
