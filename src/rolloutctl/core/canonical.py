"""The canonical document: what the journal carries instead of the YAML file.

JSON of objects, arrays and strings only. Each scalar is its source text, so that
nothing is lost between YAML's types and ours. A quoted text that would be a number, a
boolean or null without its quotes keeps them inside the string, so that `"5"` and `5`
differ. Order is kept: the order of targets is the order of the writes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TypeAlias

from rolloutctl.core.document import Node
from rolloutctl.core.scalars import is_ambiguous

Canonical: TypeAlias = "str | list[Canonical] | dict[str, Canonical]"


def encode(node: Node, scalar_of: Callable[[Node], tuple[str, bool]]) -> Canonical:
    """A node as canonical JSON.

    `scalar_of` gives a scalar's text, references replaced, and whether it is plain.
    """
    if node.kind == "mapping":
        return {key.text: encode(value, scalar_of) for key, value in node.pairs}
    if node.kind == "sequence":
        return [encode(item, scalar_of) for item in node.items]
    text, plain = scalar_of(node)
    is_quoted = text.startswith('"') or (not plain and is_ambiguous(text))
    return f'"{text}"' if is_quoted else text


def dump(document: Canonical) -> str:
    """The one way to write it, so that equal documents have equal hashes."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def sha256_of(text: str) -> str:
    """The hash by which a document is known, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def decode(text: str) -> Node:
    """A canonical document as nodes, all at 1:1. Raises `ValueError` if it is none."""
    return _node(json.loads(text))


def _node(value: object) -> Node:
    if isinstance(value, dict):
        pairs = tuple((_scalar(key), _node(one)) for key, one in value.items())
        return Node(kind="mapping", line=1, column=1, pairs=pairs)
    if isinstance(value, list):
        items = tuple(_node(item) for item in value)
        return Node(kind="sequence", line=1, column=1, items=items)
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not canonical; every scalar is a string")  # noqa: TRY004 - data, no caller
    if value.startswith('"'):
        return _scalar(value[1:-1], plain=False)
    return _scalar(value)


def _scalar(text: str, *, plain: bool = True) -> Node:
    return Node(kind="scalar", line=1, column=1, text=text, plain=plain)
