"""A driver that gives no sign of life is told from one that waits."""

from datetime import UTC, datetime, timedelta

from rolloutctl.core.ports import Lease
from rolloutctl.ui.driver_pulse import DriverPulse

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds):
    return BEGIN + timedelta(seconds=seconds)


def lease(expires_s, *, epoch=1):
    return Lease(rollout_id="r-1", epoch=epoch, owner="ana@host", expires_at=at(expires_s))


def test_a_driver_that_renews_its_lease_is_never_silent():
    """Every five seconds of a lease of fifteen."""
    pulse = DriverPulse()

    for second in range(60):
        pulse.see(lease(15 + second // 5 * 5), at(second))

        assert pulse.sentence(at(second)) == ""


def test_a_driver_that_does_not_renew_it_is_silent_with_its_seconds():
    """After a third of the lease and a little; with when another one can drive."""
    pulse = DriverPulse()
    pulse.see(lease(15), at(0))

    said = pulse.sentence(at(14))

    assert said == "driver silent for 14s; another one can take over in 1s"


def test_a_long_lease_is_known_from_its_first_renewal():
    """An agent of many rollouts renews seldom; that is not silence."""
    pulse = DriverPulse()
    pulse.see(lease(120), at(0))
    pulse.see(lease(160), at(40))

    assert pulse.sentence(at(79)) == ""
    assert pulse.sentence(at(95)).startswith("driver silent for 55s")


def test_what_the_driver_recorded_is_a_sign_of_life():
    """Whoever writes the journal is not silent."""
    pulse = DriverPulse()
    pulse.see(lease(15), at(0))

    pulse.note(at(12))

    assert pulse.sentence(at(14)) == ""


def test_a_lease_that_ran_out_is_not_called_silence():
    """Then nobody drives, and that is said in other words."""
    pulse = DriverPulse()
    pulse.see(lease(15), at(0))

    assert pulse.sentence(at(20)) == ""
