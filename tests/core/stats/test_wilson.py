import random

import pytest

from rolloutctl.core.stats.wilson import wilson_interval

#: z of a two-sided 95 % interval.
Z_95 = 1.959963984540054


@pytest.mark.parametrize(
    ("count", "total", "lower", "upper"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3 (score).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_equals_the_published_table(count, total, lower, upper):
    """The four examples of Newcombe's comparison come out to their four digits."""
    found = wilson_interval(count, total, z=Z_95)

    assert found == (pytest.approx(lower, abs=5e-5), pytest.approx(upper, abs=5e-5))


@pytest.mark.parametrize(("count", "total"), [(0, 0), (-1, 5), (6, 5)])
def test_no_share_has_no_interval(count, total):
    """Nothing asked is an error, never an interval that contains everything."""
    with pytest.raises(ValueError, match="not a share"):
        wilson_interval(count, total)


def test_an_intended_zero_holds_only_when_nobody_was_counted():
    """One unit on an arm that should have none is seen at any number of units."""
    assert wilson_interval(0, 10_000)[0] == 0.0
    assert wilson_interval(1, 10_000_000)[0] > 0.0
    assert wilson_interval(10_000, 10_000)[1] == 1.0
    assert wilson_interval(9_999_999, 10_000_000)[1] < 1.0


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
def test_the_stated_error_rate_is_kept_in_simulation(share):
    """Of 2,000 healthy samples about 5 % fall outside a 95 % interval."""
    chance = random.Random(4711)  # noqa: S311 - a seeded simulation
    outside = 0

    for _ in range(2_000):
        count = (
            chance.binomialvariate(400, share)
            if hasattr(chance, "binomialvariate")
            else sum(chance.random() < share for _ in range(400))
        )
        lower, upper = wilson_interval(count, 400, z=Z_95)
        outside += not lower <= share <= upper

    assert 0.02 < outside / 2_000 < 0.08
