"""Whom a variant's rule reaches: a share of an audience, and a cohort besides; pure.

Written as `(or INCLUDE (and AUDIENCE (split pct::N by::$key)))`, with the parts that there
are. Only rules of this form are read back; any other is somebody's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rolloutctl.core.exposure import Cohort, Condition
from rolloutctl.errors import Rejected
from rolloutctl.providers.appconfig.rule_language import (
    KEY,
    RULE_CHARS_MAX,
    Call,
    Key,
    Operand,
    format_literal,
    is_literal,
    parse_rule,
)

_FULL_PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """A rule's share in whole percent of the audience, and who gets it besides."""

    percent: int
    audience: Cohort | None = None
    include: Cohort | None = None

    @property
    def is_plain(self) -> bool:
        """A share of everybody."""
        return self.audience is None and self.include is None


def format_reach(reach: Reach, key: str) -> str:
    """The rule that holds for them; units are told apart by the context value `key`.

    Raises:
        Rejected: a condition that AppConfig's language cannot hold.
    """
    rule = f"(split pct::{reach.percent} by::${key})"
    if reach.audience is not None:
        rule = f"(and {' '.join(_conditions(reach.audience))} {rule})"
    if reach.include is not None:
        included = _conditions(reach.include)
        cohort = included[0] if len(included) == 1 else f"(and {' '.join(included)})"
        rule = f"(or {cohort} {rule})"
    if len(rule) > RULE_CHARS_MAX:
        message = f"the rule has {len(rule)} characters; AppConfig takes {RULE_CHARS_MAX}"
        raise Rejected(message, hint="name fewer values in audience and include")
    return rule


def parse_reach(text: str, key: str) -> Reach:
    """Whom the rule reaches.

    Raises:
        ValueError: a rule of another form, or one that tells units apart by another key.
    """
    rule = parse_rule(text)
    include = audience = None
    if rule.operator == "or":
        cohort, rule = _two(rule)
        parts = _calls(cohort) if cohort.operator == "and" else (cohort,)
        include = tuple(_condition(each) for each in parts)
    if rule.operator == "and":
        eligible = _calls(rule)
        audience, rule = tuple(_condition(each) for each in eligible[:-1]), eligible[-1]
    return Reach(percent=_percent(rule, key), audience=audience or None, include=include or None)


def _conditions(cohort: Cohort) -> list[str]:
    return [_written(each) for each in cohort]


def _written(condition: Condition) -> str:
    name = condition.attribute
    if not re.fullmatch(KEY, name):
        message = f"{name!r} is no context key of AppConfig"
        raise Rejected(message, hint="a letter, then up to 63 letters, digits, _ or -")
    try:
        values = [format_literal(each) for each in condition.values]
    except ValueError as error:
        hint = 'use text without ", \\ and control characters, or a finite number'
        raise Rejected(f"{name}: {error}", hint=hint) from error
    if len(values) == 1:
        return f"(eq ${name} {values[0]})"
    return f"(in ${name} [{', '.join(values)}])"


def _condition(rule: Call) -> Condition:
    match rule:
        case Call(operator="eq", operands=(Key(name), found)) if is_literal(found):
            return Condition(attribute=name, values=(found,))
        case Call(operator="in", operands=(Key(name), tuple() as found)) if found:
            return Condition(attribute=name, values=found)
        case _:
            raise ValueError(f"({rule.operator} …) is no plain list of values")


def _two(rule: Call) -> tuple[Call, Call]:
    found = _calls(rule)
    if len(found) != 2:  # noqa: PLR2004 - the cohort and the split
        raise ValueError(f"({rule.operator} …) has {len(found)} operands, not two")
    return found[0], found[1]


def _calls(rule: Call) -> tuple[Call, ...]:
    """Its operands, all of them operators; at least one."""
    found: list[Operand] = list(rule.operands)
    calls = tuple(each for each in found if isinstance(each, Call))
    if not calls or len(calls) != len(found) or rule.named:
        raise ValueError(f"({rule.operator} …) has other operands than conditions")
    return calls


def _percent(rule: Call, key: str) -> int:
    """The split's share. SAFETY: one with a seed, or by another key, has other units."""
    percent, by = rule.named.get("pct"), rule.named.get("by")
    is_split = rule.operator == "split" and not rule.operands and set(rule.named) == {"pct", "by"}
    if not is_split or not isinstance(percent, int) or isinstance(percent, bool):
        raise ValueError(f"({rule.operator} …) is no split by whole percent without a seed")
    if not 0 <= percent <= _FULL_PERCENT or not isinstance(by, Key):
        raise ValueError("the split is no share of a context value")
    # Nobody is told apart by a share of nobody.
    if by.name != key and percent:
        raise ValueError(f"it is split by {by.name}, not by {key}")
    return percent
