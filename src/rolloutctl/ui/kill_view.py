"""What a kill reached, target by target: as text and as a document; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rolloutctl.ui.messages import API_VERSION
from rolloutctl.ui.table import table

if TYPE_CHECKING:
    from rolloutctl.core.json_types import Json
    from rolloutctl.runner.kill import KillReport

#: (rollout id or "", its reports).
Killed = Sequence[tuple[str, Sequence["KillReport"]]]


#: Why, by the id of each rollout that could not even be tried.
NotKilled = Mapping[str, str]
_NONE: NotKilled = {}


def kill_text(killed: Killed, width: int, not_killed: NotKilled = _NONE) -> str:
    """A table; times count from the kill's start."""
    rows = [
        (
            _result(report),
            _seconds(report.zero_at_s),
            _seconds(report.settled_at_s),
            report.address,
        )
        for _, reports in killed
        for report in reports
    ]
    rows += [("NOT KILLED", "-", "-", f"rollout {rollout_id}") for rollout_id in not_killed]
    if not rows:
        return "nothing to kill"
    notes = [
        f"{report.target}: {note}"
        for _, reports in killed
        for report in reports
        for note in (report.message, report.changed, report.untouched)
        if note
    ]
    headers = ("RESULT", "ZERO AFTER", "SETTLED AFTER", "ADDRESS")
    return "\n".join([table(headers, rows, width), *notes])


def kill_document(killed: Killed, not_killed: NotKilled = _NONE) -> Mapping[str, Json]:
    """The same for machines."""
    are_confirmed = all(report.confirmed for _, reports in killed for report in reports)
    return {
        "apiVersion": API_VERSION,
        "kind": "Kill",
        "confirmed": are_confirmed and not not_killed,
        "targets": [
            {
                "rollout": rollout_id,
                "target": report.target,
                "address": report.address,
                "confirmed": report.confirmed,
                "refused": report.is_refused,
                "zero_at_s": report.zero_at_s,
                "settled_at_s": report.settled_at_s,
                "message": report.message,
                "changed": report.changed,
                "untouched": report.untouched,
            }
            for rollout_id, reports in killed
            for report in reports
        ],
        "not_killed": [
            {"rollout": rollout_id, "message": message}
            for rollout_id, message in not_killed.items()
        ],
    }


def _result(report: KillReport) -> str:
    if report.confirmed:
        return "killed"
    return "NOT KILLED" if report.is_refused else "NOT CONFIRMED"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f} s"
