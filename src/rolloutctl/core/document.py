"""A document with positions: what a YAML loader hands to the pure decoder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One value and where it stands. `line` and `column` count from 1.

    `text` is the scalar's source text; `plain` says that it was written without
    quotes. Exactly one of `text`, `items`, `pairs` is meaningful, by `kind`.
    """

    kind: str  # "scalar" | "sequence" | "mapping"
    line: int
    column: int
    text: str = ""
    plain: bool = True
    items: tuple[Node, ...] = ()
    pairs: tuple[tuple[Node, Node], ...] = ()
