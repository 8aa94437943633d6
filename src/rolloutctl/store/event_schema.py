"""The JSON Schema of the lines that `--output ndjson` writes, made from the events' own types.

Draft 2020-12, https://json-schema.org/draft/2020-12. Within a version it changes by addition
only: readers ignore what they do not know.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Union, get_args, get_origin, get_type_hints

from rolloutctl.core.json_types import Json
from rolloutctl.store.codec import EVENTS
from rolloutctl.store.shape import TAG, AnyJson

#: The version of the lines.
VERSION = "v1"


def event_schema() -> Mapping[str, Json]:
    """The schema of one line: an event, or what an agent or a command says beside them."""
    definitions: dict[str, Json] = {}
    events = [_tagged(cls, definitions, is_event=True) for cls in EVENTS.values()]
    time: Json = {"type": "string", "format": "date-time"}
    event: Json = {
        "type": "object",
        "required": [TAG, "id", "seq", "at", "event"],
        "properties": {
            TAG: {"const": "Event"},
            "id": {"type": "string", "description": "the rollout"},
            "seq": {"type": "integer", "minimum": 1, "description": "its place in the journal"},
            "at": time,
            "event": {"oneOf": list(events)},
        },
    }
    agent: Json = {
        "type": "object",
        "required": [TAG, "at", "level", "event", "message"],
        "properties": {
            TAG: {"const": "Agent"},
            "at": time,
            "level": {"enum": ["info", "warning", "error"]},
            "event": {"type": "string"},
            "message": {"type": "string"},
            "id": {"type": "string", "description": "the rollout"},
            "phase": {"type": "string"},
            "exposed": {"type": "array", "items": {"type": "string"}},
            "hint": {"type": "string"},
        },
    }
    other: Json = {
        "type": "object",
        "description": "the command's own document: how the rollout stands, or an error",
        "required": ["apiVersion", TAG],
        "properties": {
            "apiVersion": {"const": "rolloutctl/v1"},
            TAG: {"type": "string", "not": {"enum": ["Event", "Agent"]}},
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"a line of rolloutctl --output ndjson, {VERSION}",
        "oneOf": [event, agent, other],
        "$defs": definitions,
    }


def _tagged(cls: type, definitions: dict[str, Json], *, is_event: bool) -> Json:
    """A reference to the definition of a class that names itself."""
    name = cls.__name__
    if name not in definitions:
        definitions[name] = {}  # a class may hold itself
        body = _object(cls, definitions)
        properties: dict[str, Json] = {TAG: {"const": name}}
        if is_event:
            properties["v"] = {"type": "integer", "minimum": 1}
        definitions[name] = {
            "type": "object",
            "description": _first_line(cls),
            "required": [*properties, *body[0]],
            "properties": {**properties, **body[1]},
        }
    return {"$ref": f"#/$defs/{name}"}


def _object(cls: type, definitions: dict[str, Json]) -> tuple[list[str], dict[str, Json]]:
    """Required names and properties. Later fields have defaults: older lines lack them."""
    hints = get_type_hints(cls, localns={"Json": AnyJson})
    required = [
        one.name for one in fields(cls) if one.default is MISSING and one.default_factory is MISSING
    ]
    return required, {one.name: _schema(hints[one.name], definitions) for one in fields(cls)}


_SCALARS: Mapping[Any, Json] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    types.NoneType: {"type": "null"},
    AnyJson: True,
}


def _schema(hint: Any, definitions: dict[str, Json]) -> Json:
    if hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return {"enum": [member.value for member in hint]}
    if is_dataclass(hint) and isinstance(hint, type):
        required, properties = _object(hint, definitions)
        return {"type": "object", "required": list(required), "properties": properties}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple:
        return _array(arguments, definitions)
    if origin in {Union, types.UnionType}:
        classes = [one for one in arguments if is_dataclass(one)]
        is_tagged = len(classes) > 1
        return {
            "anyOf": [
                _tagged(one, definitions, is_event=False)
                if is_tagged and isinstance(one, type) and is_dataclass(one)
                else _schema(one, definitions)
                for one in arguments
            ]
        }
    raise TypeError(f"{hint} has no schema: give it one in {__name__}")


def _array(arguments: tuple[Any, ...], definitions: dict[str, Json]) -> Json:
    if arguments[1:] == (...,):
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    items = [_schema(one, definitions) for one in arguments]
    return {
        "type": "array",
        "prefixItems": items,
        "items": False,
        "minItems": len(items),
    }


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").strip().partition("\n")[0]
