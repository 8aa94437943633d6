"""Decodes nodes into frozen dataclasses by their type hints; tells of every problem.

Hints: `str`, `units.Name`, `int`, `float`, `bool`, a `StrEnum`, `Literal["a", …]`, the
annotated units, `SecretRef`, `Cohort`, dataclasses, `tuple[T, ...]`, `Mapping[str, T]`,
`T | None` and unions of these. The YAML key is the field's metadata "key" or its name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, is_dataclass
from enum import Enum, StrEnum
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin

from rolloutctl.core.document import Node
from rolloutctl.core.exposure import Cohort, Condition
from rolloutctl.core.report import Report, listed, unknown_fix
from rolloutctl.core.resolve import Resolver
from rolloutctl.core.scalars import MisreadError, expectation, is_null, read, read_free, unit_of
from rolloutctl.core.secret import SecretRef
from rolloutctl.core.spec_fields import SpecField, fields_of, is_mapping, members_of
from rolloutctl.core.units import Unit

T = TypeVar("T")

_USERINFO = re.compile(r"//[^/?#\s]*@")
_SECRET_FIX = "write ${env.NAME} or {file: PATH}"  # noqa: S105 - what to write, no secret


class Broken(Enum):
    """Stands where a value should be that could not be decoded."""

    BROKEN = "broken"


BROKEN: Final = Broken.BROKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The decoded keys of one mapping, ready to be made into its dataclasses."""

    node: Node
    where: str
    report: Report
    values: dict[tuple[type, str], object] = field(default_factory=dict)

    def build(self, cls: type[T]) -> T | None:
        """The dataclass, or None if one of its keys is in error."""
        return None if self.broken(cls) else self._made(cls)

    def build_partly(self, cls: type[T]) -> T | None:
        """The same, with the default in place of a number or a choice that is in error.

        None where a text, a list or a required key is: what is told of the others might only
        follow from that. Of what the defaults lead to, nothing may be told at a `broken` key.
        """
        return self._made(cls) if self.broken(cls) <= _stand_ins(cls) else None

    def broken(self, cls: type) -> set[str]:
        """The keys of a dataclass that are in error."""
        return {one.key for one in fields_of(cls) if self.values.get((cls, one.name)) is BROKEN}

    def _made(self, cls: type[T]) -> T | None:
        try:
            return self.build_lenient(cls)
        except ValueError as error:
            self.report.error(self.node, f"{self.where}: {error}")
            return None

    def build_lenient(self, cls: type[T]) -> T:
        """The dataclass, with the default in place of what is in error."""
        return cls(**{name: one for name, one in self._of(cls).items() if one is not BROKEN})

    def _of(self, cls: type) -> dict[str, Any]:  # Any: checked by the class's own hints
        return {name: one for (owner, name), one in self.values.items() if owner is cls}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """Decodes the nodes of one document."""

    report: Report
    resolver: Resolver

    def instance(self, node: Node, cls: type[T], where: str) -> T | None:
        """One mapping as one dataclass; None after telling what is wrong."""
        return self.mapping(node, (cls,), where).build(cls)

    def mapping(
        self,
        node: Node,
        shapes: Sequence[type],
        where: str,
        *,
        at: Node | None = None,
        is_open: bool = False,
    ) -> Fields:
        """One mapping as several dataclasses that share its keys.

        Args:
            node: the mapping.
            shapes: the dataclasses; a key that is in none of them is an error.
            where: how messages name this place.
            at: where a missing key is told, the mapping itself if not given.
            is_open: further keys are no error: nobody knows whose they are.
        """
        known = [(cls, one) for cls in shapes for one in fields_of(cls)]
        fields = Fields(node=node, where=where, report=self.report)
        if node.kind != "mapping":
            fix = f"write keys and values (known: {listed(one.key for _, one in known)})"
            self._wrong_kind(node, "keys and values", where, fix=fix)
            fields.values.update({(cls, one.name): BROKEN for cls, one in known})
            return fields
        present = {key.text: value for key, value in node.pairs}
        for cls, one in known:
            inner = f"{where}.{one.key}" if where else one.key
            if one.key in present:
                value = self.value(present[one.key], one.hint, inner)
                fields.values[cls, one.name] = self._checked(present[one.key], one, value, inner)
            elif one.is_required:
                fields.values[cls, one.name] = BROKEN
                message = f"{where}: " if where else ""
                fix = f"add {one.key}: {_only_value(one.hint)}"
                self.report.error(at or node, f"{message}{one.key} is missing", fix=fix)
        if not is_open:
            self._refuse_unknown(node, [one.key for _, one in known], where)
        return fields

    def value(self, node: Node, hint: Any, where: str) -> object:  # Any: a type hint
        """One value of the type `hint`, or `BROKEN` after telling what is wrong."""
        members = members_of(hint)
        if len(members) > 1:
            return self._union(node, members, where)
        if hint is Node:
            return node
        if hint is SecretRef:
            return self._secret(node, where)
        if hint == Cohort:
            return self._cohort(node, where)
        if get_origin(hint) is tuple:
            return self._sequence(node, get_args(hint)[0], where)
        if is_mapping(hint):
            return self._names(node, get_args(hint)[1], where)
        if isinstance(hint, type) and is_dataclass(hint):
            built = self.instance(node, hint, where)
            return BROKEN if built is None else built
        return self._scalar(node, (hint,), where)

    def _scalar(self, node: Node, hints: Sequence[Any], where: str) -> object:
        """A scalar as the first of `hints` (scalar types) that can read it."""
        if node.kind != "scalar":
            return self._wrong_kind(node, expectation(hints[0]), where)
        text = self.resolver.text(node, where)
        if text is None:
            return BROKEN
        plain, shown = self.resolver.is_plain(node), self.resolver.shown(node)
        misread = MisreadError("")
        for hint in hints:
            try:
                return read(text, hint, plain=plain, shown=shown)
            except MisreadError as error:
                misread = error
        if len(hints) > 1:
            wanted = " or ".join(expectation(hint) for hint in hints)
            misread = MisreadError(f"is not {wanted}", f"write {wanted}")
        self.report.error(node, f"{where}: {misread.message}", fix=misread.fix)
        return BROKEN

    def _union(self, node: Node, members: Sequence[Any], where: str) -> object:
        hints = [member for member in members if member is not type(None)]
        if len(hints) < len(members) and self._is_absent(node, hints):
            return None
        if len(hints) == 1:
            return self.value(node, hints[0], where)
        if SecretRef in hints and node.kind == "scalar" and "${env." in node.text:
            # SAFETY: "Bearer ${env.T}" would put the variable's value into the journal.
            return self._secret(node, where)
        fitting = [hint for hint in hints if _node_kind(hint) == node.kind]
        if not fitting:
            wanted = " or ".join(_wanted(hint) for hint in hints)
            return self._wrong_kind(node, wanted, where)
        if node.kind == "scalar":
            return self._scalar(node, fitting, where)
        return self.value(node, _closest(node, fitting), where)

    def _is_absent(self, node: Node, hints: Sequence[Any]) -> bool:
        may_be_name = any(unit_of(hint) is Unit.NAME for hint in hints)
        is_empty = node.kind == "scalar" and is_null(node.text, plain=node.plain)
        return is_empty and not may_be_name

    def _sequence(self, node: Node, hint: Any, where: str) -> object:
        if node.kind != "sequence":
            fix = f"write [{node.text}]" if node.text else "write a list: [a, b]"
            return self._wrong_kind(node, "a list", where, fix=fix)
        items = [
            self.value(item, hint, f"{where}[{index}]") for index, item in enumerate(node.items)
        ]
        return BROKEN if BROKEN in items else tuple(items)

    def _names(self, node: Node, hint: Any, where: str) -> object:
        if node.kind != "mapping":
            return self._wrong_kind(node, "names and values", where)
        values = {}
        for key, value in node.pairs:
            if "${" in key.text:
                self.report.error(key, f"{where}: a key cannot hold a reference")
            values[key.text] = self.value(value, hint, f"{where}.{key.text}")
        return BROKEN if BROKEN in values.values() else values

    def _cohort(self, node: Node, where: str) -> object:
        if node.kind != "mapping" or not node.pairs:
            fix = "write {attribute: value} or {attribute: [value, value]}"
            return self._wrong_kind(node, "attributes and values", where, fix=fix)
        found = {key.text: self._condition(value, where) for key, value in node.pairs}
        if any(BROKEN in values for values in found.values()):
            return BROKEN
        return tuple(
            Condition(attribute=name, values=values) for name, values in sorted(found.items())
        )

    def _condition(self, node: Node, where: str) -> tuple[Any, ...]:
        """The values of one attribute; `Any`: scalars or `BROKEN`."""
        if node.kind == "mapping" or (node.kind == "sequence" and not node.items):
            return (self._wrong_kind(node, "a value or a list of values", where),)
        nodes = node.items if node.kind == "sequence" else (node,)
        return tuple(self._free(one, where) for one in nodes)

    def _free(self, node: Node, where: str) -> object:
        if node.kind != "scalar":
            return self._wrong_kind(node, "a value", where)
        text = self.resolver.text(node, where)
        if text is None:
            return BROKEN
        try:
            return read_free(text, plain=self.resolver.is_plain(node))
        except MisreadError as error:
            self.report.error(node, f"{where}: {error.message}", fix=error.fix)
            return BROKEN

    def _secret(self, node: Node, where: str) -> object:
        if node.kind == "scalar":
            variable = self.resolver.keep(node)
            if variable:
                return SecretRef(env=variable)
        elif node.kind == "mapping" and [key.text for key, _ in node.pairs] == ["file"]:
            path = self._scalar(node.pairs[0][1], (str,), f"{where}.file")
            return SecretRef(file=path) if isinstance(path, str) else BROKEN
        # SAFETY: what stands there may be the secret itself; it is never repeated.
        message = f"{where}: a secret is never written in a playbook"
        self.report.error(node, message, fix=_SECRET_FIX, offending="***")
        return BROKEN

    def _checked(self, node: Node, one: SpecField, value: object, where: str) -> object:
        """SAFETY: credentials inside a URL would reach journal, logs and errors."""
        if one.key == "urls" and isinstance(value, tuple):
            each = [self._address(*pair, where) for pair in zip(node.items, value, strict=True)]
            return BROKEN if BROKEN in each else value
        is_url = one.key == "url" or one.key.endswith("_url")
        return self._address(node, value, where) if is_url else value

    def _address(self, node: Node, value: object, where: str) -> object:
        if not isinstance(value, str):
            return value
        if _USERINFO.search(value if "://" in value else f"//{value}"):
            message = f"{where}: a URL must not carry a user name or password"
            fix = "give credentials in their own keys"
            self.report.error(node, message, fix=fix, offending="***")
            return BROKEN
        if value and "://" not in value:
            # Told here, where it stands, whatever else is wrong with the entry.
            shown = self.resolver.shown(node)
            message = f"{where}: {shown!r:.80} is no address: it has no scheme"
            self.report.error(node, message, fix=f"write http://{shown:.80}, or https://…")
            return BROKEN
        return value

    def _refuse_unknown(self, node: Node, known: Sequence[str], where: str) -> None:
        for key, _ in node.pairs:
            if key.text not in known:
                prefix = f"{where}: " if where else ""
                message = f"{prefix}unknown key {key.text!r:.80}"
                self.report.error(key, message, fix=unknown_fix(key.text, known))

    def _wrong_kind(self, node: Node, wanted: str, where: str, *, fix: str = "") -> Broken:
        found = {"scalar": "one value", "sequence": "a list", "mapping": "keys and values"}
        is_empty = node.kind == "scalar" and is_null(node.text, plain=node.plain)
        what = "has no value" if is_empty else f"is {found[node.kind]}, not {wanted}"
        # SAFETY: a misplaced secret must not be repeated, so the text is not quoted here.
        message = f"{where}: {what}" if where else f"the document {what}"
        self.report.error(node, message, fix=fix or f"write {wanted}", offending="")
        return BROKEN


