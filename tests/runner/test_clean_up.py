"""A cleanup of the runner: its every end is a result, and a failure asks a person."""

from __future__ import annotations

import threading

import pytest

from rolloutctl.errors import Rejected, Unavailable
from rolloutctl.runner.adapters import NEVER
from rolloutctl.runner.clean_up import clean_up

WANTED = {"target": "web", "arm": "control", "action": "delete"}


class Cleaner:
    """A provider that can, or says why not."""

    name = "cleaner"

    def __init__(self, error=None):
        self.error, self.asked = error, []

    def clean_up(self, target, arm, action, *, timeout_s):
        self.asked.append((target, arm, action, timeout_s))
        if self.error:
            raise self.error
        return "Deployment web-blue deleted"


class Flags:
    """A provider that has nothing to clean up."""

    name = "flags"


def test_what_was_done_is_the_result():
    """The provider's own sentence."""
    provider = Cleaner()

    how = clean_up(provider, "a target", WANTED, 5.0)(NEVER)

    assert (how.ok, how.message) == (True, "Deployment web-blue deleted")
    assert provider.asked == [("a target", "control", "delete", 5.0)]


@pytest.mark.parametrize(
    ("provider", "sentence"),
    [
        (Cleaner(Rejected("blue serves", hint="switch first")), "blue serves (switch first)"),
        (Cleaner(Rejected("blue serves")), "blue serves"),
        (Cleaner(Unavailable("no answer", may_have_landed=True)), "no answer; it may have taken"),
        (Cleaner(Unavailable("no answer")), "no answer"),
        (Flags(), "flags has nothing to clean up"),
    ],
)
def test_every_failure_is_a_sentence(provider, sentence):
    """Never an error that ends the driver."""
    how = clean_up(provider, None, WANTED, 5.0)(NEVER)

    assert not how.ok
    assert how.message.startswith(sentence)


def test_what_was_ended_before_it_began_is_not_begun():
    """A kill came first."""
    ending, provider = threading.Event(), Cleaner()
    ending.set()

    how = clean_up(provider, None, WANTED, 5.0)(ending)

    assert (how.ok, provider.asked) == (False, [])
