"""Series selectors, `name{a="b",c!="d",e=~"re"}`: what a COUNTERS query is written in.

The grammar is PromQL's instant selector without `offset` and `@`: both sources that count
understand it, so a gate may change its source without being rewritten.
https://prometheus.io/docs/prometheus/latest/querying/basics/#instant-vector-selectors
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

#: A selector is a line; anything longer is a mistake.
SELECTOR_CHARS_MAX = 4_096
MATCHERS_MAX = 32
#: A regular expression over label values; longer ones should be a label of their own.
REGEX_CHARS_MAX = 256

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SPACE = re.compile(r"\s*")
_OPERATOR = re.compile(r"=~|!~|!=|=")
#: Quoted as in Go: escapes in "…" and '…', none in `…`.
_QUOTED = re.compile(r"""(?s:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)""")
_ESCAPES = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "t": "\t", "r": "\r"}


class SelectorError(ValueError):
    """A text is not a selector. `position` counts characters from 1."""

    def __init__(self, message: str, *, position: int) -> None:
        super().__init__(f"{message} at character {position}")
        self.position = position


class Operator(StrEnum):
    """How a matcher compares."""

    EQUAL = "="
    NOT_EQUAL = "!="
    MATCH = "=~"
    NOT_MATCH = "!~"


_POSITIVE = frozenset({Operator.EQUAL, Operator.MATCH})
_LITERAL = frozenset({Operator.EQUAL, Operator.NOT_EQUAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """One condition on a label; a label that a series lacks counts as empty."""

    label: str
    operator: Operator
    value: str
    position: int = 0  # of the value, for errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A metric's name and the conditions on its labels."""

    metric: str
    matchers: tuple[Matcher, ...] = ()


def parse_selector(text: str) -> Selector:
    """Parses a selector. Raises `SelectorError` with the position of the mistake."""
    if len(text) > SELECTOR_CHARS_MAX:
        raise SelectorError(
            f"longer than {SELECTOR_CHARS_MAX} characters", position=SELECTOR_CHARS_MAX
        )
    reader = _Reader(text)
    metric = reader.take(_NAME, "expected a metric name")
    matchers = reader.matchers() if reader.skip("{") else ()
    reader.finish()
    return Selector(metric=metric, matchers=matchers)


def build_predicate(selector: Selector) -> Callable[[Mapping[str, str]], bool]:
    """A test for label sets. Raises `SelectorError` for a regular expression it refuses."""
    tests = [(matcher.label, _build_test(matcher)) for matcher in selector.matchers]

    def is_selected(labels: Mapping[str, str]) -> bool:
        return all(test(labels.get(label, "")) for label, test in tests)

    return is_selected


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = _skip_space(text, 0)

    def take(self, pattern: re.Pattern[str], expected: str) -> str:
        match = pattern.match(self._text, self._at)
        if not match:
            raise self.error(expected)
        self._at = _skip_space(self._text, match.end())
        return match.group()

    def skip(self, character: str) -> bool:
        found = self._text.startswith(character, self._at)
        if found:
            self._at = _skip_space(self._text, self._at + 1)
        return found

    def matchers(self) -> tuple[Matcher, ...]:
        found: list[Matcher] = []
        while not self.skip("}"):
            found.append(self._matcher())
            if len(found) > MATCHERS_MAX:
                raise self.error(f"more than {MATCHERS_MAX} matchers")
            if not self.skip(",") and not self._text.startswith("}", self._at):
                raise self.error("expected , or }")
        return tuple(found)

    def _matcher(self) -> Matcher:
        label = self.take(_LABEL, "expected a label name")
        operator = Operator(self.take(_OPERATOR, "expected =, !=, =~ or !~"))
        position = self._at + 1
        quoted = self.take(_QUOTED, "expected a quoted value")
        value = _unquote(quoted, position)
        return Matcher(label=label, operator=operator, value=value, position=position)

    def finish(self) -> None:
        if self._at < len(self._text):
            raise self.error('expected the end of a plain selector name{label="value"}')

    def error(self, message: str) -> SelectorError:
        found = self._text[self._at : self._at + 10]
        what = f"{message}, found {found!r}" if found else f"{message}, found the end"
        return SelectorError(what, position=self._at + 1)


def _skip_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _unquote(quoted: str, position: int) -> str:
    inner = quoted[1:-1]
    if quoted[0] == "`":
        return inner

    def one(match: re.Match[str]) -> str:
        if match.group(1) not in _ESCAPES:
            raise SelectorError(
                f"unknown escape {match.group()!r} (known: {' '.join(_ESCAPES)})",
                position=position + 1 + match.start(),
            )
        return _ESCAPES[match.group(1)]

    return re.sub(r"(?s)\\(.)", one, inner)


def _build_test(matcher: Matcher) -> Callable[[str], bool]:
    wanted, value = matcher.operator in _POSITIVE, matcher.value
    if matcher.operator in _LITERAL:
        return lambda text: (text == value) is wanted
    pattern = _compile(matcher)
    return lambda text: (pattern.fullmatch(text) is not None) is wanted


def _compile(matcher: Matcher) -> re.Pattern[str]:
    """Compiles what means the same in RE2 and in Python, and cannot run for ever.

    Python's engine backtracks, RE2 does not: a repeated group can take exponential time,
    so only `?` may follow a group. Look-around and back-references exist only here.
    """
    text = matcher.value
    if len(text) > REGEX_CHARS_MAX:
        raise SelectorError(
            f"a regular expression longer than {REGEX_CHARS_MAX} characters",
            position=matcher.position,
        )
    plain = re.sub(r"(?s)\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", _blank, text)
    if found := re.search(r"\(\?(?!:)|\)[*+{]", plain):
        raise SelectorError(
            f"a regular expression with {found.group()!r}: only (?:…) and (…)? are supported",
            position=matcher.position + 1 + found.start(),
        )
    try:
        with warnings.catch_warnings():
            # "[[" means the same here and in Prometheus; Python warns of its own future.
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(text, re.DOTALL)  # as Prometheus 3 does: ^(?s:…)$
    except (re.error, OverflowError, RecursionError) as error:
        raise SelectorError(
            f"a bad regular expression ({error})", position=matcher.position
        ) from error


def _blank(match: re.Match[str]) -> str:
    """Escapes and classes as dots, so that only the structure is left to look at."""
    if re.fullmatch(r"\\[1-9]", match.group()):
        return "(?\\" + match.group()[1]  # a back-reference: refused below like a (?…)
    return "." * len(match.group())
