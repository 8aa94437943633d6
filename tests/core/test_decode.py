"""The decoder alone: every type hint, right and wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolloutctl.core import canonical
from rolloutctl.core.decode import BROKEN, Decoder
from rolloutctl.core.document import Node
from rolloutctl.core.report import Report, listed, suggestion
from rolloutctl.core.resolve import Resolver
from rolloutctl.core.scalars import expectation
from rolloutctl.core.secret import SecretRef
from rolloutctl.core.units import DurationS, Factor, Name, Points, Share, WeightBp, key


class Colour(StrEnum):
    """A closed set."""

    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """A nested mapping with a rule of its own."""

    a: int = 0

    def __post_init__(self):
        if self.a == 13:
            raise ValueError("a cannot be 13")


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Another mapping, for unions."""

    b: str
    c: str = key("cc", default="")


def scalar(text, *, plain=True):
    """A node of one scalar."""
    return Node(kind="scalar", line=3, column=7, text=text, plain=plain)


def mapping(**values):
    """A node of a mapping of plain scalars or nodes."""
    pairs = tuple(
        (scalar(name), value if isinstance(value, Node) else scalar(value))
        for name, value in values.items()
    )
    return Node(kind="mapping", line=3, column=7, pairs=pairs)


def sequence(*items):
    """A node of a list."""
    return Node(kind="sequence", line=3, column=7, items=tuple(scalar(one) for one in items))


def decoded(node, hint, *, env=None):
    """The value and the messages."""
    report = Report("f")
    value = Decoder(report=report, resolver=Resolver(report=report, env=env or {})).value(
        node, hint, "x"
    )
    return value, [problem.message for problem in report.problems]


@pytest.mark.parametrize(
    ("node", "hint", "value"),
    [
        (scalar("5"), str, "5"),
        (scalar("null", plain=False), str, "null"),
        (scalar("null"), Name, "null"),
        (scalar("1e3"), Name, "1e3"),
        (scalar("5"), int, 5),
        (scalar("1e3"), float, 1000.0),
        (scalar("TRUE"), bool, True),
        (scalar("red"), Colour, Colour.RED),
        (scalar("b"), Literal["a", "b"], "b"),
        (scalar("5%"), WeightBp, 500),
        (scalar("5%", plain=False), Share, 0.05),
        (scalar("1h30m"), DurationS, 5400.0),
        (scalar("1.25x"), Factor, 1.25),
        (scalar("+5pp"), Points, 0.05),
        (scalar(""), int | None, None),
        (scalar("~"), WeightBp | None, None),
        (scalar("null"), Name | None, "null"),
        (scalar("5"), int | None, 5),
        (scalar("7"), int | bool | str, 7),
        (scalar("true"), int | bool | str, True),
        (scalar("x"), int | bool | str, "x"),
        (sequence("a", "b"), tuple[str, ...], ("a", "b")),
        (sequence("a"), str | tuple[str, ...], ("a",)),
        (mapping(a="1"), Mapping[str, int], {"a": 1}),
        (mapping(a="1"), dict[str, int], {"a": 1}),
        (mapping(a="1"), Inner, Inner(a=1)),
        (mapping(a="1"), Other | Inner, Inner(a=1)),
        (mapping(b="1", cc="2"), Inner | Other, Other(b="1", c="2")),
        (mapping(b="1"), str | Other, Other(b="1")),
        (mapping(file="/x"), SecretRef | Inner, SecretRef(file="/x")),
        (mapping(a="1"), SecretRef | Inner, Inner(a=1)),
        (mapping(a="1"), Mapping[str, str] | str, {"a": "1"}),
        (scalar("${env.T}"), SecretRef, SecretRef(env="T")),
        (scalar("${env.T}"), SecretRef | None, SecretRef(env="T")),
        (scalar("${env.T}"), str | SecretRef | None, SecretRef(env="T")),
    ],
)
def test_every_supported_type_is_read(node, hint, value):
    """The hint decides, not the look of the text."""
    assert decoded(node, hint) == (value, [])


