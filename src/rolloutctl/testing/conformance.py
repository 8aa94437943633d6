"""The provider conformance suite: what every adapter must do, as tests.

Inherit `ProviderConformance` in a test module and give it a fixture `world`:

    class TestMyProvider(ProviderConformance):
        provider_name = "my-provider"

        @pytest.fixture
        def world(self, tmp_path): return MyWorld(tmp_path)

Needs no test framework itself: `world` is an argument, a failure is an AssertionError,
and what a world cannot do is a `unittest.SkipTest`, which pytest reports as skipped.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar
from unittest import SkipTest

from rolloutctl.core.exposure import CANARY, FULL_BP, Exposure, split
from rolloutctl.core.observation import ArmCounts, Observation, Receipt, Severity
from rolloutctl.core.ports import capabilities_of
from rolloutctl.errors import Conflict, Rejected, RolloutctlError, Unavailable, UsageError
from rolloutctl.testing.conformance_world import (
    DEMANDS,
    HARMLESS,
    Demand,
    Operation,
    ServiceFault,
    World,
)

#: Generous for a service on loopback; a suite that needs more has found a hang.
TIMEOUT_S = 5.0
GROWTH_BP = (50, 500, 2_500, 5_000, FULL_BP)
UNITS = 2_000
#: Standard deviations that a sampled share may be off; 6 fail once in 500 million runs.
SIGMAS = 6.0
_SAMPLE_TIMEOUT_S = 30.0


def _demand(is_so: bool, claim: str) -> None:  # noqa: FBT001 - reads like assert
    if not is_so:
        raise AssertionError(claim)


def _apply(world: World, exposure: Exposure, *, key: str = "k-1", expect: str | None) -> Receipt:
    return world.provider.apply(world.target, exposure, key=key, expect=expect, timeout_s=TIMEOUT_S)


def _observe(world: World) -> Observation:
    return world.provider.observe(world.target)


def _serve(world: World, exposure: Exposure, *, key: str = "k-1") -> Observation:
    """Observe, apply, observe: as the runner does."""
    _apply(world, exposure, key=key, expect=_observe(world).version)
    return _observe(world)


def _kill(world: World) -> Receipt:
    return world.provider.kill(world.target, timeout_s=TIMEOUT_S)


def _growth_bp(world: World) -> list[int]:
    """The weights that this target can have."""
    step_bp = capabilities_of(world.provider, world.target).weight_step_bp
    return [bp for bp in GROWTH_BP if bp % step_bp == 0]


def _fit(world: World, bp: int) -> int:
    """The nearest weight below that this target can have, but never none for some."""
    step_bp = capabilities_of(world.provider, world.target).weight_step_bp
    return max(step_bp, bp // step_bp * step_bp) if bp else 0


def _other_than(world: World, exposure: Exposure | None, *, first_bp: int) -> Exposure:
    """An exposure that differs: a provider may skip a write without effect."""
    wanted = (split(_fit(world, bp)) for bp in (first_bp, first_bp + 200, 0))
    return next(each for each in wanted if not _same(exposure, each))


def _has_shadow(world: World) -> bool:
    can = capabilities_of(world.provider, world.target)
    return can.shadow and world.target.shadow is not None


def _exposures(world: World) -> Iterator[Exposure]:
    for bp in (*_growth_bp(world), _fit(world, 2_500), 0):
        yield split(bp)
    if _has_shadow(world):
        some_bp = _fit(world, 500)
        yield from (split(0, shadow_bp=1_000), split(some_bp, shadow_bp=5_000), split(some_bp))


def _some_exposure(world: World) -> Exposure:
    """An exposure that takes as many calls as any does."""
    return split(_fit(world, 2_500), shadow_bp=1_000 if _has_shadow(world) else 0)


def _same(first: Exposure | None, second: Exposure) -> bool:
    """Equal whatever the order of the arms."""
    if first is None:
        return False
    weights = sorted(each for each in first.weights if each[1])
    return (
        weights == sorted(each for each in second.weights if each[1])
        and replace(first, weights=second.weights) == second
    )


class ProviderConformance:
    """What every provider must do; inherit, name it, and give it worlds."""

    #: The entry point's name; tests/house looks for one class per registered provider.
    provider_name: ClassVar[str] = ""

    # -- what it is -------------------------------------------------------------

    def test_its_address_reads_back_as_the_same_target(self, world: World) -> None:
        """Address and target are two names of one thing."""
        provider = world.provider
        address = provider.address(world.target)

        fields = provider.parse_address(address)
        again = replace(world.target, spec=provider.TargetSpec(**fields))

        _demand(provider.address(again) == address, f"{address} reads back as {again.spec}")
        _demand(address.startswith(f"{provider.name}://"), f"{address} names another provider")

    def test_a_malformed_address_is_a_usage_error_with_the_right_form(self, world: World) -> None:
        """Nobody guesses how to write an address at 3 a.m."""
        for address in ("nowhere://x", "", f"{world.provider.name}://", "%%%"):
            try:
                world.provider.parse_address(address)
            except UsageError as error:
                _demand(bool(error.hint), f"{address!r} is refused without the right form")
            else:
                raise AssertionError(f"{address!r} is accepted")

    def test_a_probe_of_a_good_target_refuses_nothing_and_writes_nothing(
        self, world: World
    ) -> None:
        """Plan is read-only."""
        before, content = _observe(world), world.content()

        findings = world.provider.probe(world.target)

        refused = [each.message for each in findings if each.severity is Severity.REFUSE]
        _demand(not refused, f"refused: {refused}")
        _demand(_observe(world).version == before.version, "the probe moved the version")
        _demand(world.content() == content, "the probe wrote")

    # -- apply --------------------------------------------------------------------

    def test_what_was_applied_is_what_is_observed(self, world: World) -> None:
        """Every weight of a rollout, up and down, and the shadow share."""
        for index, exposure in enumerate(_exposures(world)):
            seen = _serve(world, exposure, key=f"k-{index}")

            _demand(_same(seen.exposure, exposure), f"wanted {exposure}, saw {seen.exposure}")

    def test_applying_again_with_the_same_key_changes_nothing(self, world: World) -> None:
        """A runner that crashed between write and journal does it again."""
        wanted = _some_exposure(world)
        first = _serve(world, wanted, key="k-1")

        again = _serve(world, wanted, key="k-1")

        _demand(_same(again.exposure, wanted), f"wanted {wanted}, saw {again.exposure}")
        _demand(again.fingerprint == first.fingerprint, "the second write changed something")

    def test_a_version_that_moved_is_a_conflict_and_nothing_is_written(self, world: World) -> None:
        """Compare-and-set: somebody else's edit is never overwritten unseen."""
        _need_conditional_write(world)
        before = _observe(world)
        world.edit_outside()
        content, edited = world.content(), _observe(world)

        error = _error_of_apply(world, split(_fit(world, 500)), expect=before.version)

        _demand(isinstance(error, Conflict), f"expected Conflict, got {error!r}")
        _demand(world.content() == content, "it wrote in spite of the conflict")
        _demand(_observe(world).version == edited.version, "the version moved")

    def test_somebody_elses_edit_shows_in_version_and_fingerprint(self, world: World) -> None:
        """Drift is seen by the fingerprint, conflicts by the version."""
        before = _observe(world)

        world.edit_outside()

        after = _observe(world)
        _demand(after.version != before.version, "the version did not move")
        _demand(after.fingerprint != before.fingerprint, "the fingerprint did not change")

    def test_looking_twice_changes_neither_version_nor_fingerprint(self, world: World) -> None:
        """Otherwise every tick would see drift."""
        first, second = _observe(world), _observe(world)

        _demand(first.version == second.version, "the version moved by looking")
        _demand(first.fingerprint == second.fingerprint, "the fingerprint moved by looking")
        _demand(first.snapshot == second.snapshot, "the snapshot changed by looking")

    # -- restore ------------------------------------------------------------------

    def test_restore_brings_back_exactly_what_was_there(self, world: World) -> None:
        """The fingerprint is the old one, and so is every byte where that can be seen."""
        before, content = _observe(world), world.content()
        seen = _serve(world, _some_exposure(world))

        _restore(world, before, expect=seen.version)

        after = _observe(world)
        _demand(after.fingerprint == before.fingerprint, "the fingerprint is another")
        _demand(after.exposure == before.exposure, f"serves {after.exposure}")
        _demand(world.content() == content, "not byte for byte")

    def test_restore_twice_and_after_a_kill_is_safe(self, world: World) -> None:
        """Rollback is retried until it is confirmed."""
        before = _observe(world)
        _serve(world, _some_exposure(world))
        _kill(world)

        for _ in range(2):
            _restore(world, before, expect=_observe(world).version)

        _demand(_observe(world).fingerprint == before.fingerprint, "the fingerprint is another")

    def test_restore_leaves_the_edits_of_others_alone(self, world: World) -> None:
        """A restore point is ours only."""
        before = _observe(world)
        _serve(world, _some_exposure(world))
        world.edit_elsewhere()
        neighbour = world.neighbour()

        _restore(world, before, expect=None)

        _demand(_observe(world).fingerprint == before.fingerprint, "the fingerprint is another")
        _demand(world.neighbour() == neighbour, "somebody else's edit is lost")

    # -- kill ---------------------------------------------------------------------

    def test_kill_brings_every_applied_exposure_to_zero_twice(self, world: World) -> None:
        """From wherever a rollout can be; a second kill is harmless."""
        for index, exposure in enumerate(_exposures(world)):
            _serve(world, exposure, key=f"k-{index}")

            for _ in range(2):
                _kill(world)
                _demand_zero(world, f"killed from {exposure}")

    def test_kill_brings_every_other_state_to_zero(self, world: World) -> None:
        """Other people's rules, third arms, disabled targets; no observation comes first."""
        for state in world.states:
            world.enter(state)

            for _ in range(2):
                _kill(world)
                _demand_zero(world, f"killed from {state!r}")

    def test_kill_moves_the_version_even_when_nothing_has_to_change(self, world: World) -> None:
        """Otherwise an older conditional write could still land."""
        _need_conditional_write(world)
        _kill(world)
        before = _observe(world)

        _kill(world)

        _demand(_observe(world).version != before.version, "the version did not move")

    def test_a_write_decided_before_a_kill_does_not_land_after_it(self, world: World) -> None:
        """Kill beats the step that was in flight."""
        _need_conditional_write(world)
        stale = _observe(world)
        _kill(world)

        error = _error_of_apply(world, split(FULL_BP), expect=stale.version)

        _demand(isinstance(error, Conflict), f"expected Conflict, got {error!r}")
        _demand_zero(world, "killed, then a stale write was sent")

    # -- units --------------------------------------------------------------------

    def test_growth_serves_the_stated_share_of_real_units(self, world: World) -> None:
        """The vendor's SDK agrees with what was written."""
        for index, bp in enumerate(_growth_bp(world)):
            _serve(world, split(bp), key=f"k-{index}")

            counts = _sample(world)

            share = bp / FULL_BP
            # A provider may ask for fewer units than it was told, and says how many.
            spread = SIGMAS * math.sqrt(counts.units * share * (1 - share)) + 1
            off = abs(dict(counts.arms).get(CANARY, 0) - counts.units * share)
            _demand(off <= spread, f"{counts} at {share:.2%}: off by {off:g}, allowed {spread:g}")
            _demand(counts.errors == counts.other == 0, f"{counts}: errors or other values")

    # -- faults -------------------------------------------------------------------

    def test_every_fault_is_the_right_error(self, world: World) -> None:
        """The runner decides by the type of an error and by whether it may have landed."""
        tried = 0
        for operation in Operation:
            for fault, demand in DEMANDS.items():
                point, before = _prepare(world, operation)
                if not world.break_next(operation, fault):
                    continue
                tried += 1
                error = _error_of(world, operation, point=point, before=before)
                world.mend()
                world.advance(world.provider.capabilities.write_timeout_s)
                _demand_error(error, demand, f"{operation} with {fault}", operation)
                if fault in HARMLESS:
                    after = _observe(world)
                    what = f"{operation} with {fault} wrote something"
                    _demand(after.fingerprint == before.fingerprint, what)
        if not tried:
            raise SkipTest("this world can break nothing")

    def test_a_write_whose_answer_was_lost_is_found_and_done_again(self, world: World) -> None:
        """It landed; looking shows it, and the same key again is safe."""
        wanted = _some_exposure(world)
        before = _observe(world)
        if not world.break_next(Operation.APPLY, ServiceFault.LOST_ANSWER):
            raise SkipTest("this world cannot lose an answer")

        _error_of_apply(world, wanted, expect=before.version)
        world.mend()

        _demand(_same(_observe(world).exposure, wanted), "it landed, but is not observed")
        again = _serve(world, wanted, key="k-1")
        _demand(_same(again.exposure, wanted), f"wanted {wanted}, saw {again.exposure}")

    def test_a_half_done_write_is_completed_by_the_same_key(self, world: World) -> None:
        """Of several calls some landed: every part is old or wanted, so it is applied again."""
        wanted = _some_exposure(world)
        before = _observe(world)
        if not world.break_next(Operation.APPLY, ServiceFault.HALF_DONE):
            raise SkipTest("this provider writes with one call, or the world cannot halve it")

        _error_of_apply(world, wanted, expect=before.version)
        world.mend()

        again = _serve(world, wanted, key="k-1")
        _demand(_same(again.exposure, wanted), f"wanted {wanted}, saw {again.exposure}")

    def test_no_secret_is_in_any_message(self, world: World) -> None:
        """Not in the error, its hint, its causes, or what the target and receipts print."""
        if not world.secrets:
            raise SkipTest("this provider has no credentials")
        texts = [repr(world.target), repr(_observe(world)), repr(_kill(world))]
        texts += [repr(world.provider.probe(world.target)), world.provider.address(world.target)]
        for operation in Operation:
            for fault in DEMANDS:
                point, before = _prepare(world, operation)
                if world.break_next(operation, fault):
                    error = _error_of(world, operation, point=point, before=before)
                    world.mend()
                    texts += [getattr(error, "hint", ""), *traceback.format_exception(error)]

        for secret in world.secrets:
            _demand(not any(secret in text for text in texts), "a planted secret is in a message")


