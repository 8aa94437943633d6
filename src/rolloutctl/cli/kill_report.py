"""What every kill reports: the targets, what is not confirmed, and the command that repairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rolloutctl.errors import ExitCode

if TYPE_CHECKING:
    from rolloutctl.cli.kill_rollouts import Killed
    from rolloutctl.runner.kill import KillReport
    from rolloutctl.ui.console import Console


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
    code = concluded(console, killed)
    return ExitCode.STUCK if missed else code


def report_rollouts(
    console: Console,
    killed: Sequence[Killed],
    *,
    alone: Sequence[KillReport] = (),
) -> ExitCode:
    """The same for rollouts, whose notifiers are told; `alone` was killed without one."""
    code = report_kill(
        console,
        [*([("", alone)] if alone else []), *((one.rollout_id, one.reports) for one in killed)],
        unrecorded=[line for one in killed for line in one.unrecorded],
        not_killed={one.rollout_id: one.failure for one in killed if one.failure},
    )
    if fenced := [one.rollout_id for one in killed if _is_fenced(one)]:
        console.talk(f"fenced, nothing of it is written any more: {', '.join(fenced)}")
    over = [one.rollout_id for one in killed if one.rollout_id and one.end and _was_over(one)]
    if over:
        console.talk(f"{', '.join(over)} was over before: this kill is in no rollout's journal")
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


def _is_fenced(one: Killed) -> bool:
    """SAFETY: said only where the journal took the fence; one that was over needs none."""
    recorded = one.end is not None and not one.end.journal_error
    return bool(one.rollout_id) and not one.unrecorded and recorded and not _was_over(one)


def _was_over(one: Killed) -> bool:
    return one.rollout is not None and one.rollout.state.phase.is_terminal


def concluded(console: Console, killed: Sequence[tuple[str, Sequence[KillReport]]]) -> ExitCode:
    """Exit 0 if all of it is confirmed; otherwise says what has to be done."""
    stuck = [
        rollout_id for rollout_id, reports in killed if not all(one.confirmed for one in reports)
    ]
    if not stuck:
        return ExitCode.DONE
    named = [f"rolloutctl kill {rollout_id}" for rollout_id in stuck if rollout_id]
    missed = [one for _, reports in killed for one in reports if not one.confirmed]
    if not named and all(one.is_refused for one in missed):
        console.talk(
            "error: STUCK: refused, nothing was written, and what was served still is; "
            "page somebody unless you meant something else\n"
            "  hint: correct what is said above and give the same command again"
        )
        return ExitCode.STUCK
    again = f"kill again: {', '.join(named)}" if named else "kill again"
    console.talk(
        "error: STUCK: not confirmed; page somebody\n"
        f"  hint: look at the targets above, repair what stands in the way, then {again}"
    )
    return ExitCode.STUCK
