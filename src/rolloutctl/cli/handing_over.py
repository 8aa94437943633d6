"""What `start` leaves for the pipeline that ran it: JUnit XML and a summary."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rolloutctl.core.machine import fold
from rolloutctl.credentials import redact
from rolloutctl.errors import JournalUnavailable, UsageError

if TYPE_CHECKING:
    from rolloutctl.runner.rollout import Rollout
    from rolloutctl.ui.console import Console

#: Where GitHub Actions, Gitea and Forgejo want a job's summary in Markdown.
SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Files to leave; "" for none. The summary is appended, the other one replaced."""

    junit: str = ""
    summary: str = ""


def hand_over_of(
    junit: str,
    summary: str,
    environ: Mapping[str, str],
    *,
    is_auto: bool,
    is_detached: bool,
) -> HandOver:
    """What was asked for, and the summary that the pipeline offers a file for.

    Raises `UsageError` for a file that could not be written: before anything is started.
    """
    offered = environ.get(SUMMARY_VARIABLE, "") if is_auto else ""
    for option, name in (("--junit", junit), ("--summary", summary)):
        folder = Path(name).absolute().parent
        if name and not (folder.is_dir() and os.access(folder, os.W_OK)):
            raise UsageError(
                f"{option} {name}: there is no folder {folder} to write it in",
                hint="make the folder first, or name another file",
            )
        if name and Path(name).exists() and not Path(name).is_file():
            raise UsageError(f"{option} {name}: that is no file", hint="name a file")
    if junit and is_detached:
        raise UsageError(
            "--junit needs somebody who drives: with --detach there is nothing to tell yet",
            hint="give it to the job that goes on: rolloutctl start FILE --id ID --junit FILE",
        )
    if junit:
        # Of an earlier run: whatever happens now, it must not be taken for this one's.
        Path(junit).unlink(missing_ok=True)
    return HandOver(junit=junit, summary=summary or offered)


@contextmanager
def handing_over(files: HandOver, rollout: Rollout, console: Console) -> Iterator[None]:
    """Writes the files however the block ends; what cannot be written is said, and no more.

    SAFETY: the exit code is the rollout's, whatever becomes of a file.
    """
    try:
        yield
    finally:
        if files.junit:
            _written(files.junit, lambda: _junit(rollout), console, mode="w")
        if files.summary:
            _written(files.summary, lambda: _summary(rollout), console, mode="a")


def _written(name: str, make: Callable[[], str], console: Console, *, mode: str) -> None:
    try:
        with Path(name).open(mode, encoding="utf-8", errors="replace") as file:
            file.write(redact(make()))
    except (OSError, JournalUnavailable) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        console.talk(
            f"error: {name} was not written: {reason}\n"
            "  hint: the exit code is the rollout's; rolloutctl explain has what it did"
        )


def _junit(rollout: Rollout) -> str:
    from rolloutctl.ui.junit_view import junit_xml  # noqa: PLC0415 - only if asked for

    records = rollout.journal.read(rollout.rollout_id)
    state = fold(rollout.rollout_id, records)
    return junit_xml(rollout.playbook, state, records, because=_because(rollout))


def _summary(rollout: Rollout) -> str:
    from rolloutctl.ui.summary_view import summary_markdown  # noqa: PLC0415 - as above

    state, rollout_id = rollout.state, rollout.rollout_id
    ways = [f"rolloutctl explain {rollout_id}"]
    if not state.phase.is_terminal:
        ways = [f"rolloutctl {verb} {rollout_id}" for verb in ("status", "approve", "rollback")]
    return summary_markdown(rollout.playbook, state, because=_because(rollout), next_commands=ways)


def _because(rollout: Rollout) -> str:
    from rolloutctl.core.decide import decide  # noqa: PLC0415 - as above

    state = rollout.state
    if state.phase.is_terminal:
        return state.ended_because
    kinds, now = rollout.adapters.kinds, rollout.clock.now()
    return decide(rollout.playbook, state, kinds, now).because
