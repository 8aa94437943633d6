"""`rolloutctl report ROLLOUT`: a rollout as a file for a postmortem or a change ticket."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.meant import rollout_meant
from rolloutctl.cli.options import OneRollout, StoreOption
from rolloutctl.core.machine import fold
from rolloutctl.credentials import redact
from rolloutctl.errors import ExitCode, UsageError
from rolloutctl.ui.console import Console

#: Written to standard output instead of a file.
STDOUT = "-"


class Form(StrEnum):
    """What kind of file is written."""

    HTML = "html"
    MARKDOWN = "markdown"


_SUFFIX = {Form.HTML: "html", Form.MARKDOWN: "md"}


def run(
    rollout: OneRollout = "",
    *,
    form: Annotated[
        Form, typer.Option("--format", "-f", help="One HTML file, or Markdown.")
    ] = Form.HTML,
    out: Annotated[
        str,
        typer.Option("--out", metavar="FILE", help="Default: ROLLOUT.html or .md; - is stdout."),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    store: StoreOption = "",
) -> ExitCode:
    """Write a rollout's report: exposure, gates with their evidence, decisions, people.

    One file that needs nothing else: no network, no script. Of a rollout that is not over it
    tells how it stands now. Exit 5 if the journal's hash chain is broken; the report says so.

    Example: rolloutctl report claude-for-gpt4-x7k2mq --out postmortem.html
    """
    console, clock = Console(), wiring.clock()
    ledger = wiring.journal(store, os.environ, read_only=True, must_exist=True)
    rollout_id = rollout_meant(rollout, ledger, console, verb="report")
    records = ledger.read(rollout_id)
    broken = ledger.verify_chain(rollout_id)
    state = fold(rollout_id, records)
    from rolloutctl.ui.report.gather import report_of  # noqa: PLC0415 - charts, for this command
    from rolloutctl.ui.report.html import report_html  # noqa: PLC0415 - same
    from rolloutctl.ui.report.markdown import report_markdown  # noqa: PLC0415 - same

    report = report_of(
        state,
        records,
        chain="" if broken is None else str(broken),
        now=clock.now(),
    )
    text = redact(report_html(report) if form is Form.HTML else report_markdown(report))
    if out == STDOUT:
        console.data(text.removesuffix("\n"))
    else:
        path = Path(out or f"{rollout_id}.{_SUFFIX[form]}")
        _write(path, text, force=force)
        console.talk(f"wrote {path} ({len(text.encode()) / 1000:.0f} kB): {report.sentence}")
    if broken is not None:
        console.talk(f"error: the journal's chain is broken: {broken}")
        return ExitCode.UNAVAILABLE
    return ExitCode.DONE


def _write(path: Path, text: str, *, force: bool) -> None:
    """Raises `UsageError`."""
    if path.exists() and not force:
        raise UsageError(
            f"{path} exists; nothing was written", hint="another --out FILE, or --force"
        )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", hint="another --out FILE"
        ) from error
