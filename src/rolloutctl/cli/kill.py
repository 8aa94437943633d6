"""`rolloutctl kill`: the kill switch; no lease, no plan, no gate, and no store if need be."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.options import InputOption, OutputOption, ReasonOption, StoreOption
from rolloutctl.errors import ExitCode, RolloutctlError, UsageError
from rolloutctl.ui.console import Console, Output

if TYPE_CHECKING:
    from rolloutctl.cli.kill_rollouts import Killed
    from rolloutctl.runner.kill import KillOrder, KillReport

#: Name of the one target of a bare address in reports.
TARGET = "target"


def run(  # noqa: PLR0913 - one parameter an option, named by the command line
    subject: Annotated[
        str, typer.Argument(metavar="[ROLLOUT | ADDRESS]", help="An id, or provider://place.")
    ] = "",
    *,
    to: Annotated[str, typer.Option("--to", metavar="ARM", help="The safe arm's value.")] = "",
    shadow: Annotated[
        str, typer.Option("--shadow", metavar="FLAG", help="With an address: its shadow flag.")
    ] = "",
    playbook: Annotated[
        Path | None, typer.Option("--playbook", metavar="FILE", help="Every target of a playbook.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every open rollout of the store; asks on a terminal.")
    ] = False,
    given: InputOption = None,
    reason: ReasonOption = "",
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Bring every unit to the safe arm, shadow included, now; confirm by reading back twice.

    Exit 0 when it is confirmed, 20 when it is not. Never re-opens anything.

    Example: rolloutctl kill flagd-file:///etc/flags.json#llm-model --to gpt-4
    """
    _raise_unless_one(subject, playbook, every=every)
    console = Console(output=output)
    if "://" in subject:
        order = _order_of(subject, to, shadow=shadow)
        return _kill_address(console, order, store=store, reason=reason)
    # Everything but a bare address needs the playbook's language.
    from rolloutctl.cli import kill_rollouts  # noqa: PLC0415 - costs time an address has not

    if every:
        killed = kill_rollouts.kill_all(console, store=store, reason=reason)
    elif playbook is not None:
        killed = kill_rollouts.kill_playbook(
            console, playbook, given=given, store=store, reason=reason
        )
    else:
        killed = kill_rollouts.kill_one(console, subject, to=to, store=store, reason=reason)
    return _report_rollouts(console, killed)


def report_kill(
    console: Console,
    killed: Sequence[tuple[str, Sequence[KillReport]]],
    *,
    unrecorded: Sequence[str] = (),
    not_killed: Mapping[str, str] | None = None,
) -> ExitCode:
    """Writes what was observed; events that no journal took go to stderr as JSON.

    `not_killed` says of each rollout that could not even be tried why.
    """
    from rolloutctl.ui.kill_view import kill_document, kill_text  # noqa: PLC0415 - after the act

    for line in unrecorded:
        console.talk(line)
    missed = not_killed or {}
    console.document(
        kill_document(killed, missed), lambda: kill_text(killed, console.width, missed)
    )
    code = _concluded(console, [report for _, reports in killed for report in reports])
    return ExitCode.STUCK if missed else code


def _concluded(console: Console, reports: Sequence[KillReport]) -> ExitCode:
    if all(report.confirmed for report in reports):
        return ExitCode.DONE
    console.talk(
        "error: STUCK: not confirmed; page somebody\n"
        "  hint: look at the targets above, repair what stands in the way, then kill again"
    )
    return ExitCode.STUCK


def _raise_unless_one(subject: str, playbook: Path | None, *, every: bool) -> None:
    if (bool(subject), playbook is not None, every).count(True) != 1:
        raise UsageError(
            "kill needs exactly one of a rollout, an address, --playbook FILE, or --all",
            hint="rolloutctl kill flagd-file:///etc/flags.json#llm-model --to gpt-4",
        )


def _order_of(address: str, to: str, *, shadow: str) -> KillOrder:
    """One thing that no playbook describes."""
    from rolloutctl.core.target import Arm, ShadowFlag, Target  # noqa: PLC0415 - this path only
    from rolloutctl.runner.kill import KillOrder  # noqa: PLC0415 - same

    provider, spec = wiring.provider_at(address, wiring.catalog())
    if not to:
        raise UsageError(
            f"nothing says which arm of {address} is the safe one, and turning it off is not "
            "provably safe there",
            hint=f"rolloutctl kill '{address}' --to ARM",
        )
    target = Target(
        name=TARGET,
        provider=provider.name,
        spec=spec,
        control=Arm(name="control", value=to),
        canary=Arm(name="canary", value=""),
        shadow=ShadowFlag(flag=shadow) if shadow else None,
    )
    return KillOrder(target=target, provider=provider)


def _kill_address(console: Console, order: KillOrder, *, store: str, reason: str) -> ExitCode:
    """Kills it, reports, and only then asks whether a rollout holds it."""
    from rolloutctl.cli.kill_holder import holder_of, tell_holder  # noqa: PLC0415 - this path only
    from rolloutctl.runner.kill import kill_targets  # noqa: PLC0415 - same
    from rolloutctl.ui.kill_view import kill_text  # noqa: PLC0415 - same

    target, address = order.target, order.provider.address(order.target)
    shadow = target.shadow.flag if target.shadow else ""
    mirrored = f", shadow {shadow} off" if shadow else "; shadow is not touched (--shadow FLAG)"
    console.talk(f"killing {address}: {target.control.value} for everybody{mirrored}")
    if reason:
        console.talk(f"reason: {reason} (kept nowhere: an address has no journal)")
    code = report_kill(console, [("", kill_targets([order], wiring.clock()))])
    holder = holder_of(address, store, os.environ)
    if not holder:
        return code
    tell_holder(console, address, holder, reason=reason)
    if code is not ExitCode.DONE or _is_still_zero(order):
        return code
    # Its driver was between its decision and its write. It looks before the next one.
    console.talk(f"{address} was written again after the kill; killing once more")
    again = kill_targets([order], wiring.clock())
    console.talk(kill_text([("", again)], console.width))
    return _concluded(console, again)


def _is_still_zero(order: KillOrder) -> bool:
    try:
        seen = order.provider.observe(order.target).exposure
    except RolloutctlError:
        return False
    return seen is not None and seen.is_zero


def _report_rollouts(console: Console, killed: Sequence[Killed]) -> ExitCode:
    code = report_kill(
        console,
        [(one.rollout_id, one.reports) for one in killed],
        unrecorded=[line for one in killed for line in one.unrecorded],
        not_killed={one.rollout_id: one.failure for one in killed if one.failure},
    )
    for one in killed:
        if one.failure:
            console.talk(
                f"error: rollout {one.rollout_id} was NOT killed: {one.failure}\n"
                "  hint: kill its targets one by one: rolloutctl kill ADDRESS --to ARM"
            )
    if killed:
        from rolloutctl.cli.kill_telling import tell  # noqa: PLC0415 - after the act

        tell(killed, console)
    return code
