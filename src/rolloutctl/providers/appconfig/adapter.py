"""The provider `appconfig`: observe, apply, restore and kill over AppConfig's API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rolloutctl.clock import Deadline
from rolloutctl.core.answers import Capabilities, Observation, Receipt
from rolloutctl.core.exposure import FULL_BP, Cohort, Exposure, describe
from rolloutctl.core.json_types import Json
from rolloutctl.core.target import Target
from rolloutctl.errors import Conflict, NotFound, Rejected
from rolloutctl.providers.appconfig import place
from rolloutctl.providers.appconfig.api import Api
from rolloutctl.providers.appconfig.confirming import (
    Confirmation,
    confirm_flag,
    confirm_whole,
)
from rolloutctl.providers.appconfig.deploying import deploy, strategy_id
from rolloutctl.providers.appconfig.flag import STEP_BP, Value, shaped
from rolloutctl.providers.appconfig.killing import kill, with_value
from rolloutctl.providers.appconfig.place import (
    TargetSpec,
    format_address,
    is_whole,
    parse_address,
    spec_of,
    spec_problems,
)
from rolloutctl.providers.appconfig.reach import Reach, format_reach
from rolloutctl.providers.appconfig.reading import View, blocking, read, read_document
from rolloutctl.providers.appconfig.strategy import parse_strategy
from rolloutctl.providers.appconfig.versions import stored_version
from rolloutctl.providers.appconfig.whole import (
    apply_whole,
    kill_whole,
    read_whole,
    restore_whole,
)

if TYPE_CHECKING:
    from rolloutctl.core.observation import ArmCounts, Finding

#: A write is two or three calls and a deployment of 0 minutes.
WRITE_TIMEOUT_S = 30.0
#: The Agent polls every 45 s by default.
PROPAGATION_S = 45.0
#: A look is two to four calls.
READ_TIMEOUT_S = 30.0


class AppConfig:
    """Drives flags of AWS AppConfig; holds no state."""

    name: ClassVar[str] = "appconfig"
    capabilities: ClassVar[Capabilities] = Capabilities(
        weight_step_bp=STEP_BP,
        audience=True,
        include=True,
        conditional_write=True,
        write_timeout_s=WRITE_TIMEOUT_S,
        propagation_s=PROPAGATION_S,
    )
    TargetSpec: ClassVar[type] = TargetSpec

    def __init__(self, *, stops_foreign: bool = False) -> None:
        self._stops_foreign = stops_foreign

    def problems(self, spec: place.TargetSpec) -> Sequence[tuple[str, str, str]]:
        """See `core.ports.problems_of`."""
        return spec_problems(spec)

    def capabilities_for(self, target: Target) -> Capabilities:
        """See `core.ports.capabilities_of`: a whole version has no shares of our choice."""
        if not is_whole(target):
            return self.capabilities
        grows_s = parse_strategy(spec_of(target).strategy).least_hold_s
        taken_s = PROPAGATION_S + grows_s
        return replace(
            self.capabilities,
            weight_step_bp=FULL_BP,
            audience=False,
            include=False,
            growth_s=grows_s,
            propagation_s=taken_s,
        )

    def check_cohort(self, target: Target, cohort: Cohort) -> None:
        """See `core.check_exposures.cohort_problem_of`."""
        format_reach(Reach(percent=0, audience=cohort), spec_of(target).split_by)

    def address(self, target: Target) -> str:
        """See `Provider.address`."""
        return format_address(target)

    def parse_address(self, address: str) -> Mapping[str, str]:
        """See `Provider.parse_address`."""
        return parse_address(address)

    def probe(self, target: Target) -> Sequence[Finding]:
        """See `Provider.probe`."""
        from rolloutctl.providers.appconfig.probing import findings  # noqa: PLC0415 - not on kill

        return findings(target, Api(spec_of(target), Deadline(READ_TIMEOUT_S)))

    def observe(self, target: Target) -> Observation:
        """See `Provider.observe`."""
        api = Api(spec_of(target), Deadline(READ_TIMEOUT_S))
        if is_whole(target):
            whole = read_whole(api, target)
            return _confirmed(whole.observation(), confirm_whole(api, whole))
        view = read(api, target)
        return _confirmed(view.observation(), confirm_flag(api, view))

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
        api = Api(spec_of(target), Deadline(timeout_s))
        if is_whole(target):
            return apply_whole(api, target, exposure, expect=expect)

        def wanted(view: View) -> Value:
            return shaped(view.value, exposure, target)

        return _change(api, target, wanted, describe(exposure), expect=expect, old="")

    def restore(
        self,
        target: Target,
        snapshot: Json,
        *,
        key: str,  # noqa: ARG002 - as in apply
        expect: str | None,
        timeout_s: float,
    ) -> Receipt:
        """See `Provider.restore`.

        Deploys the very version of the restore point where nothing else changed since.
        """
        api = Api(spec_of(target), Deadline(timeout_s))
        if is_whole(target):
            return restore_whole(api, target, snapshot, expect=expect)
        held = snapshot if isinstance(snapshot, Mapping) else {}
        value, old = held.get("value"), held.get("version")
        if not isinstance(value, dict) or not isinstance(old, str):
            raise Rejected(
                f"{format_address(target)}: the restore point holds no flag",
                hint="deploy the right version: aws appconfig start-deployment",
            )
        return _change(api, target, lambda _: value, "restore", expect=expect, old=old)

    def kill(self, target: Target, *, timeout_s: float) -> Receipt:
        """See `Provider.kill`."""
        api = Api(spec_of(target), Deadline(timeout_s))
        work = kill_whole if is_whole(target) else kill
        return work(api, target, stops_foreign=self._stops_foreign)

    def stopping_foreign(self) -> AppConfig:
        """See `core.ports.StopsForeign`."""
        return AppConfig(stops_foreign=True)

    def sample(self, target: Target, units: int, *, timeout_s: float) -> ArmCounts:
        """See `Provider.sample`; a flag's rules are evaluated here, and not by AWS."""
        from rolloutctl.providers.appconfig.sampling import (  # noqa: PLC0415 - not on kill
            sample_flag,
            sample_whole,
        )

        sample = sample_whole if is_whole(target) else sample_flag
        return sample(Api(spec_of(target), Deadline(timeout_s)), target, units)


