"""Replaces `${inputs.x}` and `${env.X}` in scalars; arms' references are left for gates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from rolloutctl.core.document import Node
from rolloutctl.core.references import references, replace
from rolloutctl.core.report import Report, listed, suggestion

#: References that only a gate's query may hold: they are asked at judgement.
ARM_PREFIXES = ("control.", "canary.", "arm.")
_REFERENCE_ONLY = re.compile(r"\$\{[^}]*\}")
_ENV_ONLY = re.compile(r"\$\{\s*env\.([A-Za-z_][A-Za-z0-9_]*)\s*\}")


def unusable(value: str) -> str:
    """Why a value cannot take a reference's place, or "": it must be text, and final."""
    if "${" in value:
        return "itself holds a reference, and references are replaced only once"
    if not value.isprintable() and any(
        ord(c) < ord(" ") or "\ud800" <= c <= "\udfff" for c in value
    ):
        return "holds control characters, or bytes that are not UTF-8"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """Where values of references come from, and who is told of unknown ones.

    Attributes:
        inputs: declared inputs; None for one whose own declaration is in error.
        env: the process's environment.
        arms: whether `${control…}` and `${canary…}` may stand here.
        is_verbatim: texts are taken as they are (the canonical document has no inputs).
        kept: identities of the nodes that stay references because they are secrets.
    """

    report: Report
    inputs: Mapping[str, str | None] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    arms: bool = False
    is_verbatim: bool = False
    kept: set[int] = field(default_factory=set)

    def text(self, node: Node, where: str) -> str | None:
        """The node's text with references replaced; None after telling what is wrong."""
        if self.is_verbatim or "${" not in node.text:
            return node.text
        unknown = [name for name in references(node.text) if not self._is_known(node, name, where)]
        if unknown:
            return None
        return replace(node.text, self._value)

    def is_plain(self, node: Node) -> bool:
        """Whether the text decides its own type: without quotes, or one reference alone.

        Inside `{…}` YAML demands quotes around `${…}`, so they cannot carry a meaning.
        """
        return node.plain or (
            not self.is_verbatim and _REFERENCE_ONLY.fullmatch(node.text) is not None
        )

    def shown(self, node: Node) -> str:
        """The text for messages: inputs replaced, the environment never."""
        return replace(node.text, self._input_value)

    def keep(self, node: Node) -> str:
        """The variable's name if the node is exactly `${env.NAME}`, kept as a reference."""
        match = _ENV_ONLY.fullmatch(node.text.strip())
        if not match:
            return ""
        self.kept.add(id(node))
        return match.group(1)

    def _value(self, name: str) -> str | None:
        scope, _, rest = name.partition(".")
        return self.env[rest] if scope == "env" else self._input_value(name)

    def _input_value(self, name: str) -> str | None:
        scope, _, rest = name.partition(".")
        return self.inputs.get(rest) if scope == "inputs" else None

    def _is_known(self, node: Node, name: str, where: str) -> bool:
        scope, _, rest = name.partition(".")
        if scope == "inputs" and rest in self.inputs:
            return self.inputs[rest] is not None
        if scope == "env":
            return self._is_set(node, rest, where)
        if name.startswith(ARM_PREFIXES) and self.arms:
            return True
        self.report.error(node, f"{where}: unknown reference ${{{name}}}", fix=self._fix(name))
        return False

    def _is_set(self, node: Node, variable: str, where: str) -> bool:
        value = self.env.get(variable)
        if value is None:
            message = f"{where}: the environment variable {variable} is not set"
            self.report.error(node, message, fix=f"export {variable}=… and run again")
            return False
        trouble = unusable(value)
        if trouble:
            self.report.error(node, f"{where}: the value of {variable} {trouble}", fix="change it")
        return not trouble

    def _fix(self, name: str) -> str:
        if name.startswith(ARM_PREFIXES):
            return "control and canary can be referred to in the query of a gate only"
        known = [f"inputs.{known}" for known in self.inputs]
        close = suggestion(name, known)
        names = f"known: {listed([*known, 'env.NAME'])}"
        return f"did you mean ${{{close}}}? ({names})" if close else names
