"""`rolloutctl abtest size`: how many units a test needs, and how long that takes."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.options import InputOption, OutputOption, parse_inputs
from rolloutctl.core.ab_size import AbPlan, equal_weights, plan_of
from rolloutctl.core.experiment import GATE_KIND, Trial
from rolloutctl.core.playbook import Gate, Playbook
from rolloutctl.core.units import parse_duration, parse_points, parse_share
from rolloutctl.errors import ExitCode, UsageError
from rolloutctl.ui.ab_view import size_document, size_text
from rolloutctl.ui.console import Console, Output

#: Seconds of what a rate of units is given for.
_PER_S = {"/s": 1.0, "/m": 60.0, "/h": 3_600.0, "/d": 86_400.0}
#: Looking at live counters longer than this is a rollout's work.
WATCH_MAX_S = 3_600.0


def run(  # noqa: PLR0913 - one parameter an option
    *,
    baseline: Annotated[
        str, typer.Option("--baseline", metavar="SHARE", help="Control's share, such as 10%.")
    ] = "",
    effect: Annotated[
        str,
        typer.Option("--effect", metavar="POINTS", help="What must not be missed, such as +5pp."),
    ] = "",
    power: Annotated[
        str, typer.Option("--power", metavar="SHARE", help="How surely it is found.")
    ] = "80%",
    alpha: Annotated[
        str, typer.Option("--alpha", metavar="SHARE", help="How often nothing is found to differ.")
    ] = "5%",
    arms: Annotated[int, typer.Option("--arms", help="Arms, control included.")] = 2,
    traffic: Annotated[
        str,
        typer.Option("--traffic", metavar="RATE", help="Units in all arms: 3/s, 500/h, 20000/d."),
    ] = "",
    playbook: Annotated[
        Path | None,
        typer.Option(
            "--playbook", metavar="FILE", help="Take plan and traffic from its experiment."
        ),
    ] = None,
    watch: Annotated[
        str,
        typer.Option(
            "--watch", metavar="DURATION", help="Count units now for so long, not the last day's."
        ),
    ] = "",
    given: InputOption = None,
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Say how many units an A/B test needs, by which formula, and how long it takes.

    With --playbook the experiment's own numbers are taken, and the units are read from its
    source: the last day's, or what comes in while it watches. Nothing is written.

    Example: rolloutctl abtest size --baseline 10% --effect +5pp --traffic 3/s
    """
    console = Console(output=output)
    per_s = None if not traffic else parse_traffic(traffic)
    measured = ""
    if playbook is None:
        if watch:
            raise UsageError("--watch needs --playbook", hint="or state the units: --traffic 3/s")
        plan = _stated(baseline, effect, arms=arms, alpha=alpha, power=power)
    else:
        if baseline or effect:
            hint = "leave one of them out"
            raise UsageError("--playbook has its own baseline and effect", hint=hint)
        known = wiring.catalog()
        loaded = wiring.load_playbook(
            playbook, parse_inputs(given), known=known, environ=os.environ
        )
        gate, trial = _trial(loaded)
        plan = plan_of(trial.experiment)
        if per_s is None:
            per_s, measured = _measured(loaded, gate, watch=watch)
    console.document(
        size_document(plan, per_s, measured),
        lambda: size_text(plan, per_s, measured, console.width),
    )
    return ExitCode.DONE


def _stated(baseline: str, effect: str, *, arms: int, alpha: str, power: str) -> AbPlan:
    """The plan of the options. Raises `UsageError`."""
    try:
        plan = AbPlan(
            baseline=_share("--baseline", baseline),
            effect=_effect(effect),
            weights=equal_weights(arms),
            alpha=_share("--alpha", alpha),
            power=_share("--power", power),
        )
        plan.units()
    except ValueError as error:
        hint = "e.g. --baseline 10% --effect +5pp --power 80% --alpha 5%"
        raise UsageError(str(error), hint=hint) from error
    return plan


def parse_traffic(text: str) -> float:
    """Parses "3/s", "20000/d" to units a second. Raises `UsageError`."""
    number, _, unit = text.strip().partition("/")
    try:
        per_s = float(number) / _PER_S[f"/{unit}"]
    except (ValueError, KeyError):
        per_s = math.nan
    if not 0 < per_s < math.inf:
        raise UsageError(
            f"--traffic {text}: units per time, above 0",
            hint="e.g. --traffic 3/s, 500/h or 20000/d",
        )
    return per_s


def _share(option: str, text: str) -> float:
    if not text:
        raise UsageError(f"{option} is missing", hint=f"e.g. {option} 10%, or --playbook FILE")
    try:
        return parse_share(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: {error}", hint=f"e.g. {option} 10%") from error


def _effect(text: str) -> float:
    if not text:
        raise UsageError("--effect is missing", hint="e.g. --effect +5pp, or --playbook FILE")
    try:
        return parse_points(text)
    except ValueError as error:
        raise UsageError(f"--effect {text}: {error}", hint="e.g. --effect +5pp") from error


def _trial(playbook: Playbook) -> tuple[Gate, Trial]:
    """The first experiment's gate and spec."""
    for gate in playbook.gates.values():
        if gate.kind == GATE_KIND and isinstance(gate.spec, Trial):
            return gate, gate.spec
    raise UsageError(
        f"{playbook.name} has no step of kind experiment",
        hint="give --baseline, --effect and --traffic instead",
    )


def _measured(playbook: Playbook, gate: Gate, *, watch: str) -> tuple[float | None, str]:
    """Units a second in all arms, and how they were found out; None where they were not."""
    from rolloutctl.cli.unit_rates import units_of_day, units_while  # noqa: PLC0415 - I/O

    adapters = wiring.adapters(playbook, wiring.catalog())
    if not watch:
        return units_of_day(playbook, gate, adapters, wiring.clock())
    try:
        watch_s = parse_duration(watch)
    except ValueError as error:
        raise UsageError(f"--watch {watch}: {error}", hint="e.g. --watch 30s") from error
    if not 0 < watch_s <= WATCH_MAX_S:
        raise UsageError(f"--watch {watch}: at most an hour", hint="e.g. --watch 30s")
    return units_while(playbook, gate, adapters, wiring.clock(), watch_s=watch_s)
