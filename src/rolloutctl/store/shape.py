"""JSON from frozen dataclasses and back, driven by their type hints.

One pair of functions per type is built at first use and kept, because a simulated day
encodes thousands of events. Knows types, not events; versions are `codec`'s matter.
Strict both ways: what could not be read back is refused when it is written.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

#: The key that names the class where a field may hold one of several.
TAG = "kind"
#: Nesting beyond which JSON is refused; Python's own parser gives up near 1000.
DEPTH_MAX = 200


class NewerFormat(ValueError):
    """The JSON names something that only a newer version can know."""


class AnyJson:
    """Stands for `Json` in resolved hints; the recursive alias cannot be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How one type becomes JSON and comes back.

    `Any` is what the type hint says, or parsed JSON. Both raise `ValueError`.
    """

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


@cache
def shape_of(hint: Any) -> Shape:
    """The shape of a type hint. Raises `TypeError` for one that has none."""
    if hint in _SCALARS:
        return _SCALARS[hint]
    if is_dataclass(hint) and isinstance(hint, type):
        return _dataclass_shape(hint)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _enum_shape(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple:
        return _tuple_shape(arguments)
    if origin in {Union, types.UnionType}:
        return _union_shape(arguments)
    raise TypeError(f"{hint} cannot be journalled: give it a shape in {__name__}")


def format_time(at: datetime) -> str:
    """RFC 3339 UTC with microseconds; sorts as text. Raises `ValueError` if naive."""
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise ValueError(f"{at!r} is not an aware time")
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:-6] + "Z"


def parse_time(text: str) -> datetime:
    """The reverse of `format_time`. Raises `ValueError`."""
    if not isinstance(text, str) or not text.endswith("Z"):
        raise ValueError(f"{text!r} is not a UTC time")
    return datetime.fromisoformat(text)


def _dataclass_shape(cls: type) -> Shape:
    # The alias is replaced through localns: resolved, it would be an endless union.
    hints = get_type_hints(cls, localns={"Json": AnyJson})
    shapes = tuple((field.name, shape_of(hints[field.name])) for field in fields(cls))
    encoders = tuple((name, shape.encode) for name, shape in shapes)
    decoders = {name: shape.decode for name, shape in shapes}

    def encode(value: Any) -> dict[str, Any]:
        try:
            return {name: write(getattr(value, name)) for name, write in encoders}
        except (ValueError, AttributeError, OverflowError) as error:
            raise ValueError(_blame(cls, value, encoders)) from error

    def decode(data: Any) -> Any:
        if type(data) is not dict:
            raise ValueError(f"{cls.__name__}: expected an object, found {data!r:.80}")
        try:
            arguments = {name: decoders[name](part) for name, part in data.items()}
        except KeyError as error:
            raise NewerFormat(f"{cls.__name__} has an unknown field {error}") from error
        return cls(**arguments)

    return Shape(encode=encode, decode=decode)


def _blame(cls: type, value: Any, encoders: tuple[tuple[str, Callable[[Any], Any]], ...]) -> str:
    """Finds the first field that cannot be written; only called when one cannot."""
    if not isinstance(value, cls):
        return f"expected {cls.__name__}, found {value!r:.80}"
    for name, write in encoders:
        try:
            write(getattr(value, name))
        except (ValueError, OverflowError) as error:
            return f"{cls.__name__}.{name}: {error}"
    return f"{cls.__name__} changed while it was written"


def _enum_shape(enum: type[StrEnum]) -> Shape:
    members = {member.value: member for member in enum}

    texts = {member: member.value for member in enum}

    def encode(value: Any) -> str:
        try:
            return texts[value]
        except (KeyError, TypeError) as error:
            raise ValueError(f"{value!r:.80} is no {enum.__name__}") from error

    def decode(data: Any) -> StrEnum:
        if type(data) is str and data in members:
            return members[data]
        raise NewerFormat(f"{enum.__name__} does not know {data!r:.80}")

    return Shape(encode=encode, decode=decode)


def _tuple_shape(arguments: tuple[Any, ...]) -> Shape:
    if len(arguments) == 2 and arguments[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...]
        item = shape_of(arguments[0])
        write, read = item.encode, item.decode

        def decode_all(data: Any) -> tuple[Any, ...]:
            return tuple([read(part) for part in _as_list(data)])

        return Shape(
            encode=lambda value: [write(part) for part in _as_tuple(value)], decode=decode_all
        )
    items = tuple(shape_of(argument) for argument in arguments)

    def encode(value: Any) -> list[Any]:
        return [item.encode(part) for item, part in zip(items, _as_tuple(value), strict=True)]

    def decode(data: Any) -> tuple[Any, ...]:
        pairs = zip(items, _as_list(data), strict=True)
        return tuple([item.decode(part) for item, part in pairs])

    return Shape(encode=encode, decode=decode)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    if isinstance(value, tuple):
        return value
    raise ValueError(f"expected a tuple, found {value!r:.80}")


def _as_list(data: Any) -> list[Any]:
    if type(data) is list:
        return data
    raise ValueError(f"expected a list, found {data!r:.80}")


def _union_shape(arguments: tuple[Any, ...]) -> Shape:
    members = tuple(argument for argument in arguments if argument is not types.NoneType)
    if len(members) == 1:
        shape = shape_of(members[0])
    elif all(member in _EXACT for member in members):
        shape = _scalar_union_shape(members)
    else:
        shape = _tagged_shape(members)
    if len(members) == len(arguments):
        return shape
    write, read = shape.encode, shape.decode
    return Shape(
        encode=lambda value: None if value is None else write(value),
        decode=lambda data: None if data is None else read(data),
    )


def _scalar_union_shape(members: tuple[type, ...]) -> Shape:
    """Text, numbers and booleans tell themselves apart in JSON; no tag is needed."""

    def check(value: Any) -> Any:
        if type(value) not in members:
            raise ValueError(f"{value!r:.80} is none of {[m.__name__ for m in members]}")
        return _plain_json(value)

    return Shape(encode=check, decode=check)


def _tagged_shape(members: tuple[type, ...]) -> Shape:
    by_name = {member.__name__: shape_of(member) for member in members}

    def encode(value: Any) -> dict[str, Any]:
        name = type(value).__name__
        if type(value) not in members:
            raise ValueError(f"{value!r:.80} is none of {list(by_name)}")
        return {TAG: name, **by_name[name].encode(value)}

    def decode(data: Any) -> Any:
        if type(data) is not dict:
            raise ValueError(f"expected an object, found {data!r:.80}")
        rest = dict(data)
        name = rest.pop(TAG, None)
        if name not in by_name:
            raise NewerFormat(f"unknown kind {name!r:.80}; known: {', '.join(by_name)}")
        return by_name[name].decode(rest)

    return Shape(encode=encode, decode=decode)


_is_finite = math.isfinite


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    raise ValueError(f"expected text, found {value!r:.80}")


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"expected a whole number, found {value!r:.80}")


def _number(value: Any) -> float:
    if type(value) is float and _is_finite(value):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
        if math.isfinite(number):
            return number
    raise ValueError(f"expected a finite number, found {value!r:.80}")


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"expected true or false, found {value!r:.80}")


def _plain_json(value: Any, depth: int = 0) -> Any:
    """A copy of pure lists, dicts and scalars, key order kept: snapshots are exact."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return _number(value)
    if depth >= DEPTH_MAX:
        raise ValueError(f"JSON nested deeper than {DEPTH_MAX}")
    if isinstance(value, Mapping):
        return {_text(key): _plain_json(part, depth + 1) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_json(part, depth + 1) for part in value]
    raise ValueError(f"{type(value).__name__} is not JSON")


_EXACT = frozenset({str, int, float, bool})
_SCALARS: dict[Any, Shape] = {
    str: Shape(encode=_text, decode=_text),
    int: Shape(encode=_integer, decode=_integer),
    float: Shape(encode=_number, decode=_number),
    bool: Shape(encode=_boolean, decode=_boolean),
    datetime: Shape(encode=format_time, decode=parse_time),
    AnyJson: Shape(encode=_plain_json, decode=lambda data: data),
}
