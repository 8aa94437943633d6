"""kill -9 of the real command, 20 times in three scenarios; scripts/kill-storm does 1,000."""

import random

import pytest

from crash.storm import Scenario, Tally, storms

pytestmark = [pytest.mark.crash, pytest.mark.real]


@pytest.mark.parametrize(
    ("scenario", "kills"), [(Scenario.PROMOTE, 7), (Scenario.ROLLBACK, 7), (Scenario.KILL, 6)]
)
def test_a_rollout_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    tmp_path, scenario, kills
):
    """Same file to the byte, only planned weights ever served, chain whole, nobody left."""
    chance = random.Random(4711)  # noqa: S311 - a schedule
    total = Tally()

    for tally in storms(tmp_path, [scenario], kills=kills, chance=chance):
        total.add(tally)

    assert total.violations == []
    assert total.kills >= kills
