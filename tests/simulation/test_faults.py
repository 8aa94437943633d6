"""`--fault` reads as people write it, and says what is wrong."""

import math

import pytest

from rolloutctl.errors import UsageError
from rolloutctl.simulation.faults import Silence, parse_fault

GATES = ("errors", "p99")


def test_a_fault_says_what_where_when_and_for_how_long():
    """The long form."""
    fault = parse_fault("errors=3% at 25% after 10m for 1h on both", GATES)

    assert (fault.name, fault.amount, fault.is_factor) == ("errors", 0.03, False)
    assert (fault.at_bp, fault.after_s, fault.for_s) == (2_500, 600.0, 3_600.0)
    assert fault.arms == ("control", "canary")


def test_a_fault_alone_begins_with_the_first_exposure_and_stays():
    """The short form."""
    fault = parse_fault("p99=900ms", GATES)

    assert (fault.amount, fault.at_bp, fault.for_s, fault.arms) == (0.9, -1, math.inf, ("canary",))


def test_words_may_stand_in_any_order():
    """Nobody remembers an order."""
    assert parse_fault("errors=2x after 5m at 5%", GATES).at_bp == 500


def test_a_source_can_fall_silent_or_break():
    """No data and errors are faults too."""
    assert parse_fault("errors=no-data", GATES).silence is Silence.NO_DATA
    assert parse_fault("errors=error", GATES).silence is Silence.ERROR


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("errors", "no NAME=VALUE"),
        ("latency=3%", "known: errors, p99, traffic"),
        ("errors=three", "a number"),
        ("errors=-3%", "below 0"),
        ("errors=3% at noon", "weight"),
        ("errors=3% at 5% at 10%", "twice"),
        ("errors=3% on everybody", "canary, control or both"),
        ("errors=3% sometimes", "cannot read"),
    ],
)
def test_what_cannot_be_read_is_a_usage_error_with_the_form(text, why):
    """With an example that works."""
    with pytest.raises(UsageError) as caught:
        parse_fault(text, GATES)

    assert why in caught.value.message
    assert "--fault" in caught.value.hint
