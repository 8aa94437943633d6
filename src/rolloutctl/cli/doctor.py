"""`rolloutctl doctor [PLAYBOOK]`: is everything there that a rollout needs? Writes nothing."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl import __version__
from rolloutctl.cli import wiring
from rolloutctl.cli.options import InputOption, OutputOption, StoreOption, parse_inputs
from rolloutctl.cli.secrets import secrets_in
from rolloutctl.cli.survey import Unreached, probe_source, probe_target
from rolloutctl.cli.together import together
from rolloutctl.core.lease_owner import readable_owner
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.credentials import read_secret
from rolloutctl.errors import ExitCode, NotFound, Rejected, RolloutctlError, Unauthorized
from rolloutctl.runner.owner import living
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.doctor_view import Area, doctor_document, doctor_text

if TYPE_CHECKING:
    from rolloutctl.core.playbook import Playbook
    from rolloutctl.runner.adapters import Adapters
    from rolloutctl.store.sqlite import SqliteJournal

#: Packages by which rolloutctl speaks to others, and what each is for.
SDKS: Mapping[str, str] = {
    "openfeature-sdk": "verify of flagd-file",
    "openfeature-provider-flagd": "verify of flagd-file",
    "UnleashClient": "verify of unleash",
    "launchdarkly-server-sdk": "verify of launchdarkly",
}
#: Open rollouts that are looked at one by one.
ROLLOUTS_MAX = 50


def run(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A playbook: what it names, too.")
    ] = None,
    given: InputOption = None,
    *,
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Look whether everything is there: versions, journal, drivers, and what a playbook names.

    With FILE also its secrets (never shown), every target with who would write it, every
    source with its clock. Writes nothing. Exit 0 if nothing is missing, 3 if something must be
    mended, 4 or 5 if something could not be asked.

    Example: rolloutctl doctor playbook.yaml
    """
    console = Console(output=output)
    unreached = Unreached()
    areas = [Area("program", _program()), Area("journal", _journal(store))]
    if file is not None:
        known = wiring.catalog()
        playbook = wiring.load_playbook(file, parse_inputs(given), known=known, environ=os.environ)
        areas.append(Area("secrets", _secrets(playbook)))
        areas += _asked(playbook, wiring.adapters(playbook, known), unreached)
    console.document(doctor_document(areas), lambda: doctor_text(areas, console.width))
    is_refused = any(one.severity is Severity.REFUSE for area in areas for one in area.findings)
    if not is_refused:
        console.talk("nothing is missing" + ("" if file else "; with FILE also what it names"))
        return ExitCode.DONE
    return unreached.first.exit_code if unreached.first is not None else ExitCode.INVALID


def _program() -> list[Finding]:
    """This program, its Python, and the SDKs that verify."""
    ours = f"rolloutctl {__version__}, Python {platform.python_version()}, {platform.system()}"
    found = [Finding(severity=Severity.OK, message=ours)]
    for name, use in SDKS.items():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            message = f"{name} is not installed: {use} cannot be done"
            hint = "install rolloutctl again into its environment"
            found.append(Finding(severity=Severity.WARN, message=message, hint=hint))
        else:
            found.append(Finding(severity=Severity.OK, message=f"{name} {version}"))
    return found


def _journal(store: str) -> list[Finding]:
    """Whether it can be read and written, and who drives what is open in it."""
    path, _ = wiring.journal_place(store, os.environ)
    if not path.exists():
        message = f"no journal yet at {path}; the first start makes it"
        return [_writable(path) or Finding(severity=Severity.OK, message=message)]
    try:
        ledger = wiring.journal(store, os.environ, read_only=True)
        rows = ledger.rollouts(open_only=True)
        found = [_about_file(path, len(rows)), *_drivers(ledger)]
        ledger.close()
    except RolloutctlError as error:
        return [Finding(severity=Severity.REFUSE, message=error.message, hint=error.hint)]
    unwritable = _writable(path)
    return found if unwritable is None else [*found, unwritable]


def _about_file(path: Path, opened: int) -> Finding:
    size_kib = path.stat().st_size / 1024
    message = f"journal {path}: {size_kib:,.0f} KiB, open rollouts: {opened}"
    return Finding(severity=Severity.OK, message=message)


def _writable(path: Path) -> Finding | None:
    """What keeps a rollout from being recorded; None if nothing does."""
    place = path if path.exists() else next(one for one in path.parents if one.exists())
    if os.access(place, os.W_OK) and os.access(place.parent if path.exists() else place, os.W_OK):
        return None
    hint = "run it as who owns the journal, or name another one: --store or ROLLOUTCTL_STORE"
    message = f"{place} cannot be written: no rollout could be recorded"
    return Finding(severity=Severity.REFUSE, message=message, hint=hint)


def _drivers(ledger: SqliteJournal) -> Iterator[Finding]:
    """Who drives each open rollout, and whether its record is unbroken."""
    now = wiring.clock().now()
    for row in ledger.rollouts(open_only=True)[:ROLLOUTS_MAX]:
        broken = ledger.verify_chain(row.rollout_id)
        if broken is not None:
            message = f"rollout {row.rollout_id}: its record is damaged at event {broken.seq}"
            hint = f"rolloutctl explain {row.rollout_id}; bring it to control: "
            hint += f"rolloutctl kill {row.rollout_id}"
            yield Finding(severity=Severity.REFUSE, message=message, hint=hint)
            continue
        lease = living(row.lease)
        if lease is not None and lease.expires_at > now:
            message = f"rollout {row.rollout_id}: driven by {readable_owner(lease.owner)}"
            yield Finding(severity=Severity.OK, message=message)
            continue
        hint = "rolloutctl agent, or rolloutctl tick from cron, drives what nobody else does; "
        hint += f"rolloutctl status {row.rollout_id}"
        message = f"rollout {row.rollout_id} is open and nobody drives it"
        yield Finding(severity=Severity.WARN, message=message, hint=hint)


def _secrets(playbook: Playbook) -> list[Finding]:
    """Whether each secret can be read; never what it is."""
    found = []
    for ref in sorted(set(secrets_in(playbook)), key=str):
        try:
            read_secret(ref, os.environ)
        except (Unauthorized, Rejected) as error:
            finding = Finding(severity=Severity.REFUSE, message=error.message, hint=error.hint)
        else:
            finding = Finding(severity=Severity.OK, message=f"{ref} is set")
        found.append(finding)
    return found


def _asked(playbook: Playbook, adapters: Adapters, unreached: Unreached) -> list[Area]:
    """Every target and every source, asked side by side."""
    calls: dict[str, Callable[[], Sequence[Finding]]] = {
        f"target {name}": partial(probe_target, target, adapters.providers[name])
        for name, target in playbook.targets.items()
    }
    calls |= {
        f"source {name}": partial(probe_source, one) for name, one in adapters.sources.items()
    }
    asked = together([partial(_findings, call, unreached) for call in calls.values()])
    return [Area(name, found) for name, found in zip(calls, asked, strict=True)]


def _findings(call: Callable[[], Sequence[Finding]], unreached: Unreached) -> list[Finding]:
    try:
        return list(call())
    except (NotFound, Rejected) as error:
        return [Finding(severity=Severity.REFUSE, message=error.message, hint=error.hint)]
    except RolloutctlError as error:
        return [unreached.finding(error)]
