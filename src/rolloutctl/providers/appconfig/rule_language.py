"""The text of a variant's rule as a tree, and back; pure.

AppConfig's own language: operators before their operands, in parentheses; operands by place
or by name (`pct::10`).
https://docs.aws.amazon.com/appconfig/latest/userguide/appconfig-creating-multi-variant-feature-flags-rules-operators.html
What a rule means is `rule_evaluation.py`'s matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeGuard

#: AWS's own limit of a rule.
RULE_CHARS_MAX = 16_384
#: Deeper nesting is no rule that a person wrote.
DEPTH_MAX = 50
#: The names of context values; AppConfig's keys are of the same form.
KEY = r"[A-Za-z][A-Za-z\d_-]{0,63}"

_TOKEN = re.compile(
    rf"""\s*(?:
      (?P<open>\() | (?P<close>\)) | (?P<start>\[) | (?P<end>\]) | (?P<comma>,)
    | (?P<name>{KEY})::
    | "(?P<text>[^"\\\x00-\x1f]*)"
    | \$(?:\{{(?P<braced>{KEY})\}}|(?P<key>{KEY}))
    | (?P<time>\d{{4}}-\d\d(?:-\d\d)?(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?)(?![\d.])
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<word>[a-z_]+)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Key:
    """A value of the unit's context, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Time:
    """A moment as AppConfig writes it; rules of rolloutctl hold none."""

    text: str


Literal: TypeAlias = str | int | float | bool
Operand: TypeAlias = "Literal | Key | Time | tuple[Literal, ...] | Call"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An operator with its operands, by place and by name."""

    operator: str
    operands: tuple[Operand, ...] = ()
    named: Mapping[str, Operand] = field(default_factory=dict)


def parse_rule(text: str) -> Call:
    """The rule as a tree.

    Raises:
        ValueError: not a rule of this language, with what was found where.
    """
    if len(text) > RULE_CHARS_MAX:
        raise ValueError(f"the rule has {len(text)} characters, AppConfig takes {RULE_CHARS_MAX}")
    tokens = _Tokens(text)
    found = _operand(tokens, 0)
    tokens.expect("done")
    if isinstance(found, Call):
        return found
    raise ValueError("a rule begins with an operator in parentheses")


def is_literal(found: Operand) -> TypeGuard[Literal]:
    """Is it a constant, neither a list nor anything of the unit's?"""
    return isinstance(found, str | int | float)


def format_literal(found: Literal) -> str:
    """A constant as AppConfig writes it.

    Raises:
        ValueError: text that the language has no way to quote, or no finite number.
    """
    if isinstance(found, bool):
        return "true" if found else "false"
    written = f'"{found}"' if isinstance(found, str) else repr(found)
    match = _TOKEN.fullmatch(written)
    if match is None or match.lastgroup not in {"text", "number"}:
        raise ValueError(f"{found!r} cannot be written in a rule of AppConfig")
    return written


class _Tokens:
    """The text's tokens in turn: (kind, text), and ("done", "") at the end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found = self._scan()
        self.kind, self.text = next(self._found, ("done", ""))

    def take(self) -> tuple[str, str]:
        """This one, and on to the next."""
        taken = (self.kind, self.text)
        self.kind, self.text = next(self._found, ("done", ""))
        return taken

    def expect(self, kind: str) -> None:
        """Passes over one of this kind, or raises."""
        if self.kind != kind:
            raise ValueError(f"{self.text!r} stands where {kind} was expected")
        if kind != "done":
            self.take()

    def _scan(self) -> Iterator[tuple[str, str]]:
        at, end = 0, len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if match is None or match.lastgroup is None:
                raise ValueError(f"character {at + 1}: {self._text[at : at + 20]!r} is no rule")
            at = match.end()
            kind = "key" if match.lastgroup == "braced" else match.lastgroup
            yield kind, match[match.lastgroup]
        yield "done", ""


def _operand(tokens: _Tokens, depth: int) -> Operand:
    if depth > DEPTH_MAX:
        raise ValueError(f"the rule is nested deeper than {DEPTH_MAX}")
    kind, text = tokens.take()
    if kind == "open":
        return _call(tokens, depth)
    if kind == "start":
        return _list(tokens)
    if kind == "key":
        return Key(text)
    if kind == "time":
        return Time(text)
    return _literal(kind, text)


def _call(tokens: _Tokens, depth: int) -> Call:
    operator = tokens.text
    tokens.expect("word")
    operands: list[Operand] = []
    named: dict[str, Operand] = {}
    while tokens.kind != "close":
        if tokens.kind == "name":
            _, name = tokens.take()
            named[name] = _operand(tokens, depth + 1)
        else:
            operands.append(_operand(tokens, depth + 1))
    tokens.take()
    return Call(operator=operator, operands=tuple(operands), named=named)


def _list(tokens: _Tokens) -> tuple[Literal, ...]:
    found: list[Literal] = []
    while tokens.kind != "end":
        found.append(_literal(*tokens.take()))
        if tokens.kind == "comma":
            tokens.take()
        elif tokens.kind != "end":
            raise ValueError(f"{tokens.text!r} stands in a list where a comma was expected")
    tokens.take()
    return tuple(found)


def _literal(kind: str, text: str) -> Literal:
    if kind == "text":
        return text
    if kind == "number":
        return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
    if kind == "word" and text in {"true", "false"}:
        return text == "true"
    raise ValueError(f"{text or 'the end'!r} stands where a value was expected")
