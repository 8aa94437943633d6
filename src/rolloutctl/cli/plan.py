"""`rolloutctl plan FILE`: what would be written, where, in which order; writes nothing."""

from __future__ import annotations

import os

from rolloutctl.cli import wiring
from rolloutctl.cli.options import InputOption, OutputOption, PlaybookFile, parse_inputs
from rolloutctl.cli.survey import survey_sources, survey_targets
from rolloutctl.core.plan import build
from rolloutctl.errors import ExitCode
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.plan_view import plan_document, plan_text


def run(
    file: PlaybookFile, given: InputOption = None, output: OutputOption = Output.TABLE
) -> ExitCode:
    """Show what a rollout would write, and what speaks against it.

    Probes providers and sources, observes the targets, writes nothing.
    Exit 0 if `start` would go ahead, 3 if the plan is refused.

    Example: rolloutctl plan playbook.yaml --input environment=staging
    """
    console = Console(output=output)
    known = wiring.catalog()
    playbook = wiring.load_playbook(file, parse_inputs(given), known=known, environ=os.environ)
    adapters = wiring.adapters(playbook, known)
    seen = survey_targets(playbook, adapters)
    plan = build(playbook, adapters.kinds, seen=seen, findings=survey_sources(adapters))
    console.document(plan_document(plan), lambda: plan_text(plan, console.width))
    if plan.refusals:
        console.talk(f"refused: {plan.name} cannot start; nothing was touched")
        return ExitCode.INVALID
    console.talk(f"nothing was written; go on with: rolloutctl start {file}")
    return ExitCode.DONE
