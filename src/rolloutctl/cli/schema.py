"""`rolloutctl schema`: the playbook's JSON Schema, for editors."""

from __future__ import annotations

from rolloutctl.cli.wiring import catalog
from rolloutctl.errors import ExitCode
from rolloutctl.ui.console import Console, to_json


def run() -> ExitCode:
    """Print the playbook's JSON Schema, installed plug-ins included.

    Example: rolloutctl schema > schema/playbook.v1.json
    """
    from rolloutctl.core.schema import build  # noqa: PLC0415 - this command alone needs it

    Console().data(to_json(build(catalog())))
    return ExitCode.DONE
