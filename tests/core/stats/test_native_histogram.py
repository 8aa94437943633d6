"""Exponential histograms: against the values that they were made of."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolloutctl.core.stats.native_histogram import (
    NativeHistogram,
    count_above,
    histogram_of,
    merge,
    native_quantile,
    upper_bound,
)

VALUES = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=60)
SCHEMAS = st.integers(-2, 8)


def histogram(values, *, schema=3):
    counts = {}
    for value in values:
        index = math.ceil(math.log2(value) * 2.0**schema)
        counts[index] = counts.get(index, 0.0) + 1
    return NativeHistogram(schema=schema, counts=counts)


def test_the_bounds_are_those_of_the_specification():
    """Schema 0 doubles, schema 3 takes eight steps to double, schema -1 quadruples."""
    assert [upper_bound(index, schema=0) for index in (-1, 0, 1, 2)] == [0.5, 1.0, 2.0, 4.0]
    assert upper_bound(8, schema=3) == 2.0
    assert upper_bound(1, schema=3) == pytest.approx(1.0905077327)
    assert upper_bound(1, schema=-1) == 4.0


def test_a_quantile_lies_evenly_on_the_logarithms_scale():
    """The middle of ten events in (1, 4] is 2: Prometheus' exponential interpolation."""
    assert native_quantile(NativeHistogram(schema=-1, counts={1: 10.0}), 0.5) == 2.0


def test_the_p99_of_a_smooth_latency_is_within_a_third_of_a_per_cent():
    """Lognormal with a median of 200 ms, schema 3; the p99 is 1.019 s."""
    share_below = [0.0]
    counts = {}
    for index in range(-100, 100):
        z = math.log(upper_bound(index, schema=3) / 0.2) / 0.7
        share_below.append(math.erfc(-z / math.sqrt(2)) / 2)
        counts[index] = max(0.0, share_below[-1] - share_below[-2])

    found = native_quantile(NativeHistogram(schema=3, counts=counts), 0.99)

    assert found == pytest.approx(0.2 * math.exp(0.7 * 2.3263478740408408), rel=0.0032)


@given(VALUES, SCHEMAS, st.floats(0.01, 0.99))
def test_a_quantile_lies_in_the_bucket_of_the_value_it_stands_for(values, schema, share):
    """Off by one bucket's width at most."""
    found = native_quantile(histogram(values, schema=schema), share)

    exact = sorted(values)[math.ceil(share * len(values) * (1 - 1e-12)) - 1]
    width = upper_bound(1, schema=schema) * (1 + 1e-9)
    assert exact / width <= found <= exact * width


@given(VALUES, SCHEMAS, st.integers(-80, 80))
def test_events_above_a_buckets_end_are_counted_exactly(values, schema, index):
    """Only within a bucket they are estimated."""
    bound = upper_bound(index, schema=schema)
    clear = [value for value in values if not math.isclose(value, bound)]

    found = count_above(histogram(clear, schema=schema), bound)

    assert found == pytest.approx(sum(value > bound for value in clear), abs=1e-6)


@given(VALUES, st.floats(0, 2e3), st.floats(0, 2e3))
def test_fewer_events_are_above_a_higher_bound(values, first, second):
    """From all of them above 0 to none above the highest."""
    low, high = sorted((first, second))
    counted = histogram(values)

    assert count_above(counted, 0.0) == len(values)
    assert count_above(counted, high) <= count_above(counted, low) + 1e-9


@given(VALUES, VALUES, SCHEMAS, SCHEMAS)
def test_merging_is_counting_together_in_the_coarser_schema(first, second, fine, coarse):
    """No event is lost, and it does not matter when they were added."""
    merged = merge(histogram(first, schema=fine), histogram(second, schema=coarse))

    schema = min(fine, coarse)
    together = histogram([*first, *second], schema=schema)
    assert merged.schema == schema
    assert merged.total == len(first) + len(second)
    # A value on a bucket's very end may be rounded to either side of it.
    difference = set(merged.counts.items()) ^ set(together.counts.items())
    ends = [math.log2(value) * 2.0**schema for value in (*first, *second)]
    assert not difference or any(abs(end - round(end)) < 1e-9 for end in ends)


