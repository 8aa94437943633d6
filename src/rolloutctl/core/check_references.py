"""Checks that every `${control…}` and `${canary…}` of a gate has a value where it is used."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from rolloutctl.core.arm_names import arm_names, names_of_arm, only_mirrors, only_target
from rolloutctl.core.check_exposures import Walk
from rolloutctl.core.document import Node
from rolloutctl.core.exposure import CANARY, CONTROL, Exposure, split
from rolloutctl.core.parse_steps import ParsedStep, node_of_gate
from rolloutctl.core.parsing import Parsing, locate
from rolloutctl.core.playbook import Gate, Playbook
from rolloutctl.core.references import references
from rolloutctl.core.report import listed, nearest, suggestion
from rolloutctl.core.resolve import ARM_PREFIXES

#: Known references listed in one message; of more only the nearest, so many.
LISTED_MAX, NEAREST_MAX = 8, 3


def check_references(
    parsing: Parsing,
    section: Node,
    *,
    steps: Sequence[ParsedStep],
    walk: Walk,
    unknown: Collection[str],
) -> None:
    """Tells of references without a value, and of gates that nobody uses.

    `unknown` are the targets that cannot be understood: their names are not known.
    """
    playbook = walk.playbook
    used = {name for one in steps for name in (*one.step.gates, *one.step.before)}
    mirrored = dict.fromkeys(playbook.targets, split(0, shadow_bp=1))
    for gate in playbook.gates.values():
        node = node_of_gate(gate.name, section, steps)
        is_used = gate.name in used or gate.name in playbook.guardrails
        # With errors, the step that uses it may be what is in error.
        if not is_used and not parsing.report.has_errors:
            parsing.report.warning(node, f"gates.{gate.name}: no step uses it", fix="remove it")
        if not is_meant(gate, playbook, unknown):
            continue
        exposures = mirrored if _only_while_mirrored(playbook, gate, steps, walk) else None
        plugin = parsing.plugin("gates", gate.kind, at=node, what="gate kind")()
        known = arm_names(playbook, gate, exposures=exposures)
        if getattr(plugin, "compares_arms", False):
            if not (gate.target or only_target(playbook)):
                continue  # told once: it does not say which target it compares
            known |= _per_arm(known)
        texts = plugin.texts(gate.spec)
        for key, text in texts.items():
            _check_text(parsing, locate(node, key), text, known, unknown)
        _refuse_elsewhere(parsing, node, texts)


def _only_while_mirrored(
    playbook: Playbook, gate: Gate, steps: Sequence[ParsedStep], walk: Walk
) -> bool:
    """Shadow labels have a value only in steps whose canary is mirrored and not served."""
    if gate.name in playbook.guardrails:
        return False
    targets = [gate.target] if gate.target in playbook.targets else list(playbook.targets)
    rows: list[Mapping[str, Exposure]] = []
    for one in steps:
        if gate.name in one.step.gates:
            rows.append(walk.after.get(one.step.index, {}))
        if gate.name in one.step.before:
            rows.append(walk.before.get(one.step.index, {}))
    # An unplanned step has an empty row: what it lacks was told already.
    return all(only_mirrors(row[name]) for row in rows for name in targets if name in row)


def _per_arm(known: Mapping[str, str]) -> dict[str, str]:
    """`arm.x` for each name that both arms have: it is asked once per arm."""
    control = names_of_arm(known, CONTROL)
    return {f"arm.{name}": "" for name in names_of_arm(known, CANARY) if name in control}


def is_meant(gate: Gate, playbook: Playbook, unknown: Collection[str]) -> bool:
    """Whether it is known which target a gate's arms are: others were told of already."""
    if gate.target:
        return gate.target in playbook.targets
    return not unknown


def _check_text(
    parsing: Parsing, at: Node, text: str, known: Mapping[str, str], unknown: Collection[str]
) -> None:
    for name in references(text):
        if name in known or name.partition(".")[2].partition(".")[0] in unknown:
            continue
        scoped = [one for one in known if one.count(".") > 1 and _is_scoped(one, name)]
        close = scoped[0] if scoped else suggestion(name, list(known))
        if name.startswith("arm.") and "canary." + name.removeprefix("arm.") in known:
            close = "canary." + name.removeprefix("arm.")
        fix = f"did you mean ${{{close}}}? " if close else ""
        message = f"unknown reference ${{{name}}}"
        parsing.report.error(at, message, fix=f"{fix}{_known(name, _short(known))}")


def _known(name: str, known: Sequence[str]) -> str:
    """All names that could be meant, or those nearest to `name` and where the others come from."""
    if len(known) <= LISTED_MAX:
        return f"known: {listed(known)}"
    near = listed(nearest(name, known, NEAREST_MAX))
    return (
        f"nearest: {near}; all {len(known)} follow from `is` and `labels` of the targets "
        '(docs/playbook.md, "References")'
    )


def _short(known: Mapping[str, str]) -> list[str]:
    """The names without those that say the only target's name where they need not."""
    return [one for one in sorted(known) if not any(_is_scoped(one, other) for other in known)]


def _is_scoped(known: str, name: str) -> bool:
    """Is `known` the same thing with a target's name: canary.llm.is for canary.is?"""
    arm, _, rest = known.partition(".")
    return f"{arm}.{rest.partition('.')[2]}" == name


def _refuse_elsewhere(parsing: Parsing, node: Node, texts: Mapping[str, str]) -> None:
    """Tells of arms' references in keys of the gate where nobody replaces them."""
    for scalar in _scalars(node):
        names = [name for name in references(scalar.text) if name.startswith(ARM_PREFIXES)]
        resolved = parsing.gate_decoder.resolver.text(scalar, "") if names else ""
        if names and resolved not in texts.values() and not parsing.report.has_error_at(scalar):
            message = f"${{{names[0]}}} cannot be used in this key"
            parsing.report.error(scalar, message, fix=f"it may stand in: {listed(texts)}")


def _scalars(node: Node) -> Iterator[Node]:
    for value in (*node.items, *(value for _, value in node.pairs)):
        if value.kind == "scalar":
            yield value
        else:
            yield from _scalars(value)
