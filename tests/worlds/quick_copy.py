"""`dataclasses.replace` at less than half its price, for schedules run by the million.

A state has 27 fields, and a schedule makes hundreds of states: the library's `replace`
took half of the model test's time (Python 3.11, 2026-11). A test holds it to the original.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

_SLOTS: dict[type, list[tuple[str, Callable, Callable]] | None] = {}


def _slots_of(kind: type) -> list[tuple[str, Callable, Callable]] | None:
    plain = is_dataclass(kind) and "__slots__" in vars(kind) and not hasattr(kind, "__post_init__")
    if not plain or any(not one.init for one in fields(kind)):
        return None
    members = [(one.name, getattr(kind, one.name)) for one in fields(kind)]
    return [(name, member.__get__, member.__set__) for name, member in members]


def quick_replace(instance: Any, /, **changes: Any) -> Any:
    """As `dataclasses.replace`; falls back on it where a class does more than hold fields."""
    kind = type(instance)
    if kind not in _SLOTS:
        _SLOTS[kind] = _slots_of(kind)
    slots = _SLOTS[kind]
    if slots is None:
        return replace(instance, **changes)
    new = object.__new__(kind)
    for name, get, put in slots:
        put(new, changes[name] if name in changes else get(instance))
    return new
