"""The ready playbooks for Unleash on running servers, with an application on the real SDK.

A real Prometheus judges, the real command drives, each in a process of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from providers.unleash_live import READY, TIMEOUT_S, Live
from servers.prometheus import wait_until
from servers.unleash_proxy import UnreliableProxy
from servers.unleash_server import unleash_to_kill

pytestmark = pytest.mark.real

#: A write's whole time is 5 s.
LATE_S = 2.0
every_playbook = pytest.mark.parametrize("name", list(READY))


@pytest.fixture
def live(tmp_path, unleash_url):
    """Makes one; everything that it started ends with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda name, **more: Live(tmp_path, unleash_url, name, stack, **more)


@every_playbook
def test_a_healthy_canary_is_served_to_every_user_in_the_end(live, name):
    """By the application's own counters."""
    found = live(name)

    done = found.run(*found.start_words())

    assert done.returncode == 0, done.stdout + done.stderr
    wait_until(lambda: found.share() == 1.0, what="every request gets the canary", limit_s=10)
    assert "the SDK serves" in done.stdout or "verify_exposure" not in found.playbook.read_text()


@every_playbook
def test_a_canary_that_fails_from_a_tenth_on_is_taken_back_field_for_field(live, name):
    """The flag's environment is as it was, and the application serves control alone."""
    found = live(name, fail_above=0.1)

    done = found.run(*found.start_words())

    assert done.returncode == 10, done.stdout + done.stderr
    assert found.admin.environment(found.flag) == found.before
    wait_until(lambda: found.share() == 0.0, what="no request gets the canary", limit_s=10)


@every_playbook
def test_another_process_kills_it(live, name):
    """The driver ends as killed, and the real SDK serves control."""
    found = live(name)
    with found.driving() as driver:
        wait_until(lambda: found.share() > 0.0, what="the canary is served", limit_s=60)

        killed = found.run("kill", "live", "--reason", "on call")
        code = driver.wait(30)

    assert killed.returncode == 0, killed.stdout + killed.stderr
    assert code == 13
    wait_until(lambda: found.share() == 0.0, what="no request gets the canary", limit_s=10)


def test_a_server_that_is_killed_in_the_middle_holds_the_rollout_until_it_is_back(tmp_path):
    """The application goes on with what it knew; nothing is taken for a zero or a pass."""
    with contextlib.ExitStack() as stack:
        url, server = stack.enter_context(unleash_to_kill())
        found = Live(tmp_path, url, "unleash-prompt-variants.yaml", stack)
        with found.driving() as driver:
            wait_until(lambda: found.share() > 0.15, what="a quarter is served", limit_s=60)

            os.kill(server, signal.SIGKILL)
            code = driver.wait(TIMEOUT_S)

        assert code == 0, found.log.read_text("utf-8")
        wait_until(lambda: found.share() == 1.0, what="every request gets the canary", limit_s=20)
        [served] = found.admin.environment(found.flag)["strategies"]
        assert {one["name"]: one["weight"] for one in served["variants"]} == {"v3": 0, "v4": 1000}


def test_of_two_who_drive_one_flag_the_second_is_told_who_and_what(live):
    """Two machines, two journals: nothing is written by the second, the first goes on."""
    found = live("unleash-prompt-variants.yaml")
    longer = found.playbook.read_text("utf-8").replace("hold: 4s", "hold: 60s", 1)
    found.playbook.write_text(longer, "utf-8")
    with found.driving():
        wait_until(lambda: found.share() > 0.0, what="the canary is served", limit_s=60)
        before = found.admin.environment(found.flag)

        second = found.run(*found.start_words(), "--store", str(found.folder / "other.db"))
        after = found.admin.environment(found.flag)
        killed = found.run("kill", "live")

    said = " ".join((second.stdout + second.stderr).split())
    assert second.returncode not in {0, 1}, said
    assert "last edited by admin at 20" in said, said  # from the event log
    assert "v3 1000, v4 0 -> v3 950, v4 50" in said
    assert after == before
    assert killed.returncode == 0


@pytest.fixture
def proxy(unleash_url):
    """Between the command and the running Unleash; the application and the test go past it."""
    with UnreliableProxy(unleash_url, 5, late_s=LATE_S) as found:
        yield found


def test_through_a_proxy_that_loses_delays_doubles_and_cuts_the_end_is_served(live, proxy):
    """The command's exit code, the server's configuration and the users' answers agree."""
    found = live("unleash-prompt-variants.yaml")
    with found.driving(*found.start_words(proxy.url)) as driver:
        wait_until(lambda: found.share() > 0.0, what="the canary is served", limit_s=60)

        proxy.is_unreliable = True
        code = driver.wait(TIMEOUT_S)

    assert code == 0, found.log.read_text("utf-8")
    assert proxy.faults > 3
    wait_until(lambda: found.share() == 1.0, what="every request gets the canary", limit_s=10)


def test_through_the_same_proxy_a_bad_canary_is_taken_back_field_for_field(live, proxy):
    """No write that was given up lands after the way back."""
    found = live("unleash-prompt-variants.yaml", fail_above=0.1)
    with found.driving(*found.start_words(proxy.url)) as driver:
        wait_until(lambda: found.share() > 0.0, what="the canary is served", limit_s=60)

        proxy.is_unreliable = True
        code = driver.wait(TIMEOUT_S)

    assert code == 10, found.log.read_text("utf-8")
    assert found.admin.environment(found.flag) == found.before
    wait_until(lambda: found.share() == 0.0, what="no request gets the canary", limit_s=10)


def test_a_kill_through_the_same_proxy_is_confirmed(live, proxy):
    """While the driver's own writes are under way through it."""
    found = live("unleash-prompt-variants.yaml")
    with found.driving(*found.start_words(proxy.url)) as driver:
        wait_until(lambda: found.share() > 0.0, what="the canary is served", limit_s=60)
        proxy.is_unreliable = True

        killed = found.run("kill", "live", "--reason", "on call")
        code = driver.wait(60)

    assert killed.returncode == 0, killed.stdout + killed.stderr
    assert code == 13, found.log.read_text("utf-8")
    wait_until(lambda: found.share() == 0.0, what="no request gets the canary", limit_s=10)


def test_of_two_who_start_at_the_same_moment_one_goes_on_and_the_other_is_told(live):
    """Both have planned against zero: whoever comes second stops and names the edit.

    Unless they go in step, from the first write to the last.
    """
    found = live("unleash-prompt-variants.yaml")
    words = found.start_words()
    with found.driving(*words) as first:
        second = found.run(*words, "--store", str(found.folder / "other.db"))
        ends = [(first.wait(60), found.log.read_text("utf-8"))]
    ends.append((second.returncode, second.stdout + second.stderr))

    (won_code, won), (told_code, told) = sorted(ends)

    assert won_code == 0, told
    assert "succeeded" in won, told
    if told_code == 0:
        # In step: each wrote what stood there already, which is no edit by another hand.
        assert "succeeded" in told, told
        return
    assert "last edited by admin at 20" in " ".join(told.split()), told
