"""Parses a document into a `Playbook`: the whole language, all problems at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from rolloutctl.core import canonical
from rolloutctl.core.check_arms import check_arms
from rolloutctl.core.check_exposures import check_exposures
from rolloutctl.core.check_references import check_references
from rolloutctl.core.decode import Decoder
from rolloutctl.core.document import Node
from rolloutctl.core.exposure_gates import with_exposure_gates
from rolloutctl.core.implied_gates import imply_gates
from rolloutctl.core.least_time import least_s
from rolloutctl.core.parse_entries import (
    Surroundings,
    check_numbers,
    parse_gates,
    parse_notifiers,
    parse_sources,
    parse_targets,
)
from rolloutctl.core.parse_inputs import parse_inputs
from rolloutctl.core.parse_steps import Declared, ParsedStep, parse_steps
from rolloutctl.core.parsing import Parsing, child, key_node, locate
from rolloutctl.core.playbook import (
    Gate,
    GateLimits,
    Limits,
    NotifierEntry,
    Playbook,
    Source,
    Target,
)
from rolloutctl.core.ports import Catalog
from rolloutctl.core.report import Report
from rolloutctl.core.resolve import Resolver
from rolloutctl.core.shapes import NOWHERE, DefaultsShape, LimitsShape, PlaybookShape
from rolloutctl.core.units import format_duration
from rolloutctl.errors import InvalidPlaybook, Problem

#: What a document is called that comes from the journal, not from a file.
JOURNAL = "journal"

T = TypeVar("T")


def parse_playbook(
    document: Node,
    *,
    file: str,
    catalog: Catalog,
    inputs: Mapping[str, str],
    env: Mapping[str, str],
) -> tuple[Playbook | None, tuple[Problem, ...]]:
    """Parses a YAML file's node.

    Args:
        document: the root.
        file: how problems name the file.
        catalog: the installed plug-ins.
        inputs: values of `--input`.
        env: the environment that `${env.X}` reads.

    Returns:
        The playbook, None if there are errors; and all problems, warnings included, in
        the order of the document.
    """
    report = Report(file)
    parsing = parsing_of(report, catalog, Resolver(report=report, env=env))
    try:
        section = child(document, "inputs") or NOWHERE
        values = parse_inputs(parsing, section, given=inputs, root=document)
        resolver = Resolver(report=report, inputs=values, env=env)
        playbook = _parse(parsing_of(report, catalog, resolver), document)
    except InvalidPlaybook as full:
        return None, full.problems
    return playbook, report.problems


def parse_document(document_json: str, catalog: Catalog) -> Playbook:
    """Parses `Playbook.document` again: the same playbook, from the journal.

    Raises:
        InvalidPlaybook: the text is no canonical document, or a plug-in is missing here.
    """
    report = Report(JOURNAL)
    parsing = parsing_of(report, catalog, Resolver(report=report, is_verbatim=True))
    try:
        node = canonical.decode(document_json)
    except (ValueError, RecursionError) as error:
        report.error(NOWHERE, f"not a canonical document: {error}")
        raise InvalidPlaybook(report.problems) from error
    playbook = _parse(parsing, node)
    if playbook is None:
        raise InvalidPlaybook(report.problems)
    return playbook


def parsing_of(report: Report, catalog: Catalog, resolver: Resolver) -> Parsing:
    """One run over a document."""
    return Parsing(
        report=report,
        catalog=catalog,
        decoder=Decoder(report=report, resolver=resolver),
        gate_decoder=Decoder(report=report, resolver=replace(resolver, arms=True)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """Everything declared, by name; None for what is in error."""

    root: PlaybookShape
    defaults: DefaultsShape
    targets: Mapping[str, Target | None]
    sources: Mapping[str, Source | None]
    notifiers: Mapping[str, NotifierEntry | None]
    gates: Mapping[str, Gate | None]
    guardrails: tuple[str, ...]
    limits: Limits
    steps: list[ParsedStep]


def _parse(parsing: Parsing, document: Node) -> Playbook | None:
    found = parsing.decoder.mapping(document, (PlaybookShape,), "")
    if document.kind != "mapping":
        return None
    root = found.build_lenient(PlaybookShape)
    if root.name:
        parsing.check_name(child(document, "name") or document, "name")
    parts = _parts(parsing, root, document)
    playbook = _assemble(parts)
    if not root.guardrails and not parsing.report.has_errors:
        at = key_node(document, "gates") or key_node(document, "steps") or document
        message = "no guardrails: nothing is judged while a step waits for a person"
        parsing.report.warning(at, message, fix="add guardrails: [GATE, …]")
    walk = check_exposures(parsing, playbook, parts.steps, parts.notifiers)
    unknown = parts.targets.keys() - playbook.targets.keys()
    if parts.targets:
        check_references(parsing, root.gates, steps=parts.steps, walk=walk, unknown=unknown)
        check_arms(parsing, root.gates, steps=parts.steps, walk=walk, unknown=unknown)
    _check_time(parsing, root, playbook)
    _check_intervals(parsing, playbook, parts.steps)
    if parsing.report.has_errors:
        return None
    if root.verify_exposure:
        playbook = with_exposure_gates(walk, playbook, parts.steps, parts.defaults)
    grown = tuple(
        replace(step, growth_s=walk.growth_s.get(step.index, 0.0)) for step in playbook.steps
    )
    text = _canonical_text(parsing, document)
    return replace(playbook, steps=grown, document=text, sha256=canonical.sha256_of(text))


def _check_time(parsing: Parsing, root: PlaybookShape, playbook: Playbook) -> None:
    """Tells of a deadline that no run can keep; `NOWHERE` is no place to point at."""
    deadline_s = playbook.limits.deadline_s
    at = root.steps if root.limits is NOWHERE else locate(root.limits, "deadline")
    if parsing.report.has_error_at(at):
        return
    # What is in error counts as no time, so this stays true whatever else is wrong.
    steps_s = sum(least_s(playbook, step) for step in playbook.steps)
    if steps_s > deadline_s:
        took, given = format_duration(steps_s), format_duration(deadline_s)
        message = f"limits.deadline: the steps take at least {took}, the deadline is {given}"
        fix = f"write limits: {{deadline: {format_duration(steps_s * 2)}}}, or shorter holds"
        parsing.report.error(at, message, fix=fix)


def _check_intervals(parsing: Parsing, playbook: Playbook, steps: Sequence[ParsedStep]) -> None:
    """Warns of gates that look less often than their step lasts."""
    for one in steps:
        hold_s = one.step.hold_s
        for name in one.step.gates:
            gate = playbook.gates.get(name)
            if gate is None or not 0 < hold_s < gate.limits.interval_s:
                continue
            every, held = format_duration(gate.limits.interval_s), format_duration(hold_s)
            message = (
                f"{one.step.name}: gate {name} looks every {every} and the step holds {held}: "
                "it is judged when the step begins and when its hold ends"
            )
            parsing.report.warning(one.at, message, fix=f"write an interval below {held}")


def _parts(parsing: Parsing, root: PlaybookShape, document: Node) -> _Parts:
    targets = parse_targets(parsing, root.targets, with_refused=True)
    sources, source_classes = parse_sources(parsing, root.sources)
    defaults = _shape(parsing, root.defaults, DefaultsShape, "defaults")
    check_numbers(parsing, defaults, root.defaults, "defaults")
    around = Surroundings(
        targets=targets,
        sources=sources,
        source_classes=source_classes,
        limits=GateLimits(on_fail=root.on_fail),
        defaults=defaults,
        declared=frozenset(key.text for key, _ in root.defaults.pairs),
        are_sources_known=bool(sources) or not parsing.report.has_error_at(root.sources),
    )
    gates = parse_gates(parsing, root.gates, around)
    guardrails = parsing.check_known(
        root.guardrails, gates, nodes=child(document, "guardrails") or document, what="gate"
    )
    steps = parse_steps(parsing, root.steps, Declared(targets=targets, gates=gates))
    steps, implied = imply_gates(parsing, steps, around, taken=gates)
    return _Parts(
        root=root,
        defaults=defaults,
        targets=targets,
        sources=sources,
        notifiers=parse_notifiers(parsing, root.notifiers),
        gates={**gates, **implied},
        guardrails=guardrails,
        limits=parse_limits(parsing, root.limits),
        steps=steps,
    )


def _assemble(parts: _Parts) -> Playbook:
    """The playbook of what is not in error; complete if nothing is."""
    root = parts.root
    return Playbook(
        name=root.name,
        document="",
        sha256="",
        targets=_usable(parts.targets),
        gates=_usable(parts.gates),
        steps=tuple(parsed.step for parsed in parts.steps),
        sources=_usable(parts.sources),
        notifiers=_usable(parts.notifiers),
        guardrails=parts.guardrails,
        description=root.description,
        owner=root.owner,
        on_fail=root.on_fail,
        on_drift=root.on_drift,
        limits=parts.limits,
    )


def _usable(declared: Mapping[str, T | None]) -> dict[str, T]:
    return {name: one for name, one in declared.items() if one is not None}


def _shape(parsing: Parsing, node: Node, cls: type[T], where: str) -> T:
    """A section as far as it is right: one wrong key does not take the others away."""
    if node is NOWHERE:
        return cls()
    return parsing.decoder.mapping(node, (cls,), where).build_lenient(cls)


def parse_limits(parsing: Parsing, node: Node) -> Limits:
    """The section `limits`, as far as it is right."""
    shape = _shape(parsing, node, LimitsShape, "limits")
    for key in ("deadline", "rollback", "observe"):
        if getattr(shape, key) <= 0:
            message = f"limits.{key}: must be longer than nothing"
            parsing.report.error(locate(node, key), message, fix="write a duration such as 10m")
    if not 0 < shape.false_aborts < 1:
        message = "limits.false_aborts: a share between 0% and 100%, and neither of them"
        parsing.report.error(locate(node, "false_aborts"), message, fix="write 5%")
    return Limits(
        deadline_s=shape.deadline,
        rollback_s=shape.rollback,
        observe_s=shape.observe,
        false_abort_rate=shape.false_aborts,
    )


def _canonical_text(parsing: Parsing, document: Node) -> str:
    resolver = parsing.gate_decoder.resolver

    def scalar_of(node: Node) -> tuple[str, bool]:
        if id(node) in resolver.kept:
            return node.text.strip(), True
        text = resolver.text(node, "")
        if text is None:  # pragma: no cover - decoding has told of every such scalar
            raise AssertionError(f"{node.text} was not told of")
        return text, resolver.is_plain(node)

    pairs = tuple(pair for pair in document.pairs if pair[0].text != "inputs")
    return canonical.dump(canonical.encode(replace(document, pairs=pairs), scalar_of))
