"""`rolloutctl certify FILE`: the measured error rates of a playbook's gates."""

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
)
from rolloutctl.core.units import parse_share
from rolloutctl.errors import ExitCode, UsageError
from rolloutctl.simulation.certify import JOBS_MAX, RUNS_MAX, SHAPES, cases_of, certify
from rolloutctl.simulation.scenario import parse_rate, prepare
from rolloutctl.simulation.shapes import Shape
from rolloutctl.simulation.traffic import Climate
from rolloutctl.ui.certify_view import Certified, certificate_document, certificate_text
from rolloutctl.ui.console import Console, Output

#: Progress is told this often at most, in parts of the whole.
_TOLD_PARTS = 10


def run(  # noqa: PLR0913 - one parameter an option
    file: PlaybookFile,
    *,
    runs: Annotated[
        int,
        typer.Option(
            "--runs",
            help="Healthy rollouts, shared among the shapes; for each harm a tenth, at least 20.",
        ),
    ] = 1_000,
    traffic: TrafficOption = "50/s",
    shape: Annotated[
        list[Shape] | None,
        typer.Option("--shape", help="Traffic to cover; repeatable. All but clustered if none."),
    ] = None,
    effect: Annotated[
        list[str] | None,
        typer.Option(
            "--effect",
            metavar="TEXT",
            help='A harm that must be found, as in simulate --fault, such as "errors=3%"; '
            "repeatable. If none, each number that gates ask for, made two or three times as bad.",
        ),
    ] = None,
    power: Annotated[
        str,
        typer.Option(
            "--power", metavar="SHARE", help="Share of each harm that must be found; 0%: any."
        ),
    ] = "50%",
    answer: AnswerOption = None,
    hold: HoldOption = "",
    seed: Annotated[int, typer.Option("--seed", help="Another seed is another sample.")] = 1,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes; 0: one a processor.")] = 0,
    given: InputOption = None,
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Measure how often this playbook aborts healthy canaries and misses bad ones.

    Rehearses whole rollouts with production's own gates and engine on simulated traffic:
    steady, diurnal, bursty and autocorrelated. Exit 10 if healthy rollouts are aborted
    more often than `limits.false_aborts` says, or a harm is found less often than --power
    says, by more than chance; also if a harm is found not once.

    Example: rolloutctl certify playbook.yaml --effect "errors=3%"
    """
    console = Console(output=output)
    _refuse_senseless(runs, jobs)
    rehearsed = load_given(file, given, known=wiring.catalog(), hold=hold, console=console)
    scenario = prepare(
        rehearsed,
        answers=parse_answers(answer),
        climate=Climate(requests_per_s=parse_rate(traffic)),
    )
    for doubt in scenario.healthy.doubts:
        console.talk(f"warning: {doubt}")
    cases = cases_of(scenario, runs=runs, shapes=tuple(shape or SHAPES), effects=effect or ())
    certificate = certify(
        cases,
        claim=rehearsed.playbook.limits.false_abort_rate,
        power=_power(power),
        seed=seed,
        jobs=jobs,
        tell=_Progress(console).tell,
    )
    certified = Certified(certificate=certificate, seed=seed)
    console.document(
        certificate_document(certified), lambda: certificate_text(certified, console.width)
    )
    return certificate.exit_code


def _refuse_senseless(runs: int, jobs: int) -> None:
    if not 1 <= runs <= RUNS_MAX:
        raise UsageError(f"--runs {runs}: 1 to {RUNS_MAX}", hint="e.g. --runs 1000")
    if not 0 <= jobs <= JOBS_MAX:
        raise UsageError(f"--jobs {jobs}: 0 to {JOBS_MAX}", hint="e.g. --jobs 2")


def _power(text: str) -> float:
    try:
        return parse_share(text)
    except ValueError as error:
        raise UsageError(f"--power {text}: {error}", hint="e.g. --power 80%") from error


class _Progress:
    """Tells a person now and then how far it is."""

    def __init__(self, console: Console) -> None:
        self._console, self._told = console, 0

    def tell(self, done: int, whole: int) -> None:
        part = done * _TOLD_PARTS // whole
        if part > self._told and self._console.is_for_people and done < whole:
            self._told = part
            self._console.talk(f"{done:,} of {whole:,} rollouts")
