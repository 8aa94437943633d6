"""The playbook's JSON Schema, built from the dataclasses that decode it.

Every playbook that `core.parse` accepts is valid under the schema; the schema cannot see
what lies between keys (unknown gates, lowered canaries), so `lint` remains the judge.
`${…}` may stand for any value, so each type also allows a text with a reference.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeAlias, get_args, get_origin

from rolloutctl.core.document import Node
from rolloutctl.core.exposure import Cohort
from rolloutctl.core.ports import Catalog
from rolloutctl.core.scalars import choices_of, expectation, unit_of
from rolloutctl.core.secret import SecretRef
from rolloutctl.core.shapes import (
    DefaultsShape,
    GateShape,
    InputShape,
    KindShape,
    LimitsShape,
    PlaybookShape,
    StepShape,
    TargetShape,
)
from rolloutctl.core.spec_fields import SpecField, fields_of, is_mapping, members_of
from rolloutctl.core.units import PATTERNS, Unit

#: How the schema is known, wherever its copy lies.
SCHEMA_ID = "urn:rolloutctl:playbook:v1"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema: TypeAlias = dict[str, Any]  # Any: JSON Schema has no narrower type than JSON

_SCALAR: Schema = {"type": ["string", "number", "boolean"]}
_NAME: Schema = {"type": ["string", "number", "boolean", "null"]}
_ENTRY_NAMES: Schema = {"pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"}
_REFERENCE: Schema = {"type": "string", "pattern": r"\$\{[^}]+\}"}
_SECRET: Schema = {
    "description": "A secret's place: ${env.NAME} or {file: PATH}; never the secret itself.",
    "oneOf": [
        {"type": "string", "pattern": r"^\s*\$\{\s*env\.[A-Za-z_][A-Za-z0-9_]*\s*\}\s*$"},
        {
            "type": "object",
            "properties": {"file": {"type": "string"}},
            "required": ["file"],
            "additionalProperties": False,
        },
    ],
}
_COHORT: Schema = {
    "description": "Attributes and the values that satisfy them; all must hold.",
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {
        "anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "minItems": 1}]
    },
}


def build(catalog: Catalog) -> Schema:
    """The schema of a whole playbook, with every installed plug-in's keys."""
    schema = _object([PlaybookShape])
    sections: dict[str, Schema] = {
        "inputs": _named(_object([InputShape])),
        "targets": _named(_targets(catalog)),
        "sources": _kinds(catalog, "sources"),
        "defaults": _object([DefaultsShape]),
        "gates": _named(_by_kind(catalog, "gates", GateShape)),
        "notifiers": _kinds(catalog, "notifiers"),
        "steps": {"type": "array", "minItems": 1, "items": _steps(catalog)},
        "limits": _object([LimitsShape]),
    }
    for key, section in sections.items():
        schema["properties"][key] |= section
    return {"$schema": DIALECT, "$id": SCHEMA_ID, "title": "rolloutctl playbook"} | schema


def _named(entry: Schema) -> Schema:
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": _ENTRY_NAMES,
        "additionalProperties": entry,
    }


def _targets(catalog: Catalog) -> Schema:
    kinds = []
    for name in catalog.names("providers"):
        entry = _object([TargetShape, catalog.load("providers", name).TargetSpec])
        entry["properties"]["provider"] |= {"const": name}
        kinds.append(entry)
    return {"oneOf": kinds}


def _by_kind(catalog: Catalog, group: str, shape: type) -> Schema:
    written = [
        name
        for name in catalog.names(group)
        if not getattr(catalog.load(group, name), "is_implied", False)
    ]
    return {"oneOf": [_entry(catalog, group, name, shape=shape) for name in written]}


def _entry(catalog: Catalog, group: str, name: str, *, shape: type) -> Schema:
    entry = _object([shape, catalog.load(group, name).Spec])
    entry["properties"]["kind"] |= {"const": name}
    return entry


def _kinds(catalog: Catalog, group: str) -> Schema:
    """Sources and notifiers: an entry that is named like a kind need not repeat it."""
    named = {}
    every = []
    for name in catalog.names(group):
        entry = _entry(catalog, group, name, shape=KindShape)
        every.append(entry | {"required": ["kind", *entry.get("required", [])]})
        named[name] = entry
    section = _named({"oneOf": every})
    section["properties"] = {
        name: {"anyOf": [entry, {"required": ["kind"], "oneOf": every}]}
        for name, entry in named.items()
    }
    return section


def _steps(catalog: Catalog) -> Schema:
    kinds = []
    for name in catalog.names("steps"):
        entry = _object([StepShape, catalog.load("steps", name).Spec])
        entry["required"] = sorted({*entry.get("required", []), name})
        kinds.append(entry)
    return {"oneOf": kinds}


def _object(shapes: Sequence[type]) -> Schema:
    """The mapping that one or more dataclasses share."""
    known: dict[str, SpecField] = {}
    properties: dict[str, Schema] = {}
    for cls in shapes:
        defaults = _defaults(cls)
        for one in fields_of(cls):
            known[one.key] = one
            described = {"description": one.doc} if one.doc else {}
            properties[one.key] = _value(one.hint) | described | defaults.get(one.name, {})
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "description": " ".join(_first_line(cls) for cls in shapes),
    }
    required = [one.key for one in known.values() if one.is_required]
    return schema | ({"required": required} if required else {})


def _defaults(cls: type) -> dict[str, Schema]:
    """Defaults worth showing: booleans, and texts of closed sets; the rest has units."""
    return {
        one.name: {"default": one.default}
        for one in fields(cls)
        if one.default is not MISSING
        and not one.metadata.get("required")
        and (isinstance(one.default, bool) or (isinstance(one.default, str) and one.default))
    }


def _first_line(cls: type) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def _value(hint: Any) -> Schema:  # Any: a type hint
    """The schema of a field's type."""
    members = members_of(hint)
    if len(members) > 1:
        return _any_of([_value(member) for member in members])
    if hint is type(None):
        return {"type": "null"}
    if hint is SecretRef:
        return dict(_SECRET)
    if hint == Cohort:
        return dict(_COHORT)
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _value(get_args(hint)[0])}
    if is_mapping(hint):
        return {"type": "object", "additionalProperties": _value(get_args(hint)[1])}
    if isinstance(hint, type) and is_dataclass(hint):
        # Sections that are still nodes get their schema from `build`.
        return {} if hint is Node else _object([hint])
    return _scalar(hint)


def _scalar(hint: Any) -> Schema:  # Any: a type hint
    unit = unit_of(hint)
    if unit is Unit.NAME:
        return dict(_NAME)
    if hint is str:
        return dict(_SCALAR)
    if unit is not None:
        wanted: Schema = {"type": "string", "pattern": rf"^\s*(?:{PATTERNS[unit]})\s*$"}
        wanted["description"] = expectation(hint)
    else:
        simple: Mapping[Any, Schema] = {
            bool: {"type": "boolean"},
            int: {"type": "integer"},
            float: {"type": "number"},
        }
        wanted = dict(simple.get(hint) or {"enum": list(choices_of(hint))})
    return _any_of([wanted, _REFERENCE])


def _any_of(choices: Sequence[Schema]) -> Schema:
    """One flat `anyOf`: nested ones give editors poor messages."""
    flat: list[Schema] = []
    for choice in choices:
        if set(choice) == {"anyOf"}:
            flat += choice["anyOf"]
        else:
            flat.append(choice)
    unique = [one for index, one in enumerate(flat) if one not in flat[:index]]
    return {"anyOf": unique}
