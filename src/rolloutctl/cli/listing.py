"""`rolloutctl list`: the rollouts of the journal, newest first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.options import OutputOption, StoreOption
from rolloutctl.core.json_types import Json
from rolloutctl.core.lease_owner import readable_owner
from rolloutctl.core.machine import fold
from rolloutctl.core.ports import RolloutRow
from rolloutctl.core.situation import needs_human
from rolloutctl.core.state import RolloutState
from rolloutctl.errors import ExitCode, IllegalEvent, JournalUnavailable
from rolloutctl.runner.owner import living
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.documents import time_json
from rolloutctl.ui.messages import API_VERSION
from rolloutctl.ui.table import table
from rolloutctl.ui.target_view import exposed_targets

if TYPE_CHECKING:
    from rolloutctl.core.ports import Clock, Journal
    from rolloutctl.store.sqlite import SqliteJournal

#: Rollouts shown unless told otherwise; each costs a reading of its journal.
SHOWN_DEFAULT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of the list."""

    row: RolloutRow
    state: RolloutState
    driver: str


def run(
    *,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that are open.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = SHOWN_DEFAULT,
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """List the rollouts of the journal, newest first. Reads only.

    Example: rolloutctl list --open --output json
    """
    console = Console(output=output)
    ledger = open_to_list(store)
    rows = ledger.rollouts(open_only=open_only)
    code = list_rows(console, rows[:limit], ledger, at=wiring.clock())
    if not rows:
        say_nothing_listed(console, ledger, store)
    if len(rows) > limit:
        console.talk(f"{len(rows) - limit} older ones not shown; --limit {len(rows)} shows all")
    return code


def open_to_list(store: str) -> SqliteJournal:
    """The journal. Where nobody said which, one that does not exist yet is an empty list.

    Raises `NotFound` for one that somebody named.
    """
    _, is_named = wiring.journal_place(store, os.environ)
    return wiring.journal(store, os.environ, read_only=True, must_exist=is_named)


def say_nothing_listed(console: Console, ledger: Journal, store: str) -> None:
    """Why the list is empty, and where it was looked."""
    if ledger.rollouts():
        console.talk("no open rollout; all of them: rolloutctl list")
        return
    path, _ = wiring.journal_place(store, os.environ)
    console.talk(
        f"nothing has been started yet (journal: {path})\n"
        "  hint: begin with: rolloutctl start FILE; another journal: --store or ROLLOUTCTL_STORE"
    )


def list_rows(
    console: Console, rows: Sequence[RolloutRow], ledger: Journal, *, at: Clock
) -> ExitCode:
    """Lists what can be followed and names what cannot: one must not hide the others.

    Returns 5 if a rollout is missing from the list.
    """
    now = at.now()
    listed = []
    for row in rows:
        try:
            state = fold(row.rollout_id, ledger.read(row.rollout_id))
        except (IllegalEvent, JournalUnavailable) as error:
            console.talk(f"error: {row.rollout_id}: {error.message}\n  hint: {error.hint}")
        else:
            listed.append(Listed(row=row, state=state, driver=_driver(row, now)))
    _write_list(console, listed)
    return ExitCode.DONE if len(listed) == len(rows) else ExitCode.UNAVAILABLE


def _write_list(console: Console, listed: Sequence[Listed]) -> None:
    """Writes the list in the asked form; nothing at all is a list, too."""
    if console.output is Output.NDJSON:
        for one in listed:
            console.data_line(_json(one))
        return
    document: dict[str, Json] = {
        "apiVersion": API_VERSION,
        "kind": "RolloutList",
        "rollouts": [_json(one) for one in listed],
    }
    console.document(document, lambda: _table(listed, console.width))


def _driver(row: RolloutRow, now: datetime) -> str:
    lease = living(row.lease)
    return "" if lease is None or lease.expires_at <= now else readable_owner(lease.owner)


def _is_unwatched(one: Listed) -> bool:
    is_exposed = bool(exposed_targets(one.state)) and not one.state.phase.is_terminal
    return is_exposed and not one.driver


def _table(listed: Sequence[Listed], width: int) -> str:
    rows = [
        (
            one.row.rollout_id,
            one.state.phase.value,
            str(one.state.steps_left),
            _exposed(one.state),
            one.driver or ("UNWATCHED" if _is_unwatched(one) else "-"),
        )
        for one in listed
    ]
    return table(("ROLLOUT", "PHASE", "STEPS DONE", "EXPOSED", "DRIVER"), rows, width)


def _exposed(state: RolloutState) -> str:
    """What it serves; of one that is over, what it left: a kill since then is not its own."""
    exposed = "; ".join(exposed_targets(state, is_short=True))
    if not exposed:
        return "control only"
    return f"left {exposed}" if state.phase.is_terminal else exposed


def _json(one: Listed) -> dict[str, Json]:
    return {
        "id": one.row.rollout_id,
        "name": one.row.name,
        "sha256": one.row.sha256,
        "phase": one.state.phase.value,
        "is_open": one.row.is_open,
        "created_at": time_json(one.row.created_at),
        "steps_done": one.state.steps_left,
        "exposed": [*exposed_targets(one.state)],
        "needs_human": needs_human(one.state),
        "driver": one.driver,
        "unwatched": _is_unwatched(one),
    }
