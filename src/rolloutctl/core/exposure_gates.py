"""`verify_exposure: true`: every step that changes a target is judged by the real SDK, too.

The gates are made from what the steps write, so step kinds from plug-ins have them as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rolloutctl.core.check_exposures import Walk
from rolloutctl.core.implied_gates import free_name
from rolloutctl.core.parse_steps import ParsedStep
from rolloutctl.core.playbook import Gate, GateLimits, OnFail, OnSilence, Playbook, Step
from rolloutctl.core.shapes import DefaultsShape

#: The kind of gate that is made.
GATE_KIND = "exposure"
#: What the name of the source begins with; a declared source cannot be called so.
SOURCE_PREFIX = "sdk:"
#: A wrong share is measured once more: changes take their time to every edge.
FAILURE_LIMIT = 1
#: The SDK's answer is looked for at least so often, in seconds; asked is it once.
INTERVAL_MAX_S = 10.0
_STATED = GateLimits()


def source_of(target: str) -> str:
    """The source that asks the SDK of a target."""
    return f"{SOURCE_PREFIX}{target}"


def with_exposure_gates(
    walk: Walk, playbook: Playbook, steps: Sequence[ParsedStep], defaults: DefaultsShape
) -> Playbook:
    """The playbook with a gate for each target that a step changes.

    Args:
        walk: what each step changes; where problems are told.
        playbook: without them.
        steps: its steps, as parsed.
        defaults: what every gate takes.
    """
    gates: dict[str, Gate] = {}
    found: list[Step] = []
    for one in steps:
        names = []
        for target in _changed(walk, one.step.index):
            exposure = walk.after[one.step.index][target]
            if exposure.audience is not None or exposure.include is not None:
                message = (
                    f"{one.step.name}: verify_exposure cannot be done for {target}: an audience or "
                    "a cohort is served, and made-up units are in neither"
                )
                walk.parsing.report.warning(
                    one.at, message, fix="watch it with a sample-ratio gate"
                )
                continue
            gate = _gate(walk, playbook, target, defaults)
            gates[gate.name] = gate
            names.append(gate.name)
        found.append(replace(one.step, gates=(*one.step.gates, *names)))
    return replace(playbook, gates={**playbook.gates, **gates}, steps=tuple(found))


def without_exposure_gates(playbook: Playbook) -> Playbook:
    """The playbook as it is rehearsed: no SDK serves simulated units."""
    gates = {name: gate for name, gate in playbook.gates.items() if gate.kind != GATE_KIND}
    if len(gates) == len(playbook.gates):
        return playbook
    steps = [
        replace(step, gates=tuple(name for name in step.gates if name in gates))
        for step in playbook.steps
    ]
    return replace(playbook, gates=gates, steps=tuple(steps))


def _changed(walk: Walk, index: int) -> list[str]:
    before, after = walk.before.get(index, {}), walk.after.get(index, {})
    return [name for name, exposure in after.items() if exposure != before[name]]


def _gate(walk: Walk, playbook: Playbook, target: str, defaults: DefaultsShape) -> Gate:
    plugin: Any = walk.parsing.catalog.load("gates", GATE_KIND)  # Any: a plug-in's class
    interval_s = _STATED.interval_s if defaults.interval is None else defaults.interval
    alone = len(playbook.targets) == 1
    return Gate(
        name=free_name(GATE_KIND if alone else f"{GATE_KIND}-{target}", playbook.gates),
        kind=GATE_KIND,
        source=source_of(target),
        spec=plugin.Spec(mirrors=playbook.targets[target].shadow is not None),
        limits=GateLimits(
            interval_s=min(interval_s, INTERVAL_MAX_S),
            failure_limit=FAILURE_LIMIT,
            on_fail=OnFail.PAUSE,
            on_no_data=defaults.on_no_data or OnSilence.WAIT,
            on_error=defaults.on_error or OnSilence.WAIT,
        ),
        target=target,
    )
