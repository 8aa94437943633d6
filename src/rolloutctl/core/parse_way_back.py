"""Parses of a document only what leads back: its targets and the limits of a rollback.

A kill must not fail because a gate's plug-in is missing here, or a source's variable is
unset: it needs targets and their providers, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping

from rolloutctl.core import canonical
from rolloutctl.core.document import Node
from rolloutctl.core.parse import JOURNAL, parse_limits, parsing_of
from rolloutctl.core.parse_entries import parse_targets
from rolloutctl.core.parse_inputs import parse_inputs
from rolloutctl.core.parsing import Parsing, child
from rolloutctl.core.playbook import Playbook, Step, Target
from rolloutctl.core.ports import Catalog
from rolloutctl.core.report import Report
from rolloutctl.core.resolve import Resolver
from rolloutctl.core.shapes import NOWHERE
from rolloutctl.errors import InvalidPlaybook

#: The kind of steps that nobody can take: the way back takes none.
NO_KIND = ""


def targets_of(
    document: Node,
    *,
    file: str,
    catalog: Catalog,
    inputs: Mapping[str, str],
    env: Mapping[str, str],
) -> Mapping[str, Target]:
    """The targets of a YAML file's node, whatever is wrong with the rest of it.

    Args and meaning as in `parse_playbook`.

    Raises:
        InvalidPlaybook: a target cannot be understood, or there is none.
    """
    report = Report(file)
    parsing = parsing_of(report, catalog, Resolver(report=report, env=env))
    section = child(document, "inputs") or NOWHERE
    values = parse_inputs(parsing, section, given=inputs, root=document)
    resolver = Resolver(report=report, inputs=values, env=env)
    return _targets(parsing_of(report, catalog, resolver), document)


def parse_way_back(document_json: str, catalog: Catalog) -> Playbook:
    """A playbook that can only go back: targets and limits; steps are names, gates none.

    Args:
        document_json: `Playbook.document`, from the journal.
        catalog: the installed plug-ins; only providers are loaded.

    Raises:
        InvalidPlaybook: the text is no canonical document, or a target's provider is
            missing here.
    """
    report = Report(JOURNAL)
    parsing = parsing_of(report, catalog, Resolver(report=report, is_verbatim=True))
    try:
        document = canonical.decode(document_json)
    except (ValueError, RecursionError) as error:
        report.error(NOWHERE, f"not a canonical document: {error}")
        raise InvalidPlaybook(report.problems) from error
    targets = _targets(parsing, document)
    name = child(document, "name")
    return Playbook(
        name=name.text if name else "",
        document=document_json,
        sha256=canonical.sha256_of(document_json),
        targets=targets,
        gates={},
        steps=_steps(document, tuple(targets)),
        limits=parse_limits(parsing, child(document, "limits") or NOWHERE),
    )


def _targets(parsing: Parsing, document: Node) -> Mapping[str, Target]:
    """Raises `InvalidPlaybook` unless every target is understood: none may be left out."""
    found = parse_targets(parsing, child(document, "targets") or NOWHERE)
    targets = {name: target for name, target in found.items() if target is not None}
    if len(targets) < len(found) or not targets:
        if not parsing.report.has_errors:
            parsing.report.error(document, "targets: there is none", fix="add a target")
        raise InvalidPlaybook(parsing.report.problems)
    return targets


def _steps(document: Node, targets: tuple[str, ...]) -> tuple[Step, ...]:
    """Names for the journal's step numbers."""
    section = child(document, "steps") or NOWHERE
    return tuple(
        Step(
            index=index,
            name=f"step {index + 1}",
            kind=NO_KIND,
            spec=None,
            targets=targets,
        )
        for index in range(len(section.items))
    )
