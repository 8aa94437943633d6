"""`evolve` is `dataclasses.replace`, only faster."""

from dataclasses import dataclass, field, replace

import pytest

from rolloutctl.core.evolve import evolve
from rolloutctl.core.exposure import split


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    one: int
    many: tuple[int, ...] = ()
    named: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WithoutSlots:
    one: int


def test_it_gives_what_replace_gives():
    """Changed fields are new, the others the very same objects."""
    before = Plain(one=1, many=(1, 2), named={"a": 1})

    after = evolve(before, one=2, many=())

    assert after == replace(before, one=2, many=())
    assert after.named is before.named
    assert before.one == 1


@pytest.mark.parametrize("instance", [Plain(one=1), WithoutSlots(one=1)])
def test_an_unknown_field_is_an_error(instance):
    """A misspelt field never goes unnoticed."""
    with pytest.raises(TypeError, match="onee"):
        evolve(instance, onee=2)


def test_a_class_that_checks_itself_still_does():
    """`__post_init__` is not passed by."""
    with pytest.raises(ValueError, match="shadow_bp"):
        evolve(split(500), shadow_bp=20_000)


def test_a_class_without_slots_is_copied_too():
    """Its `__dict__` is copied as a whole."""
    assert evolve(WithoutSlots(one=1), one=3) == WithoutSlots(one=3)