def _need_conditional_write(world: World) -> None:
    if not world.provider.capabilities.conditional_write:
        raise SkipTest("this provider has no conditional write")


def _demand_zero(world: World, after: str) -> None:
    seen = _observe(world)
    _demand(
        seen.exposure is not None and seen.exposure.is_zero,
        f"{after}: serves {seen.exposure} ({seen.detail})",
    )


def _restore(world: World, point: Observation, *, expect: str | None) -> Receipt:
    return world.provider.restore(
        world.target, point.snapshot, key="k-restore", expect=expect, timeout_s=TIMEOUT_S
    )


def _sample(world: World) -> ArmCounts:
    try:
        return world.provider.sample(world.target, UNITS, timeout_s=_SAMPLE_TIMEOUT_S)
    except Rejected as error:
        raise SkipTest(f"this provider cannot sample: {error}") from error


def _error_of_apply(
    world: World, exposure: Exposure, *, expect: str | None
) -> RolloutctlError | None:
    try:
        _apply(world, exposure, expect=expect)
    except RolloutctlError as error:
        return error
    return None


def _prepare(world: World, operation: Operation) -> tuple[Observation, Observation]:
    """A restore point and what is true now; a restore needs something to bring back."""
    point = _observe(world)
    if operation is Operation.RESTORE:
        _serve(world, _other_than(world, point.exposure, first_bp=900), key="k-prepare")
    return point, _observe(world)


def _error_of(
    world: World, operation: Operation, *, point: Observation, before: Observation
) -> RolloutctlError | None:
    try:
        match operation:
            case Operation.OBSERVE:
                _observe(world)
            case Operation.APPLY:
                wanted = _other_than(world, before.exposure, first_bp=500)
                _apply(world, wanted, expect=before.version)
            case Operation.RESTORE:
                _restore(world, point, expect=before.version)
            case Operation.KILL:
                _kill(world)
    except RolloutctlError as error:
        return error
    return None


def _demand_error(
    error: RolloutctlError | None, demand: Demand, what: str, operation: Operation
) -> None:
    _demand(isinstance(error, demand.error), f"{what}: expected {demand.error}, got {error!r}")
    if not isinstance(error, Unavailable):
        return
    if demand.has_retry_after:
        _demand(bool(error.retry_after_s), f"{what}: the service said how long to wait")
    if demand.may_have_landed is not None and operation is not Operation.OBSERVE:
        _demand(
            error.may_have_landed is demand.may_have_landed,
            f"{what}: may_have_landed must be {demand.may_have_landed}",
        )
