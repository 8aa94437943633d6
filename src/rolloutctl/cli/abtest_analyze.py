"""`rolloutctl abtest analyze`: judges the counts of an A/B test once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from rolloutctl.cli.options import OutputOption
from rolloutctl.core.ab_report import report
from rolloutctl.core.experiment import Want
from rolloutctl.core.stats.counted import Counted
from rolloutctl.core.units import parse_share
from rolloutctl.errors import ExitCode, UsageError
from rolloutctl.ui.ab_view import report_document, report_text
from rolloutctl.ui.console import Console, Output

_COUNTS = "e.g. --control 300/2400 --canary 200/2400, or --csv counts.csv"
#: Digits of a count; more are a mistake, and no sum of them is exact.
_DIGITS_MAX = 15


def run(  # noqa: PLR0913 - one parameter an option
    *,
    control: Annotated[
        str, typer.Option("--control", metavar="K/N", help="Control's successes of its units.")
    ] = "",
    canary: Annotated[
        str, typer.Option("--canary", metavar="K/N", help="The canary's successes of its units.")
    ] = "",
    arm: Annotated[
        list[str] | None,
        typer.Option("--arm", metavar="NAME=K/N", help="One more arm; repeatable."),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv", metavar="FILE", help="Columns arm, success, total; or arm, success (0/1)."
        ),
    ] = None,
    alpha: Annotated[
        str, typer.Option("--alpha", metavar="SHARE", help="How often nothing is found to differ.")
    ] = "5%",
    want: Annotated[
        Want | None, typer.Option("--want", help="Which difference is the wished-for one.")
    ] = None,
    split: Annotated[
        str, typer.Option("--split", metavar="A:B", help="Intended weights, such as 90:10.")
    ] = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Judge the counts of an A/B test: split, chi-square, interval, one sentence an arm.

    With more arms than two every arm is held against control, and the p-values are
    corrected by Holm. In a CSV the arm named control is control, else the first one.
    Exit 0 whatever is found.

    Example: rolloutctl abtest analyze --control 300/2400 --canary 200/2400
    """
    console = Console(output=output)
    try:
        arms = _arms(control, canary, extra=arm or (), csv=csv)
        found = report(arms, weights=_weights(split, len(arms)), alpha=_alpha(alpha), want=want)
    except ValueError as error:
        raise UsageError(str(error), hint=_COUNTS) from error
    console.document(report_document(found), lambda: report_text(found, console.width))
    return ExitCode.DONE


def _arms(
    control: str, canary: str, *, extra: Sequence[str], csv: Path | None
) -> dict[str, Counted]:
    if csv is not None:
        if control or canary or extra:
            raise UsageError("--csv and counts on the command line", hint="give one of them")
        from rolloutctl.cli.ab_csv import read_arms  # noqa: PLC0415 - this option only

        return read_arms(csv)
    named = [("control", control), ("canary", canary)]
    arms = {name: _counted(name, text) for name, text in named if text}
    for text in extra:
        name, separator, counts = text.partition("=")
        if not separator or not name or name in arms:
            raise ValueError(f"--arm {text}: a name of its own, = and K/N")
        arms[name] = _counted(name, counts)
    if not control:
        raise ValueError("no counts of control")
    return arms


def _counted(name: str, text: str) -> Counted:
    count, separator, total = text.replace(",", "").replace("_", "").partition("/")
    numbers = (count.strip(), total.strip())
    if not separator or not all(
        one.isascii() and one.isdigit() and len(one) <= _DIGITS_MAX for one in numbers
    ):
        raise ValueError(f"{name} {text}: whole numbers, successes/units")
    return int(numbers[0]), int(numbers[1])


def _alpha(text: str) -> float:
    try:
        alpha = parse_share(text)
    except ValueError as error:
        raise UsageError(f"--alpha {text}: {error}", hint="e.g. --alpha 5%") from error
    if not 0 < alpha < 0.5:  # noqa: PLR2004 - a coin
        raise UsageError(f"--alpha {text}: above 0% and below 50%", hint="e.g. --alpha 5%")
    return alpha


def _weights(text: str, arms: int) -> list[float]:
    if not text:
        return []
    parts = text.split(":")
    try:
        weights = [float(part) for part in parts]
    except ValueError as error:
        raise ValueError(f"--split {text}: weights such as 90:10") from error
    if len(weights) != arms or not all(0 < weight < 1e9 for weight in weights):  # noqa: PLR2004 - finite
        raise ValueError(f"--split {text}: {arms} weights above 0, such as 90:10")
    return weights
