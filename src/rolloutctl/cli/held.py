"""Which open rollouts hold the targets of a plan: read from the journal, which is only looked at.

A plan needs no journal: where there is none, nothing was started; where it cannot be read,
the plan says so and is made all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from rolloutctl.cli import wiring
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.errors import RolloutctlError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from rolloutctl.core.planned import TargetSeen

#: How long a plan waits for a journal that others write to, in seconds.
LOOK_LIMIT_S = 2.0


def survey_holders(
    seen: Mapping[str, TargetSeen], *, store: str, environ: Mapping[str, str]
) -> tuple[dict[str, TargetSeen], list[Finding]]:
    """`seen` with the rollouts that hold the addresses; findings where that is not known.

    Args:
        seen: what was found out about each target.
        store: the value of `--store`; empty if it was not given.
        environ: the process's environment.

    Raises:
        UsageError: `store` cannot be understood as a path.
    """
    try:
        path, _ = wiring.journal_place(store, environ)
        is_there = path.exists()
        found = _holders(path, {one.address for one in seen.values()}) if is_there else {}
    except (RolloutctlError, OSError) as error:
        if store and isinstance(error, UsageError):
            raise
        return dict(seen), [_unread(error)]
    held = {name: replace(one, holder=found.get(one.address, "")) for name, one in seen.items()}
    return held, [_missing(path)] if store and not is_there else []


def _holders(path: Path, addresses: set[str]) -> dict[str, str]:
    from rolloutctl.store import holds  # noqa: PLC0415 - SQLite, only if there is a journal
    from rolloutctl.store.journal_file import JournalFile  # noqa: PLC0415 - same

    file = JournalFile(path, read_only=True, busy_limit_s=LOOK_LIMIT_S)
    try:
        return {one: file.read(partial(holds.holder_of, address=one)) for one in sorted(addresses)}
    finally:
        file.close()


def _missing(path: Path) -> Finding:
    return Finding(
        severity=Severity.OK,
        message=f"there is no journal at {path}: no open rollout is known there",
        hint="correct --store, unless this is the first rollout: `rolloutctl start` makes it",
    )


def _unread(error: RolloutctlError | OSError) -> Finding:
    why, hint = str(error), ""
    if isinstance(error, RolloutctlError):
        why, hint = error.message, error.hint
    return Finding(
        severity=Severity.WARN,
        message=f"whether an open rollout holds a target is not known: {why}",
        hint=hint or "name another journal with --store, or repair this one before the start",
    )
