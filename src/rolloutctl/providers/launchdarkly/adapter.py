"""The provider `launchdarkly`: observe, apply, restore and kill over the REST API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rolloutctl.clock import Deadline, SystemClock
from rolloutctl.core.answers import Capabilities, Observation, Receipt
from rolloutctl.core.exposure import Cohort, Exposure, describe, split
from rolloutctl.core.json_types import Json
from rolloutctl.core.target import Target
from rolloutctl.errors import Conflict, Rejected, RolloutctlError, Unavailable
from rolloutctl.providers.launchdarkly.api import Api
from rolloutctl.providers.launchdarkly.cohorts import clauses_of
from rolloutctl.providers.launchdarkly.configuration import (
    Configuration,
    Flag,
    parse_flag,
    parse_snapshot,
    parse_variations,
)
from rolloutctl.providers.launchdarkly.killing import kill
from rolloutctl.providers.launchdarkly.place import (
    TargetSpec,
    context_kind_of,
    format_address,
    parse_address,
    spec_of,
)
from rolloutctl.providers.launchdarkly.reading import (
    PARTS,
    FlagView,
    View,
    fingerprint_of,
    read_facts,
    read_target,
)
from rolloutctl.providers.launchdarkly.shaping import STEP_BP, shaped
from rolloutctl.providers.launchdarkly.writing import (
    Instruction,
    VariationIdOf,
    instructions_between,
    said,
)

if TYPE_CHECKING:
    from rolloutctl.core.observation import ArmCounts, Finding

#: The longest time between sending a write and its landing.
WRITE_TIMEOUT_S = 5.0
#: Nothing is sent in the last seconds of a write's time, so that it lands within it.
LANDING_S = 2.0
#: SDKs hear of a change over their stream. 200 ms is what the vendor says; not measured here.
PROPAGATION_S = 2.0


class LaunchDarkly:
    """Drives flags of LaunchDarkly.

    What it remembers between calls is only which configuration was its own work, so that
    the audit log is asked for a name when somebody else's is seen, and what it killed, so
    that others' rules and targets are then looked at as strictly as its own.
    """

    name: ClassVar[str] = "launchdarkly"
    capabilities: ClassVar[Capabilities] = Capabilities(
        weight_step_bp=STEP_BP,
        shadow_step_bp=STEP_BP,
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
        self._killed: set[str] = set()

    def address(self, target: Target) -> str:
        """See `Provider.address`."""
        return format_address(target)

    def check_cohort(self, target: Target, cohort: Cohort) -> None:
        """See `core.check_exposures.cohort_problem_of`."""
        clauses_of(cohort, context_kind_of(target))

    def parse_address(self, address: str) -> Mapping[str, str]:
        """See `Provider.parse_address`."""
        return parse_address(address)

    def probe(self, target: Target) -> Sequence[Finding]:
        """See `Provider.probe`."""
        from rolloutctl.providers.launchdarkly.probing import findings  # noqa: PLC0415 - not on kill

        self._killed.discard(format_address(target))  # somebody plans anew
        return findings(target)

    def observe(self, target: Target) -> Observation:
        """See `Provider.observe`.

        Raises:
            Unavailable: besides the usual, while the rate limit's last calls are left to
                writers; the look at a kill is never kept waiting.
        """
        is_killed = format_address(target) in self._killed
        wait_s = Api(spec_of(target)).reserved_s()
        if wait_s and not is_killed:
            raise Unavailable(
                f"the account's rate limit is nearly used up: looking waits {wait_s:.0f} s, so"
                " that a kill need not",
                hint="all tokens of the account share it: fewer rollouts, longer intervals",
                retry_after_s=wait_s,
            )
        view = read_target(target)
        exposure, detail = view.exposure(strict=is_killed)
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
        key: str,
        expect: str | None,
        timeout_s: float,
    ) -> Receipt:
        """See `Provider.apply`."""
        if exposure.shadow_bp and target.shadow is None:
            raise Rejected(
                f"target {target.name} names no shadow flag, so nothing can be mirrored",
                hint="add `shadow: {flag: KEY}` to the target",
            )

        def wanted(view: View) -> list[Configuration]:
            parts = (exposure, split(exposure.shadow_bp))
            pairs = zip(view.flags, parts, strict=False)
            return [shaped(each.flag, part, each.arms, each.maker) for each, part in pairs]

        deadline = Deadline(timeout_s)
        view = self._read(target, expect, deadline, needs_canary=True)
        note = _Note(f"rolloutctl {key}: {describe(exposure)}", rescues=False)
        return self._change(target, view, wanted(view), note, deadline)

    def restore(
        self,
        target: Target,
        snapshot: Json,
        *,
        key: str,
        expect: str | None,
        timeout_s: float,
    ) -> Receipt:
        """See `Provider.restore`."""
        deadline = Deadline(timeout_s)
        view = self._read(target, expect, deadline, needs_canary=False)
        pairs = zip(PARTS, view.flags, strict=False)
        wanted = [_kept(snapshot, name, each) for name, each in pairs]
        note = _Note(f"rolloutctl {key}: restored as it was", rescues=True)
        return self._change(target, view, wanted, note, deadline)

    def kill(self, target: Target, *, timeout_s: float) -> Receipt:
        """See `Provider.kill`: one read and one patch a flag, nothing is turned on."""
        # Whatever is seen next is this kill's work: confirming it must not wait for names.
        self._killed.add(format_address(target))
        return kill(target, timeout_s=timeout_s)

    def sample(self, target: Target, units: int, *, timeout_s: float) -> ArmCounts:
        """See `Provider.sample`."""
        from rolloutctl.providers.launchdarkly.sampling import sample  # noqa: PLC0415 - loads the SDK

        return sample(target, units, timeout_s=timeout_s)

    def _read(
        self, target: Target, expect: str | None, deadline: Deadline, *, needs_canary: bool
    ) -> View:
        view = read_target(target, deadline=deadline, needs_canary=needs_canary)
        if expect is not None and expect != view.version:
            raise Conflict(
                f"{format_address(target)} was edited since it was read; nothing was written",
                hint="look at the edit; rolloutctl reads the flag again before its next write",
            )
        return view

    def _change(
        self,
        target: Target,
        view: View,
        wanted: Sequence[Configuration],
        note: _Note,
        deadline: Deadline,
    ) -> Receipt:
        """Sends the one patch of each flag that has to change."""

        def variation_id(flag: str, index: int) -> str:
            facts = read_facts(target, flag, deadline=deadline)
            return parse_variations(facts)[index].id

        work = [
            _work(each, config, variation_id)
            for each, config in zip(view.flags, wanted, strict=True)
        ]
        receipt = _send_all(target, _in_order(work), note, deadline)
        address = format_address(target)
        self._killed.discard(address)
        self._editors[address, fingerprint_of(wanted)] = ""
        return receipt

    def _editor(self, target: Target, view: View) -> str:
        """Who left this configuration; "" for our own, asked once for anybody else's."""
        place = (format_address(target), view.fingerprint)
        if place[0] in self._killed:
            return ""
        if place not in self._editors:
            from rolloutctl.providers.launchdarkly.history import last_editor  # noqa: PLC0415 - rare

            keys = [each.flag.key for each in view.flags]
            self._editors[place] = last_editor(spec_of(target), keys)
        return self._editors[place]


