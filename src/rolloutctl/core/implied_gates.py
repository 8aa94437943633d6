"""Gates that steps imply: an experiment is judged, and nobody writes its gate by hand.

They stand among the playbook's gates under a name of their own, so that judging, evidence,
silence, screens and replay treat them like every other.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rolloutctl.core.experiment import ImpliedGate
from rolloutctl.core.parse_entries import Surroundings, check_source
from rolloutctl.core.parse_steps import ParsedStep
from rolloutctl.core.parsing import Parsing, locate
from rolloutctl.core.playbook import Gate, GateLimits, OnInconclusive, OnSilence

_STATED = GateLimits()


def imply_gates(
    parsing: Parsing,
    steps: Sequence[ParsedStep],
    around: Surroundings,
    *,
    taken: Mapping[str, object],
) -> tuple[list[ParsedStep], dict[str, Gate]]:
    """The steps with the gates that they imply, and these gates by name.

    Args:
        parsing: where problems are told.
        steps: as parsed; of one that its kind objects to nothing is implied.
        around: what a gate takes its values from.
        taken: names of the declared gates.
    """
    gates: dict[str, Gate] = {}
    found = []
    for one in steps:
        implied = getattr(one.kind, "implied_gate", None)
        if implied is None or not one.can_plan:
            found.append(one)
            continue
        gate = _gate(
            parsing,
            one,
            implied(one.step.spec, one.step),
            around=around,
            name=free_name(one.step.kind, {*taken, *gates}),
        )
        gates[gate.name] = gate
        step = replace(one.step, gates=(*one.step.gates, gate.name))
        found.append(replace(one, step=step, implied=gate.name))
    return found, gates


def _gate(
    parsing: Parsing, one: ParsedStep, implied: ImpliedGate, *, around: Surroundings, name: str
) -> Gate:
    where = f"steps[{one.step.index}]"
    _refuse_silence(parsing, one, around, where=where)
    target = around.targets.get(implied.target)
    if implied.needs_unit and target is not None and not target.unit:
        message = f"{where}: nothing says who keeps the arm of {target.name} that they were given"
        fix = f"add unit: user (or session, …) to targets.{target.name}, and count these units"
        parsing.report.warning(one.at, message, fix=fix)
    plugin: Any = parsing.catalog.load("gates", implied.kind)()  # Any: a plug-in
    parsing.tell(plugin.problems(implied.spec), one.node, where)
    at = locate(one.node, implied.source_key)
    check_source(
        parsing, at, plugin.query_kinds(implied.spec), where=f"{where}.source", around=around
    )
    defaults = around.defaults
    limits = GateLimits(
        interval_s=_STATED.interval_s if defaults.interval is None else defaults.interval,
        warm_up_s=_STATED.warm_up_s if defaults.warm_up is None else defaults.warm_up,
        failure_limit=_STATED.failure_limit
        if defaults.failure_limit is None
        else defaults.failure_limit,
        on_fail=implied.on_fail,
        on_no_data=defaults.on_no_data or OnSilence.WAIT,
        on_error=defaults.on_error or OnSilence.WAIT,
        # What is left undecided is for a person: a broken split, a result that pauses.
        on_inconclusive=OnInconclusive.PAUSE,
    )
    return Gate(
        name=name,
        kind=implied.kind,
        source=implied.source,
        spec=implied.spec,
        limits=limits,
        target=implied.target,
    )


def _refuse_silence(parsing: Parsing, one: ParsedStep, around: Surroundings, *, where: str) -> None:
    """SAFETY: what no data and an error lead to is never guessed."""
    silent = [key for key in ("on_no_data", "on_error") if key not in around.declared]
    if silent:
        message = f"{where}: what it leads to is not declared: {', '.join(silent)}"
        fix = f"add {', '.join(f'{key}: wait' for key in silent)} to defaults"
        parsing.report.error(one.at, message, fix=fix)


def free_name(kind: str, taken: Container[str]) -> str:
    """`experiment`, or `experiment-2` and so on where that is taken."""
    name, number = kind, 1
    while name in taken:
        number += 1
        name = f"{kind}-{number}"
    return name
