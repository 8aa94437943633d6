"""`rolloutctl plan FILE`: what would be written, where, in which order; writes nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.alert_names import survey_alerts
from rolloutctl.cli.foresight import stated_rates, survey_rates
from rolloutctl.cli.gate_trial import failing_gates
from rolloutctl.cli.held import survey_holders
from rolloutctl.cli.meant import rollout_meant
from rolloutctl.cli.metric_names import unknown_metrics
from rolloutctl.cli.options import (
    InputOption,
    OutputOption,
    PlaybookFile,
    StoreOption,
    parse_inputs,
)
from rolloutctl.cli.survey import Unreached, survey_sources, survey_targets
from rolloutctl.core.differences import differences
from rolloutctl.core.events import Recorded, Started
from rolloutctl.core.machine import fold
from rolloutctl.core.plan import build
from rolloutctl.core.units import parse_share
from rolloutctl.errors import ExitCode, JournalUnavailable, UsageError
from rolloutctl.ui.against_view import Against, against_document, against_text
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.plan_view import plan_document, plan_text

if TYPE_CHECKING:
    from rolloutctl.core.planned import TargetSeen
    from rolloutctl.core.playbook import Playbook


def run(  # noqa: PLR0913 - one parameter an option, named by the command line
    file: PlaybookFile,
    given: InputOption = None,
    *,
    traffic: Annotated[
        str,
        typer.Option(
            "--traffic", metavar="RATE", help="Requests, such as 50/s; else the last day's."
        ),
    ] = "",
    bad_share: Annotated[
        str,
        typer.Option(
            "--bad-share", metavar="SHARE", help="How many of them are bad today (with --traffic)."
        ),
    ] = "1%",
    against: Annotated[
        str,
        typer.Option("--against", metavar="ROLLOUT", help="Show too what changed since this one."),
    ] = "",
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Show what a rollout would write, what its gates will see, what speaks against it.

    Probes providers and sources, observes the targets, writes nothing. What gates will see
    follows from control's traffic in the last day, or from --traffic.
    Exit 0 if `start` would go ahead, 3 if the plan is refused, 4 or 5 if something in it
    cannot be asked, 6 if an open rollout of the journal holds a target.

    Example: rolloutctl plan playbook.yaml --traffic 50/s --bad-share 0.5%
    """
    console = Console(output=output)
    stated = (_per_s(traffic), _share(bad_share)) if traffic else None
    known = wiring.catalog()
    playbook = wiring.load_playbook(file, parse_inputs(given), known=known, environ=os.environ)
    before = _run_before(against, console, store=store) if against else None
    adapters = wiring.adapters(playbook, known)
    unreached = Unreached()
    seen, findings = survey_holders(
        survey_targets(playbook, adapters, unreached), store=store, environ=os.environ
    )
    findings += survey_sources(adapters, unreached)
    if unreached.first is None:
        findings += unknown_metrics(playbook, adapters, wiring.clock().now())
        findings += survey_alerts(playbook, adapters, wiring.clock().now())
        findings += failing_gates(playbook, adapters, wiring.clock())
    if stated is not None:
        rates = stated_rates(playbook, adapters, per_s=stated[0], bad_share=stated[1])
    elif unreached.first is not None:
        rates = {}
    else:
        rates, unseen = survey_rates(playbook, adapters, wiring.clock().now())
        findings += unseen
    plan = build(playbook, adapters.kinds, seen=seen, findings=findings, rates=rates)
    since = _since(*before, playbook, seen) if before else None
    console.document(
        {**plan_document(plan), **({"against": against_document(since)} if since else {})},
        lambda: "\n\n".join(
            [
                plan_text(plan, console.width),
                *([against_text(since, console.width)] if since else []),
            ]
        ),
    )
    if plan.refusals:
        console.talk(f"refused: {plan.name} cannot start; nothing was touched")
        return _refused(seen.values(), unreached)
    console.talk(f"nothing was written; go on with: rolloutctl start {file}")
    return ExitCode.DONE


def _run_before(rollout: str, console: Console, *, store: str) -> tuple[str, Sequence[Recorded]]:
    """The rollout to compare with: its id and its journal. Raises `NotFound`."""
    ledger = wiring.journal(store, os.environ, read_only=True, must_exist=True)
    rollout_id = rollout_meant(rollout, ledger, console, verb="plan --against")
    return rollout_id, ledger.read(rollout_id)


def _since(
    rollout_id: str,
    records: Sequence[Recorded],
    playbook: Playbook,
    seen: Mapping[str, TargetSeen],
) -> Against:
    """What changed since that rollout."""
    started = records[0].event
    if not isinstance(started, Started):
        raise JournalUnavailable(f"the journal of {rollout_id} does not begin with its start")
    state = fold(rollout_id, records)
    return Against(
        rollout_id=rollout_id,
        phase=state.phase,
        began_at=records[0].at,
        differences=differences(json.loads(started.document), json.loads(playbook.document)),
        then={point.target: point.observation for point in started.restore_points},
        now={name: one.observation for name, one in seen.items() if one.observation is not None},
    )


def _refused(seen: Iterable[TargetSeen], unreached: Unreached) -> ExitCode:
    """As `start` would end: it looks for the rollout that holds a target first."""
    if any(one.holder for one in seen):
        return ExitCode.CONFLICT
    return unreached.first.exit_code if unreached.first is not None else ExitCode.INVALID


def _per_s(text: str) -> float:
    from rolloutctl.simulation.scenario import parse_rate  # noqa: PLC0415 - this option only

    return parse_rate(text)


def _share(text: str) -> float:
    try:
        share = parse_share(text)
    except ValueError as error:
        raise UsageError(f"--bad-share {text}: {error}", hint="e.g. --bad-share 0.5%") from error
    if share > 1:
        raise UsageError(f"--bad-share {text}: above 100%", hint="e.g. --bad-share 0.5%")
    return share
