"""What `simulate`, `certify` and `backtest` share: a playbook with what it names, and options."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.options import parse_inputs
from rolloutctl.core.exposure_gates import without_exposure_gates
from rolloutctl.core.ports import Catalog, capabilities_of
from rolloutctl.core.units import parse_duration
from rolloutctl.errors import UsageError
from rolloutctl.simulation.faults import Fault, parse_fault
from rolloutctl.simulation.rehearsal import Given, stretched
from rolloutctl.ui.console import Console

TrafficOption = Annotated[
    str, typer.Option("--traffic", metavar="RATE", help="Requests, such as 50/s, of all arms.")
]
AnswerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--answer",
        metavar="GATE=VALUE",
        help="A gate's number while all is well, such as errors=0.2%; repeatable.",
    ),
]
HoldOption = Annotated[
    str,
    typer.Option("--hold", metavar="DURATION", help="Stretch the holds to this time in all."),
]


def load_given(
    file: Path, inputs: Sequence[str] | None, *, known: Catalog, hold: str = "", console: Console
) -> Given:
    """The playbook of a file, and what it names; says on `console` what is left out.

    Raises `InvalidPlaybook`, `UsageError`.
    """
    whole = wiring.load_playbook(file, parse_inputs(inputs), known=known, environ=os.environ)
    playbook = without_exposure_gates(whole)
    if playbook is not whole:
        console.talk("verify_exposure is left out: no SDK serves the units of a rehearsal")
    providers = wiring.providers(playbook.targets, known)
    capabilities = {
        name: capabilities_of(one, playbook.targets[name]) for name, one in providers.items()
    }
    addresses = {name: one.address(playbook.targets[name]) for name, one in providers.items()}
    given = Given(
        playbook=playbook,
        kinds=wiring.kinds(playbook, known),
        capabilities=capabilities,
        addresses=addresses,
    )
    if not hold:
        return given
    return replace(given, playbook=stretched(playbook, duration("--hold", hold)))


def parse_answers(pairs: Sequence[str] | None) -> dict[str, str]:
    """The values of `--answer`. Raises `UsageError`."""
    answers = {}
    for pair in pairs or ():
        gate, separator, text = pair.partition("=")
        if not separator or not gate or not text:
            raise UsageError(
                f"--answer {pair!r} is not GATE=VALUE", hint="e.g. --answer errors=0.2%"
            )
        answers[gate.strip()] = text.strip()
    return answers


def parse_faults(texts: Sequence[str] | None, given: Given) -> tuple[Fault, ...]:
    """The values of `--fault`. Raises `UsageError`."""
    return tuple(parse_fault(text, given.playbook.gates) for text in texts or ())


def duration(option: str, text: str) -> float:
    """Seconds of an option's value, above 0. Raises `UsageError`."""
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: {error}", hint=f"e.g. {option} 24h") from error
    if seconds <= 0:
        raise UsageError(f"{option} {text}: it must be above 0", hint=f"e.g. {option} 24h")
    return seconds