@pytest.mark.parametrize(
    ("node", "hint", "message"),
    [
        (scalar("x"), int | float, "x: is not a whole number or a number"),
        (mapping(a="1"), str | tuple[str, ...], "x: is keys and values, not a text or a list"),
        (scalar("x"), Inner, "x: is one value, not keys and values"),
        (scalar("x"), Mapping[str, str], "x: is one value, not names and values"),
        (scalar(""), Inner, "x: has no value"),
        (mapping(a="13"), Inner, "x: a cannot be 13"),
        (scalar("1e3"), int, "x: '1e3' is not a whole number"),
        (scalar("9" * 40), int, "x: '" + "9" * 40 + "' is not a whole number"),
        (scalar("1.2"), Factor, "x: is a bare number; a factor such as 1.25x is needed"),
        (scalar("+5"), Points, "x: is a bare number; a difference such as +5pp is needed"),
        (scalar("\N{ARABIC-INDIC DIGIT FIVE}%"), Share, "x: is not a share such as 5%"),
        (scalar("a"), Share, "x: a share is a percentage such as 5%"),
        (scalar("rde"), Colour, "x: 'rde' is not one of: red"),
        (mapping(a="${env.X}"), Mapping[str, str], "x.a: the environment variable X is not set"),
        (mapping(file="${env.X}"), SecretRef, "x.file: the environment variable X is not set"),
        (mapping(file="a", more="b"), SecretRef, "x: a secret is never written in a playbook"),
    ],
)
def test_a_wrong_value_is_told_and_is_broken(node, hint, message):
    """What is wrong, with the key; the value never reaches a dataclass."""
    value, messages = decoded(node, hint)

    assert value is BROKEN
    assert messages == [message]


def test_an_unsupported_hint_is_the_plug_ins_mistake():
    """It shows the first time the plug-in is tried, not as a problem of a playbook."""
    with pytest.raises(TypeError, match="cannot have the type"):
        decoded(scalar("x"), complex)


def test_a_values_source_in_the_environment_is_never_shown():
    """The message shows the reference instead."""
    _, messages = decoded(scalar("${env.X}"), Colour, env={"X": "planted-secret"})

    assert messages == ["x: '${env.X}' is not one of: red"]


def test_long_lists_and_long_words_stay_readable():
    """Messages are bounded whatever the document holds."""
    assert listed([]) == "none"
    assert listed(str(number) for number in range(25)).endswith("19 and 5 more")
    assert suggestion("x" * 65, ["x" * 64]) == ""
    assert suggestion("a", ["a"] * 501) == ""
    assert expectation(Colour) == "one of: red"
    _, messages = decoded(scalar("z" * 500), Colour)
    assert len(messages[0]) < 150


nodes = st.recursive(
    st.builds(
        lambda text, plain: scalar(text, plain=plain),
        st.text(max_size=8) | st.sampled_from(["null", "5", "1e3", "true", "", '"', '"5"', "~"]),
        st.booleans(),
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(
            lambda items: Node(kind="sequence", line=1, column=1, items=tuple(items))
        )
        | st.dictionaries(st.text(max_size=4), inner, max_size=3).map(
            lambda pairs: mapping(**pairs)
        )
    ),
    max_leaves=8,
)


@given(nodes)
def test_the_canonical_form_is_a_fixed_point(node):
    """Writing what was read gives the same text, so that hashes are stable."""
    text = canonical.dump(canonical.encode(node, lambda one: (one.text, one.plain)))

    again = canonical.encode(canonical.decode(text), lambda one: (one.text, one.plain))

    assert canonical.dump(again) == text


@given(
    st.text(max_size=8) | st.sampled_from(["null", "5", "1e3", "true", "", '"', '"5"', "~"]),
    st.booleans(),
    st.sampled_from([str, Name, int, float, bool, int | None, WeightBp, Colour]),
)
def test_a_scalar_means_the_same_before_and_after_the_journal(text, plain, hint):
    """Quotes are kept exactly where they carry meaning."""
    node = scalar("" if plain and text.startswith('"') else text, plain=plain)
    document = canonical.dump(canonical.encode(node, lambda one: (one.text, one.plain)))

    before = decoded(node, hint)
    after = decoded(canonical.decode(document), hint)

    assert before == after
