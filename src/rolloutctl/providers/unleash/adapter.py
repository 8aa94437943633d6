"""The provider `unleash`: observe, apply, restore and kill over the Admin API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rolloutctl.clock import Deadline, SystemClock
from rolloutctl.core.answers import Capabilities, Observation, Receipt
from rolloutctl.core.exposure import Cohort, Exposure, split
from rolloutctl.core.json_types import Json
from rolloutctl.core.target import Target
from rolloutctl.errors import Conflict, Rejected, RolloutctlError, Unavailable
from rolloutctl.providers.unleash.api import Api
from rolloutctl.providers.unleash.cohorts import restrict
from rolloutctl.providers.unleash.configuration import Configuration, parse_configuration
from rolloutctl.providers.unleash.killing import kill
from rolloutctl.providers.unleash.place import (
    TargetSpec,
    arms_of,
    format_address,
    parse_address,
    spec_of,
)
from rolloutctl.providers.unleash.reading import (
    FlagView,
    View,
    fingerprint_of,
    read_flag,
    read_target,
)
from rolloutctl.providers.unleash.serving import served
from rolloutctl.providers.unleash.shaping import SWITCH_STEP_BP, shaped
from rolloutctl.providers.unleash.weighing import VARIANT_STEP_BP
from rolloutctl.providers.unleash.writing import Call, calls_between, send

if TYPE_CHECKING:
    from rolloutctl.core.observation import ArmCounts, Finding

#: The longest time between sending a write and its landing; see `writing.LANDING_S`.
WRITE_TIMEOUT_S = 5.0
#: SDKs poll every 15 s by default (UnleashClient 6.9.1); the server adds 1 s of its own.
PROPAGATION_S = 16.0


class Unleash:
    """Drives flags of an Unleash server.

    What it remembers between calls is only which configuration was its own work, so that
    the event log is asked for a name when somebody else's is seen.
    """

    name: ClassVar[str] = "unleash"
    capabilities: ClassVar[Capabilities] = Capabilities(
        weight_step_bp=VARIANT_STEP_BP,
        shadow_step_bp=SWITCH_STEP_BP,
        shadow=True,
        audience=True,
        include=True,
        conditional_write=False,
        write_timeout_s=WRITE_TIMEOUT_S,
        propagation_s=PROPAGATION_S,
    )
    TargetSpec: ClassVar[type] = TargetSpec

    def __init__(self) -> None:
        self._editors: dict[tuple[str, str], str] = {}
        self._is_killed: set[str] = set()

    def capabilities_for(self, target: Target) -> Capabilities:
        """Those of this target: a plain flag's share is in whole percent."""
        if arms_of(target).is_switch:
            return replace(self.capabilities, weight_step_bp=SWITCH_STEP_BP)
        return self.capabilities

    def address(self, target: Target) -> str:
        """See `Provider.address`."""
        return format_address(target)

    def check_cohort(self, target: Target, cohort: Cohort) -> None:  # noqa: ARG002 - the port's
        """See `core.check_exposures.cohort_problem_of`."""
        restrict(cohort)

    def parse_address(self, address: str) -> Mapping[str, str]:
        """See `Provider.parse_address`."""
        return parse_address(address)

    def probe(self, target: Target) -> Sequence[Finding]:
        """See `Provider.probe`."""
        from rolloutctl.providers.unleash.probing import findings  # noqa: PLC0415 - not on kill

        return findings(target)

    def observe(self, target: Target) -> Observation:
        """See `Provider.observe`."""
        view = read_target(target)
        exposure, detail = view.exposure
        return Observation(
            at=SystemClock().now(),
            exposure=exposure,
            version=view.version,
            fingerprint=view.fingerprint,
            snapshot=view.snapshot,
            editor=self._editor(target, view),
            detail=detail,
        )

    def apply(
        self,
        target: Target,
        exposure: Exposure,
        *,
        key: str,  # noqa: ARG002 - the write states the whole exposure: idempotent by content
        expect: str | None,
        timeout_s: float,
    ) -> Receipt:
        """See `Provider.apply`."""

        def wanted(view: View) -> list[Configuration]:
            return [
                shaped(
                    each.found,
                    exposure if index == 0 else split(exposure.shadow_bp),
                    each.arms,
                    maker=each.maker,
                )
                for index, each in enumerate(view.flags)
            ]

        if exposure.shadow_bp and target.shadow is None:
            raise Rejected(
                f"target {target.name} names no shadow flag, so nothing can be mirrored",
                hint="add `shadow: {flag: NAME}` to the target",
            )
        return self._change(target, wanted, expect=expect, timeout_s=timeout_s)

    def restore(
        self,
        target: Target,
        snapshot: Json,
        *,
        key: str,  # noqa: ARG002 - as in apply
        expect: str | None,
        timeout_s: float,
    ) -> Receipt:
        """See `Provider.restore`."""

        def wanted(view: View) -> list[Configuration]:
            return [_kept(snapshot, name, each) for name, each in _parts(view)]

        return self._change(target, wanted, expect=expect, timeout_s=timeout_s)

    def kill(self, target: Target, *, timeout_s: float) -> Receipt:
        """See `Provider.kill`.

        A plain flag is turned off in its environment, which needs no read and cannot turn
        anything on. With variants, one read and one write bring every strategy to control.
        """
        # Whatever is seen next is this kill's work: confirming it must not wait for names.
        self._is_killed.add(format_address(target))
        return kill(target, timeout_s=timeout_s)

    def sample(self, target: Target, units: int, *, timeout_s: float) -> ArmCounts:
        """See `Provider.sample`."""
        from rolloutctl.providers.unleash.sampling import sample  # noqa: PLC0415 - loads the SDK

        return sample(target, units, timeout_s=timeout_s)

    def _change(
        self,
        target: Target,
        wanted_for: Callable[[View], list[Configuration]],
        *,
        expect: str | None,
        timeout_s: float,
    ) -> Receipt:
        """Reads, compares, and sends the calls in between; no write if nothing changes."""
        deadline = Deadline(timeout_s)
        view = read_target(target, deadline=deadline)
        if expect is not None and expect != view.version:
            raise Conflict(
                f"{format_address(target)} was edited since it was read; nothing was written",
                hint="look at the edit; rolloutctl reads the flag again before its next write",
            )
        wanted = wanted_for(view)
        work = [
            _Work(each, configuration, calls_between(each.found, configuration))
            for each, configuration in zip(view.flags, wanted, strict=True)
        ]
        _send_all(target, _in_order(work), deadline)
        self._editors[format_address(target), fingerprint_of(wanted)] = ""
        return Receipt(changed="; ".join(f"{w.view.flag}: {c.what}" for w in work for c in w.calls))

    def _editor(self, target: Target, view: View) -> str:
        """Who left this configuration; "" for our own, asked once for anybody else's."""
        place = (format_address(target), view.fingerprint)
        if place[0] in self._is_killed:
            return ""
        if place not in self._editors:
            from rolloutctl.providers.unleash.history import last_editor  # noqa: PLC0415 - rare

            flags = [each.flag for each in view.flags]
            self._editors[place] = last_editor(spec_of(target), flags)
        return self._editors[place]


