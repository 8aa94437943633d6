"""Whatever stands in a flag: the SDK serves no canary where we say zero, nor after a kill."""

from __future__ import annotations

import json
import logging
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError

from rolloutctl.providers.flagd_file.document import edited, flags_of
from rolloutctl.providers.flagd_file.flag import (
    Arms,
    edits_to_kill,
    edits_to_serve,
    read_flag,
    refusals,
    served,
)

ARMS = Arms(control="gpt-4", canary="claude")
UNITS = 40
logging.getLogger("openfeature").addHandler(logging.NullHandler())

_variants = st.sampled_from(["gpt-4", "claude", "mini", True, None, 1])
_expressions = st.recursive(
    st.one_of(
        _variants,
        st.sampled_from([{"var": "email"}, {"var": "list"}, {"$ref": "list"}, {"$ref": "rule"}]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.builds(
            lambda operator, operands: {operator: operands},
            st.sampled_from(["var", "cat", "or", "if", "merge", "substr", "fractional"]),
            st.lists(inner, max_size=3),
        ),
    ),
    max_leaves=6,
)
_weights = st.one_of(
    st.integers(-2, 10_000), st.floats(0, 100), st.sampled_from([None, True, 2**31, {"var": "w"}])
)
_shares = st.one_of(
    st.tuples(_variants, _weights).map(list), _variants.map(lambda name: [name]), _expressions
)
_splits = st.tuples(st.lists(_expressions, max_size=1), st.lists(_shares, max_size=4)).map(
    lambda parts: {"fractional": [*parts[0], *parts[1]]}
)
_good_splits = st.tuples(
    st.sampled_from([[], [{"var": "email"}], [{"cat": [{"var": "email"}, "x"]}]]),
    st.permutations(["gpt-4", "claude"]),
    st.integers(0, 100),
    st.integers(0, 100),
).map(lambda p: {"fractional": [*p[0], [p[1][0], p[2]], [p[1][1], p[3]]]})
_flags = st.fixed_dictionaries(
    {
        "state": st.sampled_from(["ENABLED", "ENABLED", "ENABLED", "DISABLED"]),
        "variants": st.sampled_from(
            [{"gpt-4": "g", "claude": "c"}, {"gpt-4": "g", "claude": "c", "mini": "m"}]
        ),
    },
    optional={
        "targeting": st.one_of(_splits, _good_splits, _expressions, st.none(), st.just({})),
        "defaultVariant": st.sampled_from(["gpt-4", "gpt-4", "claude", "mini", "", None, True]),
    },
)


def text_of(flag, indent):
    rule = {"fractional": [["claude", 1]]}
    data = {"flags": {"llm": flag}, "$evaluators": {"rule": rule, "list": ["claude", 7]}}
    return json.dumps(data, indent=indent)


def read(text):
    return read_flag(text, [node for node in flags_of(text) if node.key == "llm"])


def variants_served(text):
    """What the real SDK gives units with and without a key; empty if it refuses the file."""
    core = FlagdCore()
    attributes = {"email": "a@b", "list": ["claude", 9], "w": 5}
    seen = set()
    try:
        core.set_flags(text)
    except OpenFeatureError:
        return seen
    for index in range(UNITS):
        attributes["email"] = f"{index}@x"
        for unit in (f"u{index}", None):
            context = EvaluationContext(targeting_key=unit, attributes=dict(attributes))
            try:
                seen.add(core.resolve_string_value("llm", "", context).variant)
            except Exception:  # noqa: BLE001, S112 - JSONLogic raises anything on nonsense
                continue
    return seen


def from_bucketing_a_list(text):
    """An application that passes a LIST as the attribute it buckets by makes its own shares."""
    return '"var": "list"' in text or '"var": ["list"' in text


@settings(max_examples=400, deadline=None)
@given(flag=_flags, indent=st.sampled_from([None, 2]))
def test_after_a_kill_no_unit_gets_anything_but_control(flag, indent):
    """From any state, for the SDK itself; and what we say then is zero."""
    text = text_of(flag, indent)

    after = edited(text, edits_to_kill(read(text), "gpt-4").edits)

    assert served(read(after), ARMS).canary_bp == 0
    if not from_bucketing_a_list(after):
        assert variants_served(after) <= {"gpt-4", None}


@settings(max_examples=400, deadline=None)
@given(flag=_flags)
def test_zero_is_said_only_where_the_sdk_serves_no_canary(flag):
    """A kill is confirmed by this answer."""
    text = text_of(flag, None)

    if served(read(text), ARMS).canary_bp == 0 and not from_bucketing_a_list(text):
        assert variants_served(text) <= {"gpt-4", None}


@settings(max_examples=300, deadline=None)
@given(
    flag=_flags, bp=st.sampled_from([0, 1, 500, 9_999, 10_000]), indent=st.sampled_from([None, 1])
)
def test_a_flag_that_is_not_refused_serves_what_was_asked(flag, bp, indent):
    """And asking for it again edits nothing."""
    text = text_of(flag, indent)
    if refusals(read(text), ARMS):
        return

    after = edited(text, edits_to_serve(read(text), ARMS, bp))

    assert served(read(after), ARMS).canary_bp == bp
    assert edits_to_serve(read(after), ARMS, bp) == []
    assert json.loads(after)["flags"].keys() == {"llm"}


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet='{}[]":,\\ \n\t0123456789.eE+-truefalsn"flags', max_size=60))
def test_nonsense_is_a_position_not_a_crash(text):
    """Any text either has flags or a `JSONDecodeError`."""
    with suppress(json.JSONDecodeError):
        flags_of(text)


@pytest.mark.parametrize("spacing", ["", " ", "\n    ", "\r\n\t"])
def test_a_member_is_added_behind_the_only_one_as_that_one_is_spaced(spacing):
    """Also into an object of one member."""
    text = '{"flags":{"llm":{' + spacing + '"state":"ENABLED"' + spacing + "}}}"

    after = edited(text, edits_to_serve(read(text), ARMS, 5))

    added = '"targeting":{"fractional":[["gpt-4",9995],["claude",5]]}'
    assert after == text.replace('"ENABLED"', f'"ENABLED",{spacing}{added}')