def _confirmed(seen: Observation, found: Confirmation) -> Observation:
    """SAFETY: what applications do not get yet is not in force, whatever was deployed."""
    if found.contradiction:
        detail = f"{seen.version.partition('.')[0]} is deployed, and {found.contradiction}"
        mark = f"{seen.fingerprint} {found.contradiction}"
        return replace(seen, exposure=None, detail=f"deployment {detail}", fingerprint=mark)
    return replace(seen, detail=seen.detail or found.note)


def _is_stored(api: Api, number: str, document: Value) -> bool:
    """Is the version still there, and this document? Somebody may have deleted it."""
    try:
        return read_document(api, number) == document
    except NotFound:
        return False


def _change(
    api: Api,
    target: Target,
    wanted: Callable[[View], Value],
    what: str,
    *,
    expect: str | None,
    old: str,
) -> Receipt:
    """Reads, compares, stores and deploys; no write if nothing changes."""
    view = read(api, target)
    if expect is not None and expect != view.version:
        raise Conflict(
            f"{format_address(target)}: something was deployed since it was read"
            f" ({expect} is now {view.version}); nothing was written",
            hint="look at it; rolloutctl reads the target again before its next write",
        )
    document = with_value(view, wanted(view))
    if document == view.document and not view.transit:
        return Receipt(version=view.version)
    if view.in_flight is not None:
        raise Conflict(
            f"{format_address(target)} cannot be written now: {blocking(view.in_flight)}",
            hint="wait for its end, or stop it yourself: aws appconfig stop-deployment",
        )
    is_old = bool(old) and _is_stored(api, old, document)
    strategy = strategy_id(api)
    version = old if is_old else stored_version(api, document, what)
    number = deploy(api, version, latest=view.latest, strategy=strategy, what=what)
    changed = f"deployment {number}: version {version}, {what}"
    return Receipt(version=f"{number}.{number}", changed=changed)