class _Work(NamedTuple):
    """One flag, what it shall be, and the calls that make it so."""

    view: FlagView
    wanted: Configuration
    calls: list[Call]


def _in_order(work: list[_Work]) -> list[_Work]:
    """What rises comes before what falls; then the shadow flag before the flag.

    SAFETY: a write that stops half way must not look like zero, which would be taken for
    somebody else's kill.
    """
    return sorted(work, key=lambda each: (_falls(each), -work.index(each)))


def _falls(work: _Work) -> bool:
    before, after = served(work.view.found, work.view.arms), served(work.wanted, work.view.arms)
    is_more = (after.canary_bp or 0) > (before.canary_bp or 0)
    return not is_more and not (after.include and not before.include)


def _send_all(target: Target, work: list[_Work], deadline: Deadline) -> None:
    api, landed = Api(spec_of(target)), 0
    for each in work:
        try:
            send(api, each.view.flag, each.calls, deadline=deadline)
        except RolloutctlError as error:
            if not landed or (isinstance(error, Unavailable) and error.may_have_landed):
                raise
            raise Unavailable(
                f"a part landed, then: {error.message}", hint=error.hint, may_have_landed=True
            ) from error
        landed += len(each.calls)
        if any(call.path == "/on" for call in each.calls):
            _check_turned_on(target, each, deadline)


def _check_turned_on(target: Target, work: _Work, deadline: Deadline) -> None:
    """SAFETY: looks at what `on` turned on, and turns it off again if that was not ours.

    If somebody removes our strategy just before it, Unleash adds one at 100 % by itself.
    """
    flag = work.view.flag
    api = Api(spec_of(target))
    known = [(each.title, each.parameters) for each in work.wanted.active]
    try:
        view = read_flag(target, flag, work.view.arms, deadline=deadline)
        if all((each.title, each.parameters) in known for each in view.found.active):
            return
        off = f"{api.environment_path(flag)}/off"
        api.write("POST", off, None, timeout_s=deadline.remaining_s)  # never too late
    except RolloutctlError as error:
        raise Unavailable(
            f"{flag} was turned on, then: {error.message}", hint=error.hint, may_have_landed=True
        ) from error
    raise Unavailable(
        f"{flag} got a strategy from somebody else while it was being turned on; it was"
        " turned off again",
        hint="see who in Unleash's event log, then try again",
        may_have_landed=True,
    )


def _parts(view: View) -> list[tuple[str, FlagView]]:
    return list(zip(("flag", "shadow"), view.flags, strict=False))


def _kept(snapshot: Json, name: str, view: FlagView) -> Configuration:
    kept = snapshot.get(name) if isinstance(snapshot, Mapping) else None
    if kept is None:
        raise Rejected(
            f"the restore point has no {name} {view.flag!r}",
            hint="bring it back by hand: Unleash's event log shows what was there",
        )
    return parse_configuration(kept, f"the restore point of {view.flag}")
