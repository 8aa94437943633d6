"""`rolloutctl demo`: a whole rollout of a real application, on this machine alone."""

from __future__ import annotations

import shlex
import sys
from contextlib import nullcontext, redirect_stdout, suppress
from pathlib import Path
from typing import Annotated

import typer

from rolloutctl.cli import start
from rolloutctl.cli.options import OutputOption
from rolloutctl.clock import SystemClock
from rolloutctl.core.json_types import Json
from rolloutctl.demo import scenario
from rolloutctl.errors import ExitCode, StuckError
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.messages import API_VERSION

ROLLOUT_ID = "llm-demo"
_STAY_S = 3_600.0
_COMMAND_WIDTH = 30


def run(
    *,
    regression: Annotated[
        bool, typer.Option("--regression", help="The canary goes bad at 25 %: exit 10.")
    ] = False,
    hands_on: Annotated[
        bool,
        typer.Option("--hands-on", help="Only the application and a playbook; you drive."),
    ] = False,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Leave flags, playbook and journal in this new folder."),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Roll a model out to real traffic on this machine: no account, no network.

    Starts a small service with two simulated models that asks a flagd file which one
    answers, sends it traffic, and runs the playbook as `start --auto` does: shadow, 5 %, 25 %,
    50 %, 100 %, with seconds for hours. Takes less than a minute, once it is installed.

    With --hands-on nothing is driven: the application and its traffic run until Ctrl-C, and
    the commands to try in another terminal are printed.

    Example: rolloutctl demo --regression
    """
    console = Console(output=output)
    options = scenario.Options(is_regression=regression, keep=keep, is_hands_on=hands_on)
    if hands_on:
        return _stay(options, console)
    outcome = scenario.run(options, drive=lambda stage: _drive(stage, console), tell=console.talk)
    _report(console, outcome, keep)
    if outcome.exit_code == ExitCode.JUDGED_BAD and not outcome.flags_as_before:
        raise StuckError(
            "the demo rolled back, but the flag file differs from what it was before",
            hint="this is a bug in rolloutctl; please report it with the output of: "
            "rolloutctl demo --regression --keep DIR",
        )
    return ExitCode(outcome.exit_code)


def _stay(options: scenario.Options, console: Console) -> ExitCode:
    """Keeps the stage up for somebody who drives from another terminal, until Ctrl-C."""
    clock = SystemClock()

    def stay(stage: scenario.Stage) -> ExitCode:
        console.data(_to_try(stage))
        with suppress(KeyboardInterrupt):
            while True:
                clock.sleep(_STAY_S)
        return ExitCode.DONE

    scenario.run(options, drive=stay, tell=console.talk)
    console.talk("demo: the application has stopped")
    if options.keep is not None:
        console.talk(
            f"the pieces are in {options.keep.resolve()}; its README.txt says how to play on"
        )
    return ExitCode.DONE


def _to_try(stage: scenario.Stage) -> str:
    """What to type in another terminal, in the order in which it teaches most."""
    program, folder = shlex.quote(scenario.command()), shlex.quote(str(stage.folder))
    flag = shlex.quote(f"flagd-file://{stage.flags}#llm-model")
    rows = (
        (f"{program} plan playbook.yaml", "what would be written, and what the gates can see"),
        (f"{program} start playbook.yaml", "drive it; the questions are asked there"),
        (f"touch {scenario.BAD}", f"the new model goes bad; rm {scenario.BAD} mends it"),
        (f"{program} watch", "look on from a third terminal; status and explain too"),
        (f"{program} promote ROLLOUT", "do not wait for the hold; pause, resume, rollback"),
        (f"{program} kill {flag} --to gpt-4 --shadow llm-shadow", "everybody back, now"),
    )
    return "\n".join(
        (
            "in another terminal:",
            f"  cd {folder}",
            f"  export ROLLOUTCTL_STORE={shlex.quote(str(stage.store))}",
            *(_row(command, meaning) for command, meaning in rows),
            "here: Ctrl-C ends the application",
        )
    )


def _row(command: str, meaning: str) -> str:
    """A command and what it does; below it where the command is long."""
    if len(command) > _COMMAND_WIDTH:
        return f"  {command}\n  {'':<{_COMMAND_WIDTH}}  {meaning}"
    return f"  {command:<{_COMMAND_WIDTH}}  {meaning}"


def _drive(stage: scenario.Stage, console: Console) -> ExitCode:
    """What `rolloutctl start --auto` does, with the journal on the stage.

    A single JSON document is the demo's own; the rollout's lines are talk then.
    """
    output = console.output
    is_single = output in (Output.JSON, Output.YAML)
    console.talk(_taking_part(stage))
    with redirect_stdout(sys.stderr) if is_single else nullcontext():
        return start.run(
            stage.playbook,
            auto=True,
            rollout_id=ROLLOUT_ID,
            store=str(stage.store),
            output=Output.TABLE if is_single else output,
        )


def _taking_part(stage: scenario.Stage) -> str:
    """Commands to copy: the demo's own program and journal, whatever is on the PATH."""
    program, store = shlex.quote(scenario.command()), shlex.quote(str(stage.store))
    verbs = ("watch", "status", "explain", "kill")
    lines = [f"  {program} {verb} --store {store} {ROLLOUT_ID}" for verb in verbs]
    return "\n".join(["take part from another terminal while it runs:", *lines])


def _report(console: Console, outcome: scenario.Outcome, keep: Path | None) -> None:
    document: dict[str, Json] = {
        "apiVersion": API_VERSION,
        "kind": "Demo",
        "rollout": ROLLOUT_ID,
        "exit_code": int(outcome.exit_code),
        "flags_restored": outcome.flags_as_before,
        "folder": str(keep.resolve()) if keep is not None else None,
    }
    if console.output is Output.NDJSON:
        console.data_line(document)
    elif not console.is_for_people:
        console.document(document, str)
    console.talk(_verdict(outcome))
    if keep is not None:
        console.talk(f"the pieces are in {keep.resolve()}; its README.txt says how to play on")


def _verdict(outcome: scenario.Outcome) -> str:
    """One sentence for people."""
    state = "is as before, to the byte" if outcome.flags_as_before else "has changed"
    as_before = f"\n  flags.json {state}"
    match outcome.exit_code:
        case ExitCode.DONE:
            return "demo: the new model serves everybody (100%); exit 0"
        case ExitCode.JUDGED_BAD:
            return f"demo: the new model went bad and was taken back; exit 10{as_before}"
        case code:
            return f"demo: ended early; exit {int(code)}{as_before}"
