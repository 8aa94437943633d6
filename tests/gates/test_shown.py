"""How counts and evidence are told to people."""

from __future__ import annotations

import pytest

from rolloutctl.gates.shown import evidence_shown, share_shown


@pytest.mark.parametrize(
    ("evidence", "shown"),
    [
        (0.0, "0"),
        (0.8231, "0.82"),
        (13.0, "13"),
        (19.97, "19.9"),
        (20.0, "20"),
        (7_000.4, "7,000.4"),
        (1.8e7, "over 1,000,000"),
        (float("inf"), "over 1,000,000"),
    ],
)
def test_evidence_is_rounded_down_and_never_an_exponent(evidence, shown):
    """19.97 of 20 has not reached 20."""
    assert evidence_shown(evidence) == shown


@pytest.mark.parametrize(
    ("bad", "total", "shown"),
    [
        (0, 0, "canary nothing of 0"),
        (15, 15, "canary 100% of 15"),
        (1, 3, "canary 33% of 3"),
        (3, 1_204, "canary 0.25% of 1,204"),
    ],
)
def test_a_share_has_two_digits_and_no_exponent(bad, total, shown):
    """All of 15 is 100 %, not 1e+02 %."""
    assert share_shown("canary", bad=bad, total=total) == shown
