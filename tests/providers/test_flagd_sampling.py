"""The flag file as the real OpenFeature SDK serves it."""

from __future__ import annotations

import math
import threading

import pytest
from openfeature.evaluation_context import EvaluationContext

from providers.flagd_files import FILE, fractional, set_flag, target_in
from rolloutctl.clock import SystemClock
from rolloutctl.core.exposure import split
from rolloutctl.errors import Rejected, Unavailable
from rolloutctl.providers.flagd_file import FlagdFile, sampling

PROVIDER = FlagdFile()
GROWTH_BP = (50, 500, 2_500, 5_000, 10_000)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "flags.json"
    path.write_bytes(FILE.encode())
    return path


def apply(path, exposure):
    PROVIDER.apply(target_in(path), exposure, key="k", expect=None, timeout_s=1.0)


def units_on_canary(path, units):
    """Which units the SDK gives the canary."""
    with sampling._client(path) as client:
        return {
            unit
            for unit in range(units)
            if client.get_string_details(
                "llm",
                "",
                EvaluationContext(targeting_key=f"unit-{unit}", attributes={"email": f"{unit}@x"}),
            ).variant
            == "claude"
        }


@pytest.mark.parametrize(
    "rule",
    [
        None,
        fractional(["claude", 0], ["gpt-4", 100]),
        fractional(["gpt-4", 1], ["claude", 0]),
        fractional({"var": "email"}, ["gpt-4", 7], ["claude", 0]),
    ],
    ids=["no rule", "canary first", "control first", "by e-mail"],
)
def test_growth_is_exact_and_loses_no_unit(path, rule):
    """Within six standard deviations at every step; who has the canary keeps it."""
    units = 5_000
    if rule is not None:
        set_flag(path, targeting=rule)
    before: set[int] = set()

    for bp in GROWTH_BP:
        apply(path, split(bp))
        now = units_on_canary(path, units)

        share = bp / 10_000
        spread = 6 * math.sqrt(units * share * (1 - share))
        assert abs(len(now) - units * share) <= spread
        assert before <= now, f"{len(before - now)} units lost the canary at {bp} bp"
        before = now


def test_forty_thousand_evaluations_agree_with_the_stated_share(path):
    """Half a percent, to within six standard deviations."""
    apply(path, split(50))

    counts = PROVIDER.sample(target_in(path, shadow=None), 40_000, timeout_s=60.0)

    assert dict(counts.arms)["canary"] == pytest.approx(200, abs=6 * math.sqrt(200))
    assert (counts.other, counts.errors) == (0, 0)


def test_the_shadow_share_is_counted_too(path):
    """With its own buckets: the shadow flag has another key."""
    apply(path, split(2_500, shadow_bp=1_000))

    counts = PROVIDER.sample(target_in(path), 2_000, timeout_s=30.0)

    assert counts.shadow == pytest.approx(200, abs=6 * math.sqrt(180))
    assert dict(counts.arms)["canary"] == pytest.approx(500, abs=6 * math.sqrt(375))


def test_nested_bucketing_attributes_are_given_to_the_made_up_units(path):
    """Else every unit would get the default."""
    cat = {"cat": [{"var": "$flagd.flagKey"}, {"var": "user.id"}]}
    set_flag(path, targeting=fractional(cat, ["gpt-4", 1], ["claude", 1]))

    counts = PROVIDER.sample(target_in(path, shadow=None), 1_000, timeout_s=30.0)

    assert dict(counts.arms)["canary"] == pytest.approx(500, abs=100)
    assert (counts.context, counts.missing) == (("user.id",), ())


def test_a_sample_names_the_key_that_applications_must_send(path):
    """A unit without it gets the defaultVariant; where nothing is split nothing is needed."""
    whole = PROVIDER.sample(target_in(path, shadow=None), 10, timeout_s=30.0)
    apply(path, split(500))

    counts = PROVIDER.sample(target_in(path, shadow=None), 10, timeout_s=30.0)

    assert whole.context == ()
    assert counts.context == ("targetingKey",)


@pytest.mark.parametrize("values", [(True, False), (1.5, 2), ({"m": 1}, {"m": 2}), ("a", "b")])
def test_every_type_of_value_is_sampled(path, values):
    """Arms are counted by variant, whatever the variants hold."""
    set_flag(path, variants=dict(zip(("gpt-4", "claude"), values, strict=True)))
    apply(path, split(5_000))

    counts = PROVIDER.sample(target_in(path, shadow=None), 200, timeout_s=30.0)

    assert counts.errors == counts.other == 0


def test_a_disabled_flag_counts_as_other(path):
    """The application's own default is neither arm."""
    set_flag(path, state="DISABLED")

    assert PROVIDER.sample(target_in(path), 10, timeout_s=30.0).other == 10


def test_a_file_that_the_sdk_refuses_is_rejected_quietly(path, capfd):
    """One unknown key in any flag, and the SDK refuses all of them."""
    set_flag(path, "banner", surprise=1)

    with pytest.raises(Rejected, match="SDK refuses"):
        PROVIDER.sample(target_in(path), 10, timeout_s=30.0)

    assert capfd.readouterr().err == ""


def test_sampling_ends_in_time_and_within_its_limit(path):
    """A bounded number of units in a bounded time."""
    with pytest.raises(Unavailable, match="of 1000000 units"):
        PROVIDER.sample(target_in(path), 1_000_000, timeout_s=0.05)
    with pytest.raises(Rejected, match="1000001 units"):
        PROVIDER.sample(target_in(path), 1_000_001, timeout_s=1.0)


def test_no_thread_is_left(path):
    """The SDK's watcher ends with the sample."""
    before = set(threading.enumerate())

    PROVIDER.sample(target_in(path), 10, timeout_s=30.0)

    for _ in range(200):  # the SDK shuts the provider down on a short-lived thread of its own
        if set(threading.enumerate()) <= before:
            break
        SystemClock().sleep(0.005)
    assert set(threading.enumerate()) <= before
