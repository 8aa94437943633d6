"""`rolloutctl schema`: JSON Schemas of what people write and of what machines read."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from rolloutctl.cli.wiring import catalog
from rolloutctl.errors import ExitCode
from rolloutctl.ui.console import Console, to_json


class Document(StrEnum):
    """What there is a schema of."""

    PLAYBOOK = "playbook"
    EVENTS = "events"


def run(
    document: Annotated[
        Document, typer.Argument(metavar="[DOCUMENT]", help="playbook or events.")
    ] = Document.PLAYBOOK,
) -> ExitCode:
    """Print a JSON Schema: of playbooks, installed plug-ins included, or of event lines.

    `playbook` is for editors; `events` is one line of `--output ndjson`.

    Example: rolloutctl schema > schema/playbook.v1.json
    """
    if document is Document.EVENTS:
        from rolloutctl.store.event_schema import event_schema  # noqa: PLC0415 - one of two

        Console().data(to_json(dict(event_schema())))
        return ExitCode.DONE
    from rolloutctl.core.schema import build  # noqa: PLC0415 - one of two

    Console().data(to_json(build(catalog())))
    return ExitCode.DONE
