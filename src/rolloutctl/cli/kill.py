"""`rolloutctl kill`: the kill switch; no lease, no plan, no gate, and no store if need be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.options import InputOption, OutputOption, ReasonOption, StoreOption
from rolloutctl.errors import ExitCode, UsageError
from rolloutctl.ui.console import Console, Output

if TYPE_CHECKING:
    from collections.abc import Callable

    from rolloutctl.core.ports import Provider
    from rolloutctl.runner.kill import KillOrder

#: Name of the one target of a bare address in reports.
TARGET = "target"


def run(  # noqa: PLR0913 - one parameter an option, named by the command line
    subject: Annotated[
        str,
        typer.Argument(
            metavar="[ROLLOUT | ADDRESS]", help="An id or how it begins, or provider://place."
        ),
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
    stop_foreign: Annotated[
        bool,
        typer.Option("--stop-foreign", help="With an address: somebody else's deployment too."),
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
    if stop_foreign and "://" not in subject:
        raise UsageError(
            "--stop-foreign goes with an address: whose deployment is stopped must be clear",
            hint="rolloutctl kill ADDRESS --to ARM --stop-foreign",
        )
    console = Console(output=output)
    if "://" in subject:
        from rolloutctl.cli.kill_address import kill_address  # noqa: PLC0415 - this path only

        order = _order_of(subject, to, shadow=shadow)
        if stop_foreign:
            order = order._replace(provider=_stopping_foreign(order.provider))
        return kill_address(console, order, store=store, reason=reason)
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
    from rolloutctl.cli.kill_report import report_rollouts  # noqa: PLC0415 - after the act

    return report_rollouts(console, killed)


def _raise_unless_one(subject: str, playbook: Path | None, *, every: bool) -> None:
    if (bool(subject), playbook is not None, every).count(True) != 1:
        raise UsageError(
            "kill needs exactly one of a rollout, an address, --playbook FILE, or --all",
            hint="rolloutctl kill flagd-file:///etc/flags.json#llm-model --to gpt-4",
        )


def _stopping_foreign(provider: Provider) -> Provider:
    """The provider as one that stops what others have under way. Raises `UsageError`."""
    own: Callable[[], Provider] | None = getattr(provider, "stopping_foreign", None)
    if own is None:
        raise UsageError(
            f"{provider.name} has nothing of others to stop", hint="leave --stop-foreign out"
        )
    return own()


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