def test_a_wider_zero_bucket_takes_in_what_it_covers():
    """0.25 to 0.5 counts as zero where the other histogram calls 0.5 zero."""
    first = NativeHistogram(schema=0, counts={-1: 3.0, 2: 1.0}, zero_count=1.0)
    second = NativeHistogram(schema=0, zero_count=2.0, zero_bound=0.5)

    merged = merge(first, second)

    assert (merged.zero_count, merged.zero_bound, dict(merged.counts)) == (6.0, 0.5, {2: 1.0})


def test_the_zero_bucket_is_shared_out_evenly():
    """Ten events up to 0.5: half of them below 0.25."""
    zeros = NativeHistogram(schema=0, zero_count=10.0, zero_bound=0.5)

    assert native_quantile(zeros, 0.5) == 0.25
    assert count_above(zeros, 0.25) == 5.0
    assert count_above(zeros, 0.5) == 0.0


def test_an_empty_histogram_has_no_quantile():
    """None, not 0: no events are no fast events."""
    assert native_quantile(NativeHistogram(schema=3), 0.99) is None
    assert native_quantile(NativeHistogram(schema=3, counts={1: 0.0}), 0.99) is None
    assert count_above(NativeHistogram(schema=3), 1.0) == 0.0


def test_rounding_never_leaves_the_last_bucket():
    """A rank that the sum of counts just misses is the last bucket's end."""
    counts = dict.fromkeys(range(10), 0.1)

    found = native_quantile(NativeHistogram(schema=0, counts=counts), 1 - 2**-53)

    assert found == pytest.approx(upper_bound(9, schema=0))


def test_rows_of_the_http_api_are_read():
    """(lower, upper, events), the zero bucket from below zero to its end."""
    rows = [(-0.001, 0.001, 2.0), (0.5, 1.0, 3.0), (1.0, 2.0, 4.0)]

    found = histogram_of(rows)

    assert found == NativeHistogram(
        schema=0, counts={0: 3.0, 1: 4.0}, zero_count=2.0, zero_bound=0.001
    )
    assert histogram_of([]).total == 0.0


@given(SCHEMAS, st.integers(-30, 30))
def test_every_bucket_is_known_by_its_ends(schema, index):
    """Bounds are written with 16 digits, and read as the schema they came from."""
    lower, upper = upper_bound(index - 1, schema=schema), upper_bound(index, schema=schema)

    found = histogram_of([(lower, upper, 1.0)])

    assert (found.schema, dict(found.counts)) == (schema, {index: 1.0})


@pytest.mark.parametrize(
    ("rows", "because"),
    [
        ([(-2.0, -1.0, 1.0)], "from 0 up"),
        ([(1.0, math.inf, 1.0)], "from 0 up"),
        ([(math.nan, 1.0, 1.0)], "from 0 up"),
        ([(1.0, 3.0, 1.0)], "no exponential schema"),
        ([(1.0, 2.0, 1.0), (2.0, 8.0, 1.0)], "schema"),
        ([(1.0, 2.0, 1.0), (4.0, 16.0, 1.0)], "several schemas"),
        ([(1.0, 2.0, -1.0)], "counts from 0"),
        ([(1.0, 2.0, math.nan)], "counts from 0"),
    ],
)
def test_what_is_no_such_histogram_is_refused(rows, because):
    """Rather than counted wrong."""
    with pytest.raises(ValueError, match=because):
        histogram_of(rows)


@pytest.mark.parametrize("schema", [-5, 9])
def test_other_schemas_are_refused(schema):
    """Schema -53 is that of custom buckets: they are classic ones."""
    with pytest.raises(ValueError, match="schema"):
        NativeHistogram(schema=schema)


@pytest.mark.parametrize("wrong", [0.0, 1.0, math.nan])
def test_a_quantile_is_between_0_and_1(wrong):
    """99 would be one of these."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        native_quantile(NativeHistogram(schema=0), wrong)
    with pytest.raises(ValueError, match="no bound"):
        count_above(NativeHistogram(schema=0), -1.0 - wrong)


def test_estimates_of_a_drawn_sample_are_near_the_truth():
    """20,000 exponential latencies: p50, p95 and p99 within half a per cent of the sample's."""
    chance = random.Random(31)  # noqa: S311 - a seeded simulation
    values = sorted(chance.expovariate(5.0) for _ in range(20_000))

    for share in (0.5, 0.95, 0.99):
        found = native_quantile(histogram(values, schema=5), share)
        assert found == pytest.approx(values[round(share * 20_000) - 1], rel=0.005)