class _Note(NamedTuple):
    """What a write tells the audit log, and whether it goes past scheduled changes."""

    comment: str
    rescues: bool


class _Work(NamedTuple):
    """One flag, what it shall be, and the instructions that make it so."""

    view: FlagView
    wanted: Configuration
    instructions: list[Instruction]

    @property
    def falls(self) -> bool:
        """Fewer get the canary than before."""
        before = self.view.served(strict=False)
        flag = self.view.flag
        after = self.view._replace(flag=replace(flag, found=self.wanted)).served(strict=False)
        is_more = (after.canary_bp or 0) > (before.canary_bp or 0)
        return not is_more and not (after.include and not before.include)


def _work(view: FlagView, wanted: Configuration, id_of: VariationIdOf) -> _Work:
    found = view.flag.found
    return _Work(view, wanted, instructions_between(view.flag, found, wanted, id_of))


def _in_order(work: list[_Work]) -> list[_Work]:
    """What rises comes before what falls; then the shadow flag before the flag.

    SAFETY: a write that stops half way must not look like zero, which would be taken for
    somebody else's kill.
    """
    return sorted(work, key=lambda each: (each.falls, -work.index(each)))


def _send_all(target: Target, work: list[_Work], note: _Note, deadline: Deadline) -> Receipt:
    api, remarks = Api(spec_of(target)), list[str]()
    for landed, each in enumerate(each for each in work if each.instructions):
        flag = each.view.flag
        try:
            # SAFETY (rule 3): never sent so late that it might land after its time.
            if deadline.remaining_s <= LANDING_S:
                raise Unavailable(f"{flag.key}: the time for this write is over; it was not sent")
            answer = api.patch(
                flag.key,
                each.instructions,
                comment=note.comment,
                timeout_s=deadline.remaining_s,
                rescues=note.rescues,
            )
        except RolloutctlError as error:
            if not landed or (isinstance(error, Unavailable) and error.may_have_landed):
                raise
            raise Unavailable(
                f"a part landed, then: {error.message}", hint=error.hint, may_have_landed=True
            ) from error
        remarks.append(_overtaken(answer, flag, spec_of(target).environment))
    changed = [
        f"{w.view.flag.key}: {said(w.view.flag, w.instructions)}" for w in work if w.instructions
    ]
    return Receipt(
        changed="; ".join(changed), untouched="; ".join(each for each in remarks if each)
    )


def _overtaken(answer: object, before: Flag, environment: str) -> str:
    """What the version that came back tells of edits since the read; no write asks for one."""
    try:
        after = parse_flag(answer, environment)
    except Rejected:
        return ""  # the observation that follows reads it whole
    if after.version <= before.version + 1:
        return ""
    return (
        f"{before.key}: somebody else edited it in the same moment (version {before.version} ->"
        f" {after.version}); look at its history"
    )


def _kept(snapshot: Json, name: str, view: FlagView) -> Configuration:
    kept = snapshot.get(name) if isinstance(snapshot, Mapping) else None
    if kept is None:
        raise Rejected(
            f"the restore point has no {name} {view.flag.key!r}",
            hint="bring it back by hand: LaunchDarkly's history of the flag shows what was there",
        )
    return parse_snapshot(kept, f"the restore point of {view.flag.key}")
