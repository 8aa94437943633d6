"""What a provider can do for one target, and values of cohorts that read the same."""

from __future__ import annotations

import pytest

from rolloutctl.core.answers import Capabilities
from rolloutctl.core.exposure import Condition, split
from rolloutctl.core.objections import _unsupported
from rolloutctl.core.ports import capabilities_of


class _Plain:
    capabilities = Capabilities(weight_step_bp=10)


class _ByTarget(_Plain):
    def capabilities_for(self, target):
        return Capabilities(weight_step_bp=target)


def test_a_provider_without_a_say_by_target_can_the_same_for_all():
    """The class's declaration counts."""
    assert capabilities_of(_Plain(), 100) == Capabilities(weight_step_bp=10)


def test_a_provider_may_be_able_to_less_for_some_targets():
    """Its own answer for the target counts."""
    assert capabilities_of(_ByTarget(), 100) == Capabilities(weight_step_bp=100)


def test_a_shadow_share_off_the_grid_is_refused_with_a_share_on_it():
    """0.5 % cannot be mirrored in whole percent."""
    can = Capabilities(shadow=True, shadow_step_bp=100)

    [(message, hint)] = _unsupported(split(0, shadow_bp=50), can, "unleash")

    assert message == "unleash cannot mirror 0.5%: its shadow shares come in steps of 1%"
    assert hint == "write a multiple of 1%"
    assert _unsupported(split(0, shadow_bp=1_000), can, "unleash") == []


@pytest.mark.parametrize(
    ("one", "other", "is_equal"),
    [
        ((True,), ("true",), True),
        ((False, 3), ("false", "3"), True),
        ((1,), (True,), False),
        (("eu", "us"), ("us", "eu"), False),
        (("True",), (True,), False),
    ],
)
def test_values_that_read_the_same_are_equal(one, other, is_equal):
    """A service that keeps text answers "true" for true."""
    first, second = Condition(attribute="a", values=one), Condition(attribute="a", values=other)

    assert (first == second) is is_equal
    assert (hash(first) == hash(second)) is is_equal


def test_a_condition_equals_nothing_but_conditions():
    """Neither another attribute nor another thing."""
    condition = Condition(attribute="a", values=(1,))

    assert condition != Condition(attribute="b", values=(1,))
    assert condition != ("a", "1")
