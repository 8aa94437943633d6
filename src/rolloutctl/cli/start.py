"""`rolloutctl start FILE`: plan, confirm, and drive with a line for every change."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.alert_names import survey_alerts
from rolloutctl.cli.confirming import is_confirmed
from rolloutctl.cli.driving import Attendance, OnExit, attend, take_lease
from rolloutctl.cli.handing_over import hand_over_of, handing_over
from rolloutctl.cli.options import (
    InputOption,
    OutputOption,
    PlaybookFile,
    ReasonOption,
    StoreOption,
    parse_inputs,
)
from rolloutctl.cli.retention import parse_retention, prune
from rolloutctl.cli.survey import survey_sources, survey_targets
from rolloutctl.clock import random_suffix
from rolloutctl.core.decide import exit_code
from rolloutctl.core.plan import Plan, build
from rolloutctl.errors import Conflict, ExitCode, UsageError
from rolloutctl.runner.start import start
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.plan_view import plan_document, plan_text
from rolloutctl.ui.rollout_view import phase_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rolloutctl.core.planned import TargetSeen
    from rolloutctl.core.playbook import Playbook
    from rolloutctl.core.ports import Journal
    from rolloutctl.runner.adapters import Adapters
    from rolloutctl.runner.rollout import Rollout
    from rolloutctl.store.sqlite import SqliteJournal

#: A playbook's name and a suffix fit into it.
ID_CHARS_MAX = 100
_DETACHED = (
    "recorded as {}; nobody drives it yet\n"
    "  hint: rolloutctl agent (to its end), or rolloutctl tick (one pass, for cron)"
)
_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{ID_CHARS_MAX - 1}}}")


AutoOption = Annotated[
    bool, typer.Option("--auto", help="Ask nothing; a confirm step ends with exit 8.")
]
ApproveAllOption = Annotated[
    bool, typer.Option("--approve-all", help="Answer every confirm step with yes.")
]
DetachOption = Annotated[
    bool, typer.Option("--detach", help="Record the start; leave driving to an agent.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Stop after the plan; nothing is written.")
]
IdOption = Annotated[
    str | None,
    typer.Option("--id", metavar="ID", help="The rollout's id; goes on if it exists."),
]
OnExitOption = Annotated[
    OnExit | None,
    typer.Option(help="On SIGINT, SIGTERM. Default: rollback with --auto, else leave."),
]
JunitOption = Annotated[
    str, typer.Option("--junit", metavar="FILE", help="Leave the gates there as JUnit XML.")
]
SummaryOption = Annotated[
    str,
    typer.Option(
        "--summary",
        metavar="FILE",
        help="Append a summary in Markdown. Default with --auto: $GITHUB_STEP_SUMMARY.",
    ),
]


def run(  # noqa: PLR0913 - one parameter an option, named by the command line
    file: PlaybookFile,
    *,
    auto: AutoOption = False,
    approve_all: ApproveAllOption = False,
    detach: DetachOption = False,
    dry_run: DryRunOption = False,
    rollout_id: IdOption = None,
    on_exit: OnExitOption = None,
    given: InputOption = None,
    junit: JunitOption = "",
    summary: SummaryOption = "",
    reason: ReasonOption = "",
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Start a rollout and drive it until it is done.

    Shows the plan, asks, then drives: one line a change. Exit 0 when it reached its last
    step; 10 judged bad and rolled back; 8 needs a human; the others as documented.

    Example: rolloutctl start playbook.yaml --auto --output ndjson
    """
    console = Console(output=output)
    if not (auto or dry_run or console.can_ask):
        further = " --detach" if detach else ""
        hint = f"rolloutctl start {file} --auto{further}"
        raise UsageError("there is no terminal to ask on", hint=hint)
    files = hand_over_of(junit, summary, os.environ, is_auto=auto, is_detached=detach)
    known, clock = wiring.catalog(), wiring.clock()
    retention_s = parse_retention(os.environ)
    playbook = wiring.load_playbook(file, parse_inputs(given), known=known, environ=os.environ)
    name = (
        _checked_id(rollout_id) if rollout_id is not None else f"{playbook.name}-{random_suffix()}"
    )
    actor = wiring.actor()
    ledger = wiring.journal(store, os.environ)
    attendance = Attendance(
        actor=actor,
        auto=auto,
        approve_all=approve_all,
        on_exit=on_exit or (OnExit.ROLLBACK if auto else OnExit.LEAVE),
        go_on=f"rolloutctl start {file} --id {name}{' --auto' if auto else ''}",
    )
    if not (rollout_id and _exists(ledger, rollout_id, playbook)):
        adapters = wiring.adapters(playbook, known)
        _raise_if_held(playbook, adapters, ledger)
        seen = survey_targets(playbook, adapters)
        plan = _planned(playbook, adapters, seen, console)
        if dry_run:
            return _dry(plan, console)
        if not (auto or _agreed(console)):
            return ExitCode.INTERRUPTED
        start(
            playbook,
            adapters,
            ledger,
            clock=clock,
            rollout_id=name,
            actor=actor,
            reason=reason,
            planned=_fingerprints(seen),
        )
    prune(ledger, clock, console, retention_s=retention_s)
    if detach:
        console.talk(_DETACHED.format(name))
        return ExitCode.DONE
    rollout = wiring.open_rollout(name, ledger, known=known, at=clock)
    with handing_over(files, rollout, console):
        return _driven(rollout, console, attendance)


