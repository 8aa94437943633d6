"""`rolloutctl verify TARGET`: what the vendor's real SDK serves, against what is intended."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.options import InputOption, OutputOption, parse_inputs
from rolloutctl.core.json_types import Json
from rolloutctl.core.playbook import Arm, ShadowFlag, Target
from rolloutctl.core.served_shares import ServedShare, missing_text, served_shares
from rolloutctl.errors import ExitCode, Rejected, UsageError
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.documents import exposure_json
from rolloutctl.ui.messages import API_VERSION
from rolloutctl.ui.table import table

if TYPE_CHECKING:
    from rolloutctl.core.exposure import Exposure
    from rolloutctl.core.observation import ArmCounts
    from rolloutctl.core.ports import Provider

#: Units asked unless told otherwise: a share of 5 % is then known to about +-0.7 points.
UNITS_DEFAULT = 10_000
#: More units take minutes and tell nothing more.
UNITS_MAX = 1_000_000
#: Slowest believable evaluation with a vendor's SDK, and its start-up, in seconds.
UNIT_S = 0.001
START_S = 30.0


def run(  # noqa: PLR0913 - one parameter an option, named by the command line
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A target of the playbook, or an address.")
    ],
    *,
    playbook: Annotated[
        Path | None, typer.Option("--playbook", metavar="FILE", help="Where TARGET is declared.")
    ] = None,
    control: Annotated[str, typer.Option(help="With an address: the control's value.")] = "",
    canary: Annotated[str, typer.Option(help="With an address: the canary's value.")] = "",
    shadow: Annotated[
        str, typer.Option(metavar="FLAG", help="With an address: the shadow flag.")
    ] = "",
    units: Annotated[
        int, typer.Option(min=1, max=UNITS_MAX, help="How many units to ask for.")
    ] = UNITS_DEFAULT,
    given: InputOption = None,
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Evaluate a target with the vendor's real SDK and compare the shares.

    Exit 0 if every 99.9 % interval contains the intended share, 10 if one does not.

    Example: rolloutctl verify llm --playbook playbook.yaml
    """
    console = Console(output=output)
    if playbook is None:
        provider, wanted = _from_address(target, control, canary=canary, shadow=shadow)
    else:
        provider, wanted = _from_playbook(target, playbook, parse_inputs(given))
    exposure = _intended(provider, wanted)
    counts = provider.sample(wanted, units, timeout_s=START_S + units * UNIT_S)
    exposure = counts.growing or exposure
    shares = served_shares(exposure, counts, mirrors=wanted.shadow is not None)
    is_good = all(share.is_as_intended for share in shares)
    console.document(
        _document(provider.address(wanted), exposure, shares=shares, counts=counts),
        lambda: _table(shares, counts, console.width),
    )
    console.talk("as intended" if is_good else "NOT as intended")
    return ExitCode.DONE if is_good else ExitCode.JUDGED_BAD


def _from_playbook(name: str, file: Path, inputs: Mapping[str, str]) -> tuple[Provider, Target]:
    known = wiring.catalog()
    playbook = wiring.load_playbook(file, inputs, known=known, environ=os.environ)
    target = playbook.targets.get(name)
    if target is None:
        raise UsageError(
            f"{playbook.name} has no target {name!r}; known: {', '.join(playbook.targets)}",
            hint="name one of these",
        )
    return known.load("providers", target.provider)(), target


def _from_address(
    address: str, control: str, *, canary: str, shadow: str
) -> tuple[Provider, Target]:
    if not (control and canary):
        raise UsageError(
            f"verify {address} does not know the arms",
            hint=f"rolloutctl verify '{address}' --control VALUE --canary VALUE, "
            "or TARGET --playbook FILE",
        )
    provider, spec = wiring.provider_at(address, wiring.catalog())
    return provider, Target(
        name=address,
        provider=provider.name,
        spec=spec,
        control=Arm(name="control", value=control),
        canary=Arm(name="canary", value=canary),
        shadow=ShadowFlag(flag=shadow) if shadow else None,
    )


def _intended(provider: Provider, target: Target) -> Exposure:
    observation = provider.observe(target)
    exposure = observation.exposure
    if exposure is None:
        raise Rejected(
            f"{provider.address(target)} cannot be read as {target.control.value} and "
            f"{target.canary.value}: {observation.detail}",
            hint="correct the arms, or the flag",
        )
    if exposure.audience is not None or exposure.include is not None:
        raise Rejected(
            f"{provider.address(target)} serves an audience or a cohort; shares of everybody "
            "cannot be compared with it",
            hint="verify it while no audience and no include are in force",
        )
    return exposure


def _table(shares: list[ServedShare], counts: ArmCounts, width: int) -> str:
    rows = [
        (
            share.name,
            str(share.count),
            f"{share.observed:.2%}",
            f"{share.lower:.2%} .. {share.upper:.2%}",
            f"{share.intended:.2%}",
            "ok" if share.is_as_intended else "WRONG",
        )
        for share in shares
    ]
    headers = ("ARM", "UNITS", "OBSERVED", "99.9% INTERVAL", "INTENDED", "")
    by = counts.evaluated_by
    after = f"the SDK saw the current state after {counts.propagation_s:.1f} s"
    seen = f"{counts.units} units; {by or after}"
    needs = f"\napplications must send: {', '.join(counts.context)}" if counts.context else ""
    reasons = ", ".join(f"{name} {count}" for name, count in counts.reasons)
    why = f"\nthe SDK's reasons: {reasons}" if reasons else ""
    lacks = f"\n{missing_text(counts)}" if counts.missing else ""
    grows = (
        "\nthe service still grows it: intended is how far it says it is" if counts.growing else ""
    )
    return f"{table(headers, rows, width)}\n{seen}{grows}{why}{needs}{lacks}"


def _document(
    address: str, exposure: Exposure, *, shares: list[ServedShare], counts: ArmCounts
) -> Mapping[str, Json]:
    return {
        "apiVersion": API_VERSION,
        "kind": "Verification",
        "address": address,
        "as_intended": all(share.is_as_intended for share in shares),
        "units": counts.units,
        "propagation_s": counts.propagation_s,
        "context": list(counts.context),
        "missing_context": list(counts.missing),
        "reasons": dict(counts.reasons),
        "evaluated_by": counts.evaluated_by,
        "exposure": exposure_json(exposure),
        "shares": [
            {
                "arm": share.name,
                "count": share.count,
                "observed": share.observed,
                "lower": share.lower,
                "upper": share.upper,
                "intended": share.intended,
                "as_intended": share.is_as_intended,
            }
            for share in shares
        ],
    }
