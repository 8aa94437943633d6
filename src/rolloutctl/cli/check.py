"""`rolloutctl check FILE`: judges the gates now, with real queries and without a rollout."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.options import InputOption, OutputOption, PlaybookFile, parse_inputs
from rolloutctl.clock import in_seconds
from rolloutctl.core.arm_names import arm_names
from rolloutctl.core.error_rate import error_rate_of, looks_of
from rolloutctl.core.events import GateRecord
from rolloutctl.core.exposure_gates import without_exposure_gates
from rolloutctl.core.json_types import Json
from rolloutctl.core.judging import next_record
from rolloutctl.core.measurement import Reading
from rolloutctl.core.playbook import Gate, GateLimits, OnSilence, Playbook
from rolloutctl.core.ports import GateContext
from rolloutctl.core.units import parse_duration
from rolloutctl.core.verdict import Outcome, worst_of
from rolloutctl.errors import ExitCode, Rejected, Unavailable, UsageError
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.documents import time_json, verdict_json
from rolloutctl.ui.messages import API_VERSION
from rolloutctl.ui.table import table

if TYPE_CHECKING:
    from datetime import datetime

    from rolloutctl.core.ports import Clock
    from rolloutctl.runner.adapters import Adapters

#: What the worst verdict of the gates that act tells the caller.
EXIT_CODES: Mapping[Outcome, ExitCode] = {
    Outcome.PASS: ExitCode.DONE,
    Outcome.FAIL: ExitCode.JUDGED_BAD,
    Outcome.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
    Outcome.NO_DATA: ExitCode.INCONCLUSIVE,
    Outcome.ERROR: ExitCode.UNAVAILABLE,
}

GateOption = Annotated[
    list[str] | None, typer.Option("--gate", metavar="NAME", help="Only this gate; repeatable.")
]
WaitOption = Annotated[
    str,
    typer.Option("--wait", metavar="DURATION", help="Judge again until decided, at most so long."),
]


def run(
    file: PlaybookFile,
    gate: GateOption = None,
    wait: WaitOption = "0s",
    given: InputOption = None,
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Judge the gates once, now, without a rollout; warm-up is ignored.

    Exit 0 if all pass, 10 if one fails, 11 if one is inconclusive or has no data, 5 if a
    source cannot answer. Counters need two readings: give --wait. Gates that only
    observe count only when named.

    Example: rolloutctl check playbook.yaml --gate errors --wait 1m
    """
    console = Console(output=output)
    known = wiring.catalog()
    whole = wiring.load_playbook(file, parse_inputs(given), known=known, environ=os.environ)
    playbook = without_exposure_gates(whole)
    if playbook is not whole:
        console.talk("verify_exposure is not judged here: `rolloutctl verify` asks the SDK")
    gates = _chosen(playbook, gate or ())
    clock, wait_s = wiring.clock(), _seconds(wait)
    judge = Judge(playbook, wiring.adapters(_only(playbook, gates), known), since=clock.now())
    records = _judged(judge, gates, clock=clock, wait_s=wait_s)
    acting = [g for g in gates if gate or not g.limits.observe_only]
    worst = worst_of(records[one.name].verdict.outcome for one in acting)
    console.document(
        _document(playbook, gates, records=records, worst=worst),
        lambda: _table(gates, records, console.width),
    )
    waiting = [name for name, one in records.items() if one.verdict.settles_at is not None]
    if waiting and not wait_s:
        console.talk(f"{', '.join(waiting)} need more than one look: give --wait 1m")
    if not acting:
        console.talk("no gate that acts was judged: that is never a pass")
    return EXIT_CODES[worst]


