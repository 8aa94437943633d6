"""Finds out whether an expression's data is still coming in.

Prometheus dates the value of an expression with the time of the evaluation, so the value
of `rate(x[1h])` looks new for an hour after the exporter died. This file finds the
selectors in an expression and builds a second one that says which of them rest on nothing
newer than the staleness limit. It knows tokens, not the whole grammar; a selector with
`offset` or `@` asks for the past on purpose and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

#: Selectors checked of one expression; the check's own text stays small.
SELECTORS_MAX = 16
#: The label by which the check names a selector: its place in the list.
INDEX_LABEL = "rolloutctl_selector"

_TOKEN = re.compile(
    r"""(?xs)
    (?P<space>\s+|\#[^\n]*)
  | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
  | (?P<braces>\{(?:[^"'`{}]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)*\})
  | (?P<range>\[[^\]]*\])
  | (?P<number>\d[\w.]*|\.\d\w*)
  | (?P<word>[a-zA-Z_:][\w:]*)
  | (?P<other>.)
    """
)
_LABEL_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_OPERATORS = frozenset({"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"})
_DURATION_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_Token = tuple[str, str]  # the kind's name and the text


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedSelector:
    """A selector as it stands in an expression; `range_s` is 0 for an instant one."""

    text: str
    range_s: float


def build_check(selectors: Sequence[UsedSelector], *, staleness_s: float) -> str:
    """An expression with one series for each selector whose data is too old; may be "".

    Ranges up to the staleness limit need no check: nothing in them is older.
    """
    parts = []
    for index, selector in enumerate(selectors[:SELECTORS_MAX]):
        if not selector.range_s:
            old = f"(time() - max(timestamp({selector.text}))) > {staleness_s:g}"
        elif selector.range_s > staleness_s:
            window, fresh = f"{selector.range_s:g}", f"{staleness_s:g}"
            old = (
                f"count(count_over_time({selector.text}[{_whole(window)}])) unless "
                f"count(count_over_time({selector.text}[{_whole(fresh)}]))"
            )
        else:
            continue
        parts.append(f'label_replace({old}, "{INDEX_LABEL}", "{index}", "", "")')
    return " or ".join(parts)


def used_selectors(expression: str) -> list[UsedSelector]:
    """The selectors that ask for the present, without repeats."""
    tokens = [
        (match.lastgroup or "", match.group())
        for match in _TOKEN.finditer(expression)
        if match.lastgroup != "space"
    ]
    tokens = _without_label_lists(tokens)
    found: dict[UsedSelector, None] = {}
    subqueries_s = 0.0
    for at, (kind, text) in enumerate(tokens):
        after = tokens[at + 1 : at + 5]
        if kind == "range" and at and tokens[at - 1][1] == ")":
            if _asks_for_the_past(after):
                return []
            subqueries_s += _range_s(text)
        if kind == "braces" and not (at and _is_metric(tokens[at - 1], [])):
            _add(found, text, after)
        elif _is_metric((kind, text), after):
            has_braces = bool(after) and after[0][0] == "braces"
            _add(found, text + after[0][1] if has_braces else text, after[has_braces:])
    return [UsedSelector(text=one.text, range_s=one.range_s + subqueries_s) for one in found]


def _add(found: dict[UsedSelector, None], text: str, after: list[_Token]) -> None:
    range_s = 0.0
    if after and after[0][0] == "range":
        range_s = _range_s(after[0][1])
        after = after[1:]
    if not _asks_for_the_past(after):
        found[UsedSelector(text=text, range_s=range_s)] = None


def _asks_for_the_past(after: list[_Token]) -> bool:
    return bool(after) and (after[0][1] == "@" or after[0][1].lower() == "offset")


def _is_metric(token: _Token, after: list[_Token]) -> bool:
    kind, word = token
    if kind != "word" or word.lower() in _OPERATORS | _LABEL_LISTS:
        return False
    following = after[0][1].lower() if after else ""
    return following not in {"(", "by", "without"}


def _without_label_lists(tokens: list[_Token]) -> list[_Token]:
    """Drops `(a, b)` after `by`, `on` …: these words are labels, not metrics."""
    kept: list[_Token] = []
    inside = False
    for token in tokens:
        if inside:
            inside = token[1] != ")"
            continue
        if token[1] == "(" and kept and kept[-1][1].lower() in _LABEL_LISTS:
            inside = True
            kept.append(("other", ","))  # so that `by (a) (x)` drops the first pair only
            continue
        kept.append(token)
    return kept


def _range_s(text: str) -> float:
    """Seconds of `[5m]` or of the range in `[1h:1m]`."""
    window = text.strip("[]").partition(":")[0]
    return sum(float(count) * _SECONDS[unit] for count, unit in _DURATION_PART.findall(window))


def _whole(seconds: str) -> str:
    return f"{max(round(float(seconds) * 1000), 1)}ms"
