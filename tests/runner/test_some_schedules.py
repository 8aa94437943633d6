"""A few hundred of the random schedules, quick enough to be traced.

The thousands that count run untraced in `test_model`; these show which branches of the
pure part they take.
"""

from __future__ import annotations

import pytest

from worlds.model_driver import tally

#: Schedules of one test; about two seconds untraced.
SCHEDULES = 200


@pytest.mark.parametrize("first", [500_000, 600_000])
def test_no_schedule_breaks_an_invariant(first):
    """The invariants of docs/safety.md."""
    counts = tally(range(first, first + SCHEDULES))

    assert counts.schedules == SCHEDULES
    assert counts.failed == []