class Judge:
    """Asks the sources and judges one gate at a time."""

    def __init__(self, playbook: Playbook, adapters: Adapters, *, since: datetime) -> None:
        self._playbook = playbook
        self._adapters = adapters
        self._since = since

    def judge(self, gate: Gate, previous: GateRecord | None, now: datetime) -> GateRecord:
        """One more judgement on top of `previous`."""
        kind = self._adapters.kinds.gates[gate.kind]
        context = GateContext(
            now=now,
            since=self._since,
            arms=arm_names(self._playbook, gate),
            exposure=None,
            interval_s=gate.limits.interval_s,
            error_rate=error_rate_of(self._playbook, gate, self._adapters.kinds.gates),
            looks=looks_of(self._playbook, gate),
            min_sample=gate.limits.min_sample,
        )
        readings = self._readings(gate, context)
        evidence, measured = kind.assess(
            gate.spec, None if previous is None else previous.evidence, readings, context
        )
        return next_record(
            previous, measured, evidence, limits=_plain(gate), now=now, since=self._since
        )

    def _readings(self, gate: Gate, context: GateContext) -> list[Reading]:
        readings = []
        for query in self._adapters.kinds.gates[gate.kind].queries(gate.spec, context):
            try:
                # A gate without a source asks nothing.
                measured = self._adapters.sources[gate.source].query(query, context.now)
                readings.append(Reading(query=query, measurement=measured))
            except (Unavailable, Rejected) as error:
                readings.append(Reading(query=query, error=error.message))
        return readings


def _plain(gate: Gate) -> GateLimits:
    """The gate's limits without those that need a step's history: one look decides."""
    return replace(
        gate.limits,
        warm_up_s=0.0,
        failure_limit=0,
        consecutive_successes=1,
        on_no_data=OnSilence.WAIT,
        on_error=OnSilence.WAIT,
    )


def _judged(
    judge: Judge, gates: Sequence[Gate], *, clock: Clock, wait_s: float
) -> dict[str, GateRecord]:
    """Judges every gate once, and the undecided ones again until `wait_s` is over."""
    now = clock.now()
    until = in_seconds(now, wait_s)
    records = {gate.name: judge.judge(gate, None, now) for gate in gates}
    while True:
        open_gates = [gate for gate in gates if _is_open(records[gate.name])]
        if not open_gates or now >= until:
            return records
        pause_s = min(gate.limits.interval_s for gate in open_gates)
        clock.sleep(min(pause_s, (until - now).total_seconds()))
        now = clock.now()
        for gate in open_gates:
            records[gate.name] = judge.judge(gate, records[gate.name], now)


def _is_open(record: GateRecord) -> bool:
    return record.verdict.outcome in (Outcome.INCONCLUSIVE, Outcome.NO_DATA, Outcome.ERROR)


def _chosen(playbook: Playbook, names: Sequence[str]) -> list[Gate]:
    unknown = [name for name in names if name not in playbook.gates]
    if unknown:
        raise UsageError(
            f"--gate {unknown[0]}: {playbook.name} has no such gate; known: "
            f"{', '.join(playbook.gates) or 'none'}",
            hint="name one of these, or leave --gate out to judge all",
        )
    return [playbook.gates[name] for name in names or playbook.gates]


def _only(playbook: Playbook, gates: Sequence[Gate]) -> Playbook:
    """The playbook with nothing but what judging needs, so that nothing else is imported."""
    sources = {gate.source for gate in gates}
    return replace(
        playbook,
        sources={name: one for name, one in playbook.sources.items() if name in sources},
        notifiers={},
        steps=(),
        targets={},
    )


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--wait {text}: {error}", hint="e.g. --wait 90s") from error


def _table(gates: Sequence[Gate], records: Mapping[str, GateRecord], width: int) -> str:
    rows = [
        (gate.name, records[gate.name].verdict.outcome, records[gate.name].verdict.because)
        for gate in gates
    ]
    return table(("GATE", "VERDICT", "BECAUSE"), rows, width)


def _document(
    playbook: Playbook,
    gates: Sequence[Gate],
    *,
    records: Mapping[str, GateRecord],
    worst: Outcome,
) -> Mapping[str, Json]:
    return {
        "apiVersion": API_VERSION,
        "kind": "Check",
        "name": playbook.name,
        "sha256": playbook.sha256,
        "outcome": worst.value,
        "gates": [
            {
                "name": gate.name,
                "kind": gate.kind,
                "source": gate.source,
                "observe_only": gate.limits.observe_only,
                "judged_at": time_json(records[gate.name].judged_at),
                **verdict_json(records[gate.name].verdict),
            }
            for gate in gates
        ],
    }