def _only_value(hint: Any) -> str:  # Any: a type hint
    """What to write for a missing key: its value where only one is possible."""
    is_choice = isinstance(hint, type) and issubclass(hint, StrEnum)
    values = list(hint) if is_choice else []
    return str(values[0]) if len(values) == 1 else "…"


def _stand_ins(cls: type) -> set[str]:
    """The keys whose defaults can stand in for what was written."""
    return {one.key for one in fields_of(cls) if not one.is_required and _is_plain(one)}


def _is_plain(one: SpecField) -> bool:
    """Is it a number, yes or no, or a choice? Its default stands for nothing else."""
    bases = [
        get_args(hint)[0] if get_origin(hint) is Annotated else hint
        for hint in members_of(one.hint)
        if hint is not type(None)
    ]
    return all(
        isinstance(base, type) and issubclass(base, bool | int | float | Enum) for base in bases
    )


def _node_kind(hint: Any) -> str:  # Any: a type hint
    """The kind of node that a member of a union is written as."""
    if hint == Cohort or hint is SecretRef or is_mapping(hint) or is_dataclass(hint):
        return "mapping"
    return "sequence" if get_origin(hint) is tuple else "scalar"


def _wanted(hint: Any) -> str:  # Any: a type hint
    """What a member of a union looks like, for a message."""
    words = {"mapping": "keys and values", "sequence": "a list"}
    return words.get(_node_kind(hint)) or expectation(hint)


def _closest(node: Node, hints: Sequence[Any]) -> Any:  # Any: type hints
    """The member whose keys fit the node best; the first of those that fit equally."""
    keys = {key.text for key, _ in node.pairs}

    def misfit(hint: Any) -> int:
        if hint is SecretRef:
            return 0 if keys == {"file"} else len(keys) + 1
        if not is_dataclass(hint) or not isinstance(hint, type):
            return 0
        known = fields_of(hint)
        missing = [one for one in known if one.is_required and one.key not in keys]
        return len(missing) + len(keys - {one.key for one in known})

    return min(hints, key=misfit)
