"""What a frozen dataclass says of its YAML form: keys, types, which are required."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints

#: Classes whose type hints are kept; a process meets a few dozen.
CLASSES_MAX = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecField:
    """One key of a mapping that is decoded into a dataclass.

    `hint` is a type hint with its annotations; `Any` because hints have no common type.
    """

    key: str
    name: str
    hint: Any
    is_required: bool
    doc: str


@lru_cache(maxsize=CLASSES_MAX)
def fields_of(cls: type) -> tuple[SpecField, ...]:
    """The YAML keys of a dataclass, in the order of its fields.

    A field with a default that is nevertheless required carries the metadata
    `required`: the value stands in while other problems are still being looked for.
    """
    hints = get_type_hints(cls, include_extras=True)
    return tuple(
        SpecField(
            key=one.metadata.get("key", one.name),
            name=one.name,
            hint=hints[one.name],
            is_required=bool(
                one.metadata.get("required")
                or (one.default is MISSING and one.default_factory is MISSING)
            ),
            doc=one.metadata.get("doc", ""),
        )
        for one in fields(cls)
        if one.init
    )


def members_of(hint: Any) -> tuple[Any, ...]:  # Any: type hints
    """The members of a union, or the hint alone."""
    is_union = get_origin(hint) in {Union, types.UnionType}
    return get_args(hint) if is_union else (hint,)


def is_mapping(hint: Any) -> bool:  # Any: a type hint
    """Is it `Mapping[str, T]` or `dict[str, T]`?"""
    return get_origin(hint) in {Mapping, dict}
