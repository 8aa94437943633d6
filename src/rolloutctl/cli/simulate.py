"""`rolloutctl simulate FILE`: a whole rollout on a virtual clock, in about a second."""

from __future__ import annotations

from typing import Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.options import InputOption, OutputOption, PlaybookFile
from rolloutctl.cli.rehearsing import (
    AnswerOption,
    HoldOption,
    TrafficOption,
    load_given,
    parse_answers,
    parse_faults,
)
from rolloutctl.errors import ExitCode, UsageError
from rolloutctl.simulation.scenario import UNITS, parse_rate, play, prepare
from rolloutctl.simulation.shapes import Shape
from rolloutctl.simulation.traffic import Climate
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.simulate_view import Simulation, simulation_document, simulation_text


def run(  # noqa: PLR0913 - one parameter an option
    file: PlaybookFile,
    *,
    traffic: TrafficOption = "50/s",
    shape: Annotated[
        Shape, typer.Option("--shape", help="How traffic goes up and down.")
    ] = Shape.STEADY,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="TEXT",
            help='What goes wrong: "GATE=VALUE [at SHARE] [after TIME] [for TIME] '
            '[on canary|control|both]"; repeatable.',
        ),
    ] = None,
    answer: AnswerOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Another seed is another run.")] = 1,
    units: Annotated[int, typer.Option("--units", help="Users who send the requests.")] = UNITS,
    hold: HoldOption = "",
    given: InputOption = None,
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Rehearse a rollout on a virtual clock: no provider, no source, nothing is written.

    Drives the playbook with the same code as `start`, on simulated traffic. VALUE is what
    the gate's number becomes on the canary: 3%, 900ms, 0.02, 2x of the healthy number,
    no-data or error; `traffic` stands for the requests. Exit code as the rollout's.

    Example: rolloutctl simulate playbook.yaml --fault "errors=3% at 25%"
    """
    console = Console(output=output)
    if units < 1:
        raise UsageError(f"--units {units}: at least 1", hint="e.g. --units 10000")
    rehearsed = load_given(file, given, known=wiring.catalog(), hold=hold, console=console)
    scenario = prepare(
        rehearsed,
        answers=parse_answers(answer),
        climate=Climate(requests_per_s=parse_rate(traffic), shape=shape),
        faults=parse_faults(fault, rehearsed),
    )
    played = play(scenario, str(seed))
    simulation = Simulation(scenario=scenario, played=played, seed=seed, units=units)
    console.document(
        simulation_document(simulation), lambda: simulation_text(simulation, console.width)
    )
    for doubt in simulation.doubts:
        console.talk(f"warning: {doubt}")
    return played.rehearsed.exit_code
