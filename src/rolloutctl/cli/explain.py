"""`rolloutctl explain ROLLOUT`: every decision with query, raw numbers, threshold, reason."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.meant import rollout_meant
from rolloutctl.cli.options import OneRollout, StoreOption
from rolloutctl.errors import ExitCode
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.explain_scope import scope_of
from rolloutctl.ui.explain_view import (
    Explanation,
    Replayed,
    explain_document,
    explain_story,
    explain_text,
)

if TYPE_CHECKING:
    from rolloutctl.core.events import Recorded
    from rolloutctl.core.json_types import Json
    from rolloutctl.core.ports import Clock
    from rolloutctl.store.sqlite import SqliteJournal


class Form(StrEnum):
    """The form of what is told; Markdown is for a postmortem."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    YAML = "yaml"
    MARKDOWN = "markdown"


def run(  # noqa: PLR0913 - one parameter an option, named by the command line
    rollout: OneRollout = "",
    *,
    step: Annotated[
        str, typer.Option("--step", metavar="STEP", help="Only this step: its number, or name.")
    ] = "",
    gate: Annotated[
        str,
        typer.Option(
            "--gate",
            metavar="GATE",
            help="Only this gate, with its queries and a drawing, and what was decided.",
        ),
    ] = "",
    replay: Annotated[
        bool, typer.Option("--replay", help="Compute every verdict again from the journal.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Every event, each judgement with its queries.")
    ] = False,
    store: StoreOption = "",
    form: Annotated[
        Form, typer.Option("--output", "-o", help="Form of the data on stdout.")
    ] = Form.TABLE,
) -> ExitCode:
    """Tell each decision of a rollout and why, and whether its journal is unbroken.

    A story for people: what gates said stands before the decision that followed, equal
    judgements as one, those that failed with their queries and raw numbers. With --all every
    event; JSON and NDJSON have everything of what --step and --gate leave.

    Exit 0; 5 if the journal's chain is broken; 10 if --replay comes to another verdict.

    Example: rolloutctl explain claude-for-gpt4-x7k2mq --step 2 --gate errors
    """
    is_markdown = form is Form.MARKDOWN
    output = Output.TABLE if is_markdown else Output(form.value)
    console, clock = Console(output=output), wiring.clock()
    ledger = wiring.journal(store, os.environ, read_only=True, must_exist=True)
    rollout = rollout_meant(rollout, ledger, console, verb="explain")
    records = ledger.read(rollout)
    broken = ledger.verify_chain(rollout)
    replayed = _replayed(rollout, records, ledger, clock) if replay else ()
    explanation = Explanation(
        rollout_id=rollout,
        records=tuple(records),
        chain_break="" if broken is None else str(broken),
        replayed=tuple(replayed),
        is_replayed=replay,
        told=scope_of(records, step=step, gate=gate),
        gate=gate,
    )
    _tell(explanation, console, every=every, is_markdown=is_markdown)
    code = _concluded(explanation, console)
    if console.is_for_people and not every and not is_markdown:
        console.talk(
            "the numbers count the journal's events; those left out brought nothing new\n"
            f"every event with its queries: rolloutctl explain {rollout} --all"
        )
    return code


def _tell(explanation: Explanation, console: Console, *, every: bool, is_markdown: bool) -> None:
    if is_markdown:
        from rolloutctl.ui.explain_markdown import explain_markdown  # noqa: PLC0415 - this form

        console.data(explain_markdown(explanation).removesuffix("\n"))
    elif console.output is Output.NDJSON:
        from rolloutctl.store.codec import recorded_to_json  # noqa: PLC0415 - machines only

        named: dict[str, Json] = {"kind": "Event", "id": explanation.rollout_id}
        for record in explanation.told_records:
            console.data_line(named | recorded_to_json(record))
    else:
        tell = explain_text if every else explain_story
        console.document(explain_document(explanation), lambda: tell(explanation, console.width))


def _replayed(
    rollout_id: str, records: Sequence[Recorded], ledger: SqliteJournal, clock: Clock
) -> list[Replayed]:
    from rolloutctl.cli.replay import replay_verdicts  # noqa: PLC0415 - this option only

    opened = wiring.open_rollout(rollout_id, ledger, known=wiring.catalog(), at=clock)
    return replay_verdicts(rollout_id, opened.playbook, opened.adapters.kinds, records=records)


def _concluded(explanation: Explanation, console: Console) -> ExitCode:
    if explanation.chain_break:
        console.talk(
            f"error: the journal's chain is broken: {explanation.chain_break}\n"
            "  hint: it was edited or damaged; restore it from a backup"
        )
        return ExitCode.UNAVAILABLE
    console.talk(f"the chain of {len(explanation.records)} events is unbroken")
    if not explanation.is_replayed:
        return ExitCode.DONE
    different = [one for one in explanation.replayed if not one.is_identical]
    count = len(explanation.replayed)
    console.talk(
        f"replayed {count} verdicts: "
        + (f"{len(different)} DIFFERENT" if different else "all identical")
    )
    return ExitCode.JUDGED_BAD if different else ExitCode.DONE
