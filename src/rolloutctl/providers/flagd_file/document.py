"""JSON as text: where each value stands, and edits that leave every other byte alone.

Knows nothing of flags. A file that people keep in git must not come back re-indented,
so values are located by the JSON scanner and replaced in place, never dumped anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from json import JSONDecodeError, JSONDecoder
from typing import NamedTuple

from rolloutctl.core.json_types import Json

BOM = "\ufeff"
_SPACE = re.compile(r"[ \t\n\r]*")


class Node(NamedTuple):
    """A member of an object or an item of an array, and where its text stands.

    Offsets count characters of the whole text; `end` is exclusive. An item of an
    array has the empty key, standing where the value does.
    """

    key: str
    key_start: int
    key_end: int
    value: Json
    start: int
    end: int


class Edit(NamedTuple):
    """Replace the characters from `start` to `end` by `text`."""

    start: int
    end: int
    text: str


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


_DECODER = JSONDecoder(parse_constant=_refuse_constant)


def _scan(text: str, start: int) -> tuple[Json, int]:
    """One value and its end; every way to fail is a `JSONDecodeError` with a position."""
    try:
        value, end = _DECODER.raw_decode(text, start)
    except JSONDecodeError:
        raise
    except RecursionError:
        raise JSONDecodeError("Nested too deeply", text, start) from None
    except ValueError as error:  # NaN, or an integer of more digits than Python converts
        raise JSONDecodeError(str(error), text, start) from None
    return value, end


def _skip(text: str, start: int) -> int:
    found = _SPACE.match(text, start)
    return found.end() if found else start


def _node(text: str, start: int, *, in_object: bool) -> Node:
    if not in_object:
        value, end = _scan(text, start)
        return Node(key="", key_start=start, key_end=start, value=value, start=start, end=end)
    key, key_end = _scan(text, start)
    if not isinstance(key, str):
        raise JSONDecodeError("Expecting property name enclosed in double quotes", text, start)
    colon = _skip(text, key_end)
    if text[colon : colon + 1] != ":":
        raise JSONDecodeError("Expecting ':' delimiter", text, colon)
    value_start = _skip(text, colon + 1)
    value, end = _scan(text, value_start)
    return Node(key=key, key_start=start, key_end=key_end, value=value, start=value_start, end=end)


def children(text: str, start: int) -> tuple[tuple[Node, ...], int]:
    """Members or items of the object or array at `start`, and the offset after it.

    Duplicate keys are all returned, in order. Raises `JSONDecodeError`.
    """
    in_object = text[start] == "{"
    close = "}" if in_object else "]"
    position = _skip(text, start + 1)
    nodes: list[Node] = []
    if text[position : position + 1] == close:
        return (), position + 1
    while True:
        node = _node(text, position, in_object=in_object)
        nodes.append(node)
        position = _skip(text, node.end)
        mark = text[position : position + 1]
        if mark == close:
            return tuple(nodes), position + 1
        if mark != ",":
            raise JSONDecodeError("Expecting ',' delimiter", text, position)
        position = _skip(text, position + 1)


def flags_of(text: str) -> tuple[Node, ...]:
    """The members of the top-level `flags` object; the whole text is checked.

    Raises `JSONDecodeError` where the text is not one JSON object that has exactly
    one `flags` object.
    """
    start = _skip(text, len(BOM) if text.startswith(BOM) else 0)
    if text[start : start + 1] != "{":
        raise JSONDecodeError("Expecting an object with the key 'flags'", text, start)
    members, end = children(text, start)
    rest = _skip(text, end)
    if rest != len(text):
        raise JSONDecodeError("Extra data", text, rest)
    found = [member for member in members if member.key == "flags"]
    if not found:
        raise JSONDecodeError("The object has no key 'flags'", text, start)
    if len(found) > 1:
        raise JSONDecodeError("The key 'flags' stands here twice", text, found[1].key_start)
    if not isinstance(found[0].value, dict):
        raise JSONDecodeError("'flags' is not an object", text, found[0].start)
    return children(text, found[0].start)[0]


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits made; they must not overlap."""
    for edit in sorted(edits, key=lambda each: each.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def is_spaced(text: str, members: Sequence[Node]) -> bool:
    """True when the first member's colon is followed by a space: not a compact file."""
    return text[members[0].key_end : members[0].start].endswith(" ")


def new_member(text: str, members: Sequence[Node], key_and_value: tuple[str, str]) -> Edit:
    """Adds a member after the last one, spaced and indented as the others are.

    `key_and_value` are JSON texts; `members` are all of the object's, at least one.
    """
    last = members[-1]
    if len(members) > 1:
        comma = text[members[-2].end : last.key_start]
    else:
        comma = "," + text[text.rindex("{", 0, last.key_start) + 1 : last.key_start]
    key, value = key_and_value
    colon = text[last.key_end : last.start]
    return Edit(start=last.end, end=last.end, text=f"{comma}{key}{colon}{value}")
