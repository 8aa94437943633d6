"""Parses steps: the key that names a step kind says what the step does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rolloutctl.core.document import Node
from rolloutctl.core.parsing import Parsing, child, key_node
from rolloutctl.core.playbook import Gate, Step, Target
from rolloutctl.core.ports import StepKind
from rolloutctl.core.report import listed, suggestion
from rolloutctl.core.shapes import NOWHERE, StepShape
from rolloutctl.core.spec_fields import fields_of

#: Steps of one playbook.
STEPS_MAX = 200
#: The longest value that becomes part of a step's own name.
NAMING_MAX_CHARS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedStep:
    """A step, its kind, and where it stands.

    `can_plan` is False when its targets are in error, or its kind objects to it.
    `implied` is the name of the gate that its kind implies, "" if it implies none.
    """

    step: Step
    kind: StepKind
    node: Node
    can_plan: bool
    implied: str = ""

    @property
    def at(self) -> Node:
        """Where its exposure is told: the value of the key that names its kind."""
        return child(self.node, self.step.kind) or self.node


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a step may name; None stands for what is declared but in error."""

    targets: Mapping[str, Target | None]
    gates: Mapping[str, Gate | None]


def parse_steps(parsing: Parsing, section: Node, declared: Declared) -> list[ParsedStep]:
    """Every step that can be understood, in order."""
    if section is NOWHERE:
        return []
    if section.kind != "sequence" or not section.items:
        fix = "write a list: - {canary: 5%, hold: 1h}"
        parsing.report.error(section, "steps: needs a list of at least one step", fix=fix)
        return []
    if len(section.items) > STEPS_MAX:
        message = f"steps: {len(section.items)} steps; at most {STEPS_MAX} are allowed"
        parsing.report.error(section, message, fix="split the playbook")
        return []
    taken: set[str] = set()
    steps = []
    for index, node in enumerate(section.items):
        parsed = _step(parsing, node, index=index, declared=declared, taken=taken)
        if parsed is not None:
            steps.append(parsed)
            taken.add(parsed.step.name)
    return steps


def _step(
    parsing: Parsing, node: Node, *, index: int, declared: Declared, taken: set[str]
) -> ParsedStep | None:
    where = f"steps[{index}]"
    kind_class = _kind(parsing, node, where)
    if kind_class is None:
        return None
    # A kind that implies a gate holds that gate's queries, which name arms.
    decoder = parsing.gate_decoder if hasattr(kind_class, "implied_gate") else parsing.decoder
    found = decoder.mapping(node, (StepShape, kind_class.Spec), where)
    shape = found.build_lenient(StepShape)
    known = {
        list_name: parsing.check_known(
            getattr(shape, list_name),
            declared.gates,
            nodes=child(node, list_name) or node,
            what="gate",
        )
        for list_name in ("before", "gates")
    }
    named, can_plan = _targets(parsing, node, shape, declared.targets)
    targets = tuple(name for name in named if declared.targets[name] is not None)
    spec = found.build(kind_class.Spec)
    if spec is None:
        return None
    # Its own keys as far as they are right: what it writes can be planned all the same.
    kind: StepKind = kind_class()
    step = Step(
        index=index,
        name=_name(parsing, node, kind=kind.name, shape=shape, taken=taken),
        kind=kind.name,
        spec=spec,
        targets=targets,
        hold_s=shape.hold,
        before=known["before"],
        gates=known["gates"],
        confirm=shape.confirm,
    )
    # A target in error is one it names all the same.
    as_named = replace(step, targets=named)
    has_problems = parsing.tell(kind.problems(spec, as_named), node, where)
    return ParsedStep(step=step, kind=kind, node=node, can_plan=can_plan and not has_problems)


def node_of_gate(name: str, section: Node, steps: Sequence[ParsedStep]) -> Node:
    """Where a gate is written: its entry of `gates`, or the step that implies it."""
    implying = (one.node for one in steps if one.implied == name)
    return child(section, name) or next(implying, section)


def _kind(parsing: Parsing, node: Node, where: str) -> Any:
    """The class of the step's kind; None after telling (Any: a plug-in)."""
    known = parsing.catalog.names("steps")
    if node.kind != "mapping":
        fix = "write {canary: 5%, hold: 1h}"
        parsing.report.error(node, f"{where}: a step needs keys and values", fix=fix)
        return None
    keys = [key for key, _ in node.pairs if key.text in known]
    if not keys:
        _tell_no_kind(parsing, node, where, known)
        return None
    loaded = []
    for key in keys:
        kind = parsing.plugin("steps", key.text, at=key, what="step kind")
        if kind is None:
            return None
        loaded.append(kind)
    wanted = {key.text for key in keys}
    for kind in loaded:
        if wanted <= {one.key for one in fields_of(kind.Spec)}:
            return kind
    message = f"{where}: one step cannot be both {' and '.join(key.text for key in keys)}"
    parsing.report.error(keys[1], message, fix="write two steps")
    return None


def _tell_no_kind(parsing: Parsing, node: Node, where: str, known: Sequence[str]) -> None:
    own = {one.key for one in fields_of(StepShape)}
    for key, _ in node.pairs:
        close = suggestion(key.text, [*known, *own])
        if key.text not in own and close:
            message = f"{where}: unknown key {key.text!r:.80}"
            parsing.report.error(key, message, fix=f"did you mean {close}?")
            return
    message = f"{where}: no key says what the step does"
    parsing.report.error(node, message, fix=f"add one of: {listed(known)}")


def _targets(
    parsing: Parsing, node: Node, shape: StepShape, declared: Mapping[str, Target | None]
) -> tuple[tuple[str, ...], bool]:
    """The declared targets that the step names, and whether it can be planned for some."""
    named: tuple[str, ...] = tuple(declared)
    nodes = node
    if shape.target is not None and shape.targets is not None:
        at = key_node(node, "targets") or node
        parsing.report.error(at, "target and targets cannot both be given", fix="keep one")
    elif shape.target is not None:
        named, nodes = (shape.target,), child(node, "target") or node
    elif shape.targets is not None:
        named, nodes = shape.targets, child(node, "targets") or node
        if not named:
            fix = f"write some of: {listed(declared)}"
            parsing.report.error(nodes, "targets: the list is empty", fix=fix)
    usable = parsing.check_known(named, declared, nodes=nodes, what="target")
    own = [at for at in (child(node, "target"), child(node, "targets")) if at is not None]
    is_meant = not any(parsing.report.has_error_at(at) for at in own)
    # What is left of several can be planned: each target's exposures are its own.
    known = tuple(name for name in named if name in declared)
    return known, is_meant and (bool(usable) or not named)


def _name(parsing: Parsing, node: Node, *, kind: str, shape: StepShape, taken: set[str]) -> str:
    """The name as written; else the kind and its value, made different from the others."""
    at = child(node, "name")
    if shape.name is not None and at is not None:
        if shape.name in taken:
            message = f"another step is named {shape.name!r:.80} already"
            parsing.report.error(at, message, fix="give each step its own name, or none")
        return shape.name
    value = child(node, kind)
    text = parsing.decoder.resolver.text(value, kind) if value and value.kind == "scalar" else None
    short = text is not None and 0 < len(text) <= NAMING_MAX_CHARS
    name = f"{kind} {text}" if short else kind
    while name in taken:
        name = f"{name} (step {len(taken) + 1})"
    return name