def _driven(rollout: Rollout, console: Console, attendance: Attendance) -> ExitCode:
    if rollout.state.phase.is_terminal:
        console.talk(phase_line(rollout.state, rollout.state.ended_because))
        return exit_code(rollout.state)
    console.talk(
        f"rollout {rollout.rollout_id}\n"
        f"  from any terminal: rolloutctl status {rollout.rollout_id}\n"
        "  and likewise: watch, pause, promote, rollback, kill"
    )
    take_lease(rollout, attendance.actor)
    return attend(rollout, console, attendance)


def _fingerprints(seen: Mapping[str, TargetSeen]) -> dict[str, str]:
    """What the plan was made from, of each target that could be observed."""
    return {
        target: one.observation.fingerprint
        for target, one in seen.items()
        if one.observation is not None
    }


def _checked_id(rollout_id: str) -> str:
    """The id. Raises `UsageError` for one that other commands could not take.

    SAFETY: `kill` reads what holds `://` as an address; a rollout of that name could not be
    killed by it.
    """
    if not _ID.fullmatch(rollout_id):
        raise UsageError(
            f"{rollout_id[:ID_CHARS_MAX]!r} is no id for a rollout",
            hint=f"use letters, digits, '.', '-' and '_' (at most {ID_CHARS_MAX}), with a letter "
            "or digit first",
        )
    return rollout_id


def _exists(ledger: Journal, rollout_id: str, playbook: Playbook) -> bool:
    """Whether the rollout exists. Raises `Conflict` if it runs another playbook."""
    row = next((r for r in ledger.rollouts() if r.rollout_id == rollout_id), None)
    if row is None:
        return False
    if row.sha256 != playbook.sha256:
        raise Conflict(
            f"rollout {rollout_id} runs another playbook: sha256 {row.sha256[:12]}, this file "
            f"has {playbook.sha256[:12]}",
            hint="take the file and inputs that it was started with, or another --id",
        )
    return True


def _raise_if_held(playbook: Playbook, adapters: Adapters, ledger: SqliteJournal) -> None:
    """Names the open rollout that holds one of the targets, before the plan calls it exposed.

    The journal refuses it again, atomically, when the rollout is recorded.
    """
    wanted = {adapters.providers[name].address(t) for name, t in playbook.targets.items()}
    for address in sorted(wanted):
        holder = ledger.holder(address)
        if holder:
            raise Conflict(
                f"{address} is being changed by the open rollout {holder}",
                hint=f"go on with it, or end it first: rolloutctl status {holder}",
            )


def _planned(
    playbook: Playbook, adapters: Adapters, seen: Mapping[str, TargetSeen], console: Console
) -> Plan:
    """Shows the plan. Raises `PlanRefused`."""
    plan = build(
        playbook,
        adapters.kinds,
        seen=seen,
        findings=[
            *survey_sources(adapters),
            *survey_alerts(playbook, adapters, wiring.clock().now()),
        ],
    )
    console.talk(plan_text(plan, console.width))
    plan.raise_if_unsafe()
    return plan


def _dry(plan: Plan, console: Console) -> ExitCode:
    if not console.is_for_people:
        console.document(plan_document(plan), str)
    console.talk("dry run: nothing was written")
    return ExitCode.DONE


def _agreed(console: Console) -> bool:
    if is_confirmed(console, "start?"):
        return True
    console.talk("not started; nothing was touched")
    return False
