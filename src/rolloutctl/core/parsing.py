"""What the parsers of the playbook's sections share: report, plug-ins, positions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rolloutctl.core.decode import Decoder
from rolloutctl.core.document import Node
from rolloutctl.core.ports import Catalog
from rolloutctl.core.report import Report, unknown_fix
from rolloutctl.core.shapes import NOWHERE
from rolloutctl.errors import NotFound

#: Names of entries are typed, logged, and used in references and file names.
NAME_MAX_CHARS = 63
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsing:
    """One run over one document.

    Attributes:
        decoder: for everything but gates.
        gate_decoder: the same, where `${control…}` and `${canary…}` may stand.
    """

    report: Report
    catalog: Catalog
    decoder: Decoder
    gate_decoder: Decoder

    def plugin(self, group: str, name: str, *, at: Node, what: str) -> Any:  # Any: its class
        """The plug-in's class, or None after telling that there is none.

        Args:
            group: a group of the catalog, such as "gates".
            name: the plug-in's name as written.
            at: where it is written.
            what: the noun for messages, such as "gate kind".
        """
        known = self.catalog.names(group)
        if name not in known:
            message = f"unknown {what} {name!r:.80}"
            self.report.error(at, message, fix=unknown_fix(name, known))
            return None
        try:
            return self.catalog.load(group, name)
        except NotFound as error:
            self.report.error(at, error.message, fix=error.hint)
            return None

    def entries(self, node: Node, section: str, maximum: int) -> Iterator[tuple[Node, Node]]:
        """Name and value of each entry of a section, after checking the names."""
        if node is NOWHERE:
            return
        if node.kind != "mapping" or not node.pairs:
            message = f"{section}: needs at least one entry: NAME: {{…}}"
            self.report.error(node, message, fix="add an entry, or remove the key")
            return
        if len(node.pairs) > maximum:
            message = f"{section}: {len(node.pairs)} entries; at most {maximum} are allowed"
            self.report.error(node, message, fix="split the playbook")
            return
        for name, value in node.pairs:
            self.check_name(name, section)
            yield name, value

    def check_name(self, node: Node, where: str) -> None:
        """Tells if a name could not be typed or referred to."""
        if not _NAME.fullmatch(node.text) or len(node.text) > NAME_MAX_CHARS:
            message = f"{where}: {node.text!r:.80} cannot be a name"
            fix = f"use letters, digits, - and _ (at most {NAME_MAX_CHARS})"
            self.report.error(node, message, fix=fix)

    def check_known(
        self, names: Sequence[str], known: Mapping[str, object], *, nodes: Node, what: str
    ) -> tuple[str, ...]:
        """Those of `names` that are known and usable; tells of unknown and repeated ones.

        `known` maps to None what is declared but in error: that was told already.
        """
        for index, name in enumerate(names):
            at = child(nodes, index) or nodes
            if name not in known:
                message = f"unknown {what} {name!r:.80}"
                self.report.error(at, message, fix=unknown_fix(name, list(known)))
            elif name in names[:index]:
                self.report.error(at, f"{what} {name!r} is named twice", fix="remove one")
        return tuple(name for name in names if known.get(name) is not None)

    def tell(self, problems: Sequence[tuple[str, str, str]], node: Node, where: str) -> bool:
        """Tells what a kind says of its spec: (key, message, fix) each. True if anything."""
        for path, message, fix in problems:
            at = locate(node, path)
            self.report.error(at, f"{where}: {message}", fix=fix)
        return bool(problems)


def child(node: Node, step: str | int) -> Node | None:
    """The value under a key or at an index, or None."""
    if isinstance(step, int):
        return node.items[step] if step < len(node.items) else None
    return next((value for key, value in node.pairs if key.text == step), None)


def key_node(node: Node, key: str) -> Node | None:
    """The node of a key itself, or None."""
    return next((one for one, _ in node.pairs if one.text == key), None)


def locate(node: Node, path: str) -> Node:
    """The node at a dotted path of keys, or the deepest one there is."""
    exact = child(node, path)
    if exact is not None:
        return exact
    at = node
    for key in path.split("."):
        at = child(at, key) or at
    return at
