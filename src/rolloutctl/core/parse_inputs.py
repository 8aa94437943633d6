"""Parses the declared inputs and joins them with the values given at the start."""

from __future__ import annotations

from collections.abc import Mapping

from rolloutctl.core.decode import Decoder
from rolloutctl.core.document import Node
from rolloutctl.core.parsing import Parsing, locate
from rolloutctl.core.report import listed, quoted, unknown_fix
from rolloutctl.core.resolve import unusable
from rolloutctl.core.shapes import NOWHERE, InputShape

#: Inputs of one playbook.
INPUTS_MAX = 100


def parse_inputs(
    parsing: Parsing, section: Node, *, given: Mapping[str, str], root: Node
) -> dict[str, str | None]:
    """The value of every declared input; None for one that is in error.

    Args:
        parsing: the run.
        section: the `inputs` of the document.
        given: the values of `--input`.
        root: where values for unknown inputs are told.
    """
    values = {
        name.text: _value(parsing, name, node, given)
        for name, node in parsing.entries(section, "inputs", INPUTS_MAX)
    }
    at = root if section is NOWHERE else section
    for name in given:
        if name not in values:
            message = f"inputs: the playbook declares no input {name!r:.80}"
            parsing.report.error(at, message, fix=unknown_fix(name, list(values)))
    return values


def _value(parsing: Parsing, name: Node, node: Node, given: Mapping[str, str]) -> str | None:
    where = f"inputs.{name.text}"
    decoder: Decoder = parsing.decoder
    shape = decoder.instance(node, InputShape, where)
    if shape is None:
        return None
    value = given.get(name.text, shape.default)
    if value is None:
        message = f"{where}: no value is given and it has no default"
        parsing.report.error(name, message, fix=f"add --input {name.text}=VALUE")
        return None
    if shape.choices and value not in shape.choices:
        at = name if name.text in given else locate(node, "default")
        message = f"{where}: {quoted(value)!r} is not one of: {listed(shape.choices)}"
        parsing.report.error(at, message, fix="choose one of them")
        return None
    trouble = unusable(value)
    if trouble:
        parsing.report.error(name, f"{where}: the value {trouble}", fix="give another value")
    return None if trouble else value
