"""AppConfig's rule language: read, written and evaluated; what a rule of ours reaches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolloutctl.core.exposure import Condition
from rolloutctl.errors import Rejected
from rolloutctl.providers.appconfig.reach import Reach, format_reach, parse_reach
from rolloutctl.providers.appconfig.rule_evaluation import is_met
from rolloutctl.providers.appconfig.rule_language import RULE_CHARS_MAX, parse_rule

KEY = "userId"
EU = Condition(attribute="region", values=("eu", "us"))
GOLD = Condition(attribute="tier", values=("gold",))
BETA = Condition(attribute="beta", values=(True,))

texts = st.text(st.characters(blacklist_characters='"\\', min_codepoint=32), max_size=12)
finite = st.floats(allow_nan=False, allow_infinity=False)
literals = texts | st.integers() | st.booleans() | finite
names = st.from_regex(r"[A-Za-z][A-Za-z\d_-]{0,10}", fullmatch=True)
conditions = st.builds(
    lambda name, values: Condition(attribute=name, values=tuple(values)),
    names,
    st.lists(literals, min_size=1, max_size=4),
)
cohorts = st.none() | st.lists(conditions, min_size=1, max_size=3).map(tuple)
reaches = st.builds(
    lambda percent, audience, include: Reach(percent=percent, audience=audience, include=include),
    st.integers(0, 100),
    cohorts,
    cohorts,
)


def met(text, **context):
    return is_met(parse_rule(text), context, seed="flag")


@given(reaches)
def test_what_is_written_is_read_back(reach):
    """Every share, audience and cohort that the language can hold, types included."""
    found = parse_reach(format_reach(reach, KEY), KEY)

    assert found == reach
    assert repr(found) == repr(reach)


@pytest.mark.parametrize(
    ("reach", "text"),
    [
        (Reach(percent=5), "(split pct::5 by::$userId)"),
        (
            Reach(percent=5, audience=(EU, GOLD)),
            '(and (in $region ["eu", "us"]) (eq $tier "gold") (split pct::5 by::$userId))',
        ),
        (Reach(percent=5, include=(BETA,)), "(or (eq $beta true) (split pct::5 by::$userId))"),
        (
            Reach(percent=0, audience=(GOLD,), include=(BETA, EU)),
            (
                '(or (and (eq $beta true) (in $region ["eu", "us"]))'
                ' (and (eq $tier "gold") (split pct::0 by::$userId)))'
            ),
        ),
    ],
)
def test_rules_are_written_in_appconfigs_own_words(reach, text):
    """As its guide writes them."""
    assert format_reach(reach, KEY) == text


@pytest.mark.parametrize(
    "text",
    ["(split by::$userId pct::5)", " ( split  pct::5 by::${userId} ) "],
)
def test_order_and_spaces_do_not_matter(text):
    """Somebody may have typed it."""
    assert parse_reach(text, KEY) == Reach(percent=5)


@pytest.mark.parametrize(
    "text",
    [
        '(split pct::5 by::$userId seed::"abc")',
        "(split pct::5 by::$orgId)",
        "(split pct::5.5 by::$userId)",
        "(split pct::true by::$userId)",
        "(split pct::101 by::$userId)",
        "(split pct::5)",
        "(split 5 $userId)",
        '(eq $tier "gold")',
        '(and (eq $tier "gold"))',
        "(and)",
        "(or (split pct::5 by::$userId))",
        "(and (gt $age 65) (split pct::5 by::$userId))",
        '(and (not (eq $tier "gold")) (split pct::5 by::$userId))',
        "(and (in $tier []) (split pct::5 by::$userId))",
        "(and true (split pct::5 by::$userId))",
        "(and (or (eq $a 1) (eq $b 1)) (split pct::5 by::$userId))",
        "(or (eq $a 1) (split pct::5 by::$userId) (split pct::9 by::$userId))",
        "(split pct::5 by::$userId) (split pct::9 by::$userId)",
        "(split pct::5 by::$userId",
        "true",
        "",
        "(" * 200,
        "(eq $a [1 2])",
    ],
)
def test_other_rules_are_somebodys_own(text):
    """None of them is taken for a share."""
    with pytest.raises(ValueError, match=r"."):
        parse_reach(text, KEY)


def test_a_split_of_nobody_may_be_by_any_key():
    """Nobody is told apart by it."""
    assert parse_reach("(split pct::0 by::$orgId)", KEY) == Reach(percent=0)


@pytest.mark.parametrize(
    "condition",
    [
        Condition(attribute="tier", values=('say "hi"',)),
        Condition(attribute="tier", values=("back\\slash",)),
        Condition(attribute="tier", values=("two\nlines",)),
        Condition(attribute="tier", values=(float("nan"),)),
        Condition(attribute="tier", values=(float("inf"),)),
        Condition(attribute="a.b", values=("x",)),
        Condition(attribute="", values=("x",)),
    ],
)
def test_what_the_language_cannot_hold_is_refused(condition):
    """Nothing is escaped by guess."""
    with pytest.raises(Rejected) as caught:
        format_reach(Reach(percent=5, audience=(condition,)), KEY)

    assert caught.value.hint


def test_a_rule_too_long_for_appconfig_is_refused():
    """Before it is sent."""
    many = Condition(attribute="user", values=tuple(f"user-{n}" for n in range(2_000)))

    with pytest.raises(Rejected, match=f"AppConfig takes {RULE_CHARS_MAX}"):
        format_reach(Reach(percent=5, include=(many,)), KEY)


@pytest.mark.parametrize(
    ("text", "context", "is_true"),
    [
        ('(eq $state "Virginia")', {"state": "Virginia"}, True),
        ('(eq $state "Virginia")', {"state": "Ohio"}, False),
        ('(eq $state "Virginia")', {}, False),
        ("(eq $beta true)", {"beta": True}, True),
        ("(eq $beta true)", {"beta": 1}, False),
        ("(eq $tier 3)", {"tier": "3"}, False),
        ("(eq $tier 3)", {"tier": 3.0}, True),
        ("(gt $age 65)", {"age": 66}, True),
        ("(gt $age 65)", {"age": 65}, False),
        ("(gte $age 65)", {"age": 65}, True),
        ("(lt $age 65)", {"age": 64.5}, True),
        ("(lte $age 65)", {"age": 66}, False),
        ("(gt $age 65)", {"age": "70"}, False),
        ('(and (eq $state "Virginia") (gt $age 65))', {"state": "Virginia", "age": 70}, True),
        ('(and (eq $state "Virginia") (gt $age 65))', {"state": "Virginia", "age": 60}, False),
        ('(or (eq $state "Virginia") (gt $age 65))', {"age": 70}, True),
        ('(not (eq $state "Virginia"))', {"state": "Ohio"}, True),
        ('(begins_with $state "V")', {"state": "Virginia"}, True),
        ('(ends_with $mail "@x.com")', {"mail": "a@x.com"}, True),
        ('(contains $code "WIN")', {"code": "a-WIN-b"}, True),
        ('(contains $code "WIN")', {"code": "win"}, False),
        ('(in $userId ["123", "456"])', {"userId": "456"}, True),
        ('(in $userId ["123", "456"])', {"userId": 456}, False),
        ('(matches in::$greeting pattern::"h.*y")', {"greeting": "oh hey"}, True),
        ('(matches in::$greeting pattern::"h.*y")', {}, False),
        ('(exists key::"country")', {"country": "US"}, True),
        ('(exists key::"country")', {}, False),
        ("(split pct::100 by::$userId)", {"userId": "a"}, True),
        ("(split pct::100 by::$userId)", {}, False),
        ("(split pct::0 by::$userId)", {"userId": "a"}, False),
    ],
)
def test_rules_mean_what_the_guide_says(text, context, is_true):
    """Every operator, met and not; what is missing or of another type satisfies nothing."""
    assert met(text, **context) is is_true


@pytest.mark.parametrize(
    "text",
    [
        "(eq $at 2012-03-04T05:06:07-08:00)",
        "(eq $a)",
        "(xor $a 1)",
        "(and 3)",
        "(exists key::3)",
        "(split pct::many by::$a)",
        '(split pct::"5" by::$a)',
        '(matches in::$a pattern::"(")',
    ],
)
def test_what_is_not_evaluated_here_is_said(text):
    """Never a guess."""
    with pytest.raises(ValueError, match=r"."):
        met(text, a="x", at="2012")


def test_variants_share_one_hash_and_a_seed_is_another():
    """20 and 20 give 20, 0, 80; a growing share keeps who has it."""
    units = [f"unit-{n}" for n in range(4_000)]

    def who(rule):
        return {unit for unit in units if met(rule, u=unit)}

    few, more = who("(split pct::20 by::$u)"), who("(split pct::40 by::$u)")

    assert few < more
    assert abs(len(few) - 800) < 150
    assert who('(split pct::20 by::$u seed::"b")') != few
