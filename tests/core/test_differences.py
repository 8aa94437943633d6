"""What differs between two documents: keys and names, and steps that moved are no difference."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from rolloutctl.core.differences import Change, Difference, differences


def test_the_same_documents_do_not_differ():
    """However their keys are ordered."""
    assert differences({"a": 1, "b": {"c": [1]}}, {"b": {"c": [1]}, "a": 1}) == ()


def test_keys_are_named_by_their_path():
    """Added, removed, changed."""
    before = {"gates": {"errors": {"margin": "1.25x", "window": "5m"}}}
    after = {"gates": {"errors": {"margin": "1.5x"}, "cost": {"kind": "mean"}}}

    assert differences(before, after) == (
        Difference(
            where="gates.errors.margin", change=Change.CHANGED, before="1.25x", after="1.5x"
        ),
        Difference(where="gates.errors.window", change=Change.REMOVED, before="5m"),
        Difference(where="gates.cost", change=Change.ADDED, after={"kind": "mean"}),
    )


def test_a_step_in_between_leaves_the_others_as_they_are():
    """One addition, not a change of every step that follows."""
    steps = [{"canary": "5%"}, {"canary": "50%"}, {"canary": "100%"}]

    found = differences({"steps": steps}, {"steps": [steps[0], {"canary": "25%"}, *steps[1:]]})

    assert found == (Difference(where="steps[2]", change=Change.ADDED, after={"canary": "25%"}),)


def test_a_step_that_changed_is_told_by_its_key():
    """Its place counts from 1, as everywhere."""
    found = differences(
        {"steps": [{"canary": "5%", "hold": "1h"}]}, {"steps": [{"canary": "5%", "hold": "2h"}]}
    )

    assert found == (
        Difference(where="steps[1].hold", change=Change.CHANGED, before="1h", after="2h"),
    )


def test_true_is_not_one():
    """Python says they are equal; a playbook does not."""
    (found,) = differences({"a": 1}, {"a": True})

    assert found.change is Change.CHANGED


_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)
_documents = st.dictionaries(st.sampled_from("abcd"), _values)


@given(_documents, _documents)
@example({"a": [{"b": [False]}]}, {"a": [{"b": [0]}]})
def test_documents_differ_exactly_if_their_texts_do(before, after):
    """Nothing is overlooked, and nothing is invented."""
    same = json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)

    assert (differences(before, after) == ()) == same
