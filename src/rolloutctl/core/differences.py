"""What differs between two documents, by meaning: keys, names and steps, not lines; pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

from rolloutctl.core.json_types import Json

#: Deeper than this, values are compared whole.
DEPTH_MAX = 12


class Change(StrEnum):
    """What became of a value."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value that is not the same. `where` is its path, such as `gates.errors.margin`."""

    where: str
    change: Change
    before: Json = None
    after: Json = None


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """All differences, in the order of the later document. Values are parsed JSON."""
    return tuple(_mappings("", before, after, 0))


def _mappings(
    where: str, before: Mapping[str, Any], after: Mapping[str, Any], depth: int
) -> Iterator[Difference]:
    for key in dict.fromkeys([*after, *before]):
        path = f"{where}.{key}" if where else str(key)
        if key not in before:
            yield Difference(where=path, change=Change.ADDED, after=after[key])
        elif key not in after:
            yield Difference(where=path, change=Change.REMOVED, before=before[key])
        else:
            yield from _values(path, before[key], after[key], depth + 1)


def _values(where: str, before: Any, after: Any, depth: int) -> Iterator[Difference]:
    # By their texts: to Python `False == 0`, at any depth, and to whoever reads it not.
    if _texts([before]) == _texts([after]):
        return
    if depth < DEPTH_MAX and isinstance(before, dict) and isinstance(after, dict):
        yield from _mappings(where, before, after, depth)
    elif depth < DEPTH_MAX and _is_of_entries(before) and _is_of_entries(after):
        yield from _lists(where, before, after, depth)
    else:
        yield Difference(where=where, change=Change.CHANGED, before=before, after=after)


def _is_of_entries(value: Any) -> bool:
    """A list of objects, such as steps: its entries move. A list of names is one value."""
    return isinstance(value, list) and any(isinstance(one, dict) for one in value)


def _texts(entries: Sequence[Any]) -> list[str]:
    return [json.dumps(one, sort_keys=True) for one in entries]


def _lists(
    where: str, before: Sequence[Any], after: Sequence[Any], depth: int
) -> Iterator[Difference]:
    """Entries that stayed are recognised wherever they stand now; places count from 1."""
    matched = SequenceMatcher(None, _texts(before), _texts(after), autojunk=False)
    for kind, i, i_end, j, j_end in matched.get_opcodes():
        if kind == "equal":
            continue
        both = min(i_end - i, j_end - j)
        for offset in range(both):
            path = f"{where}[{j + offset + 1}]"
            yield from _values(path, before[i + offset], after[j + offset], depth + 1)
        for place in range(j + both, j_end):
            yield Difference(where=f"{where}[{place + 1}]", change=Change.ADDED, after=after[place])
        for place in range(i + both, i_end):
            path = f"{where}[{place + 1} before]"
            yield Difference(where=path, change=Change.REMOVED, before=before[place])
