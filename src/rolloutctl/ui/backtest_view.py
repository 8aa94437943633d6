"""A backtest as text for people and as a document for machines; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean

from rolloutctl.core.json_types import Json
from rolloutctl.core.units import format_duration
from rolloutctl.errors import ExitCode
from rolloutctl.simulation.backtest import Backtest, Run
from rolloutctl.simulation.rehearsal import Given
from rolloutctl.ui.documents import time_json
from rolloutctl.ui.event_view import local_time
from rolloutctl.ui.messages import API_VERSION
from rolloutctl.ui.table import table, wrapped

#: Rollouts shown to people; the document has them all.
ROWS_SHOWN = 30
#: Of those that were taken back and of those that went through.
_WORDS = {
    ExitCode.DONE: "completed",
    ExitCode.JUDGED_BAD: "taken back",
    ExitCode.PENDING: "unfinished",
    ExitCode.INCONCLUSIVE: "held",
    ExitCode.TIMED_OUT: "held",
}

#: One row of a sweep: the values tried, and what came of them.
Row = tuple[Mapping[str, str], Backtest]


def backtest_text(given: Given, tested: Backtest, width: int) -> str:
    """What was taken back and why, incidents, and the sums."""
    long = format_duration((tested.end - tested.start).total_seconds())
    ended = Counter(_word(run) for run in tested.runs)
    counts = ", ".join(f"{count} {word}" for word, count in ended.most_common())
    parts = [f"backtest of {given.playbook.name}: {long}, {len(tested.runs)} rollouts: {counts}"]
    if tested.aborted:
        parts.append(_aborted_table(tested, width))
    if tested.incidents:
        parts.append(_incident_table(tested, width))
    parts.append(wrapped(_verdict(tested), width, indent="  "))
    return "\n\n".join(parts)


def backtest_document(given: Given, tested: Backtest) -> Mapping[str, Json]:
    """Everything."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Backtest",
        "name": given.playbook.name,
        "sha256": given.playbook.sha256,
        "from": time_json(tested.start),
        "to": time_json(tested.end),
        "labelled": tested.is_labelled,
        "rollouts": [
            {
                "start": time_json(run.start),
                "end": time_json(run.end),
                "exit_code": int(run.exit_code),
                "because": run.because,
                "incident": run.incident or None,
            }
            for run in tested.runs
        ],
        "incidents": [
            {
                "name": one.name,
                "start": time_json(one.start),
                "end": time_json(one.end),
                "found": one.name in tested.delays_s,
                "delay_s": tested.delays_s.get(one.name),
            }
            for one in tested.incidents
        ],
        "summary": _summary(tested),
        "exit_code": int(tested.exit_code),
    }


def sweep_text(given: Given, rows: Sequence[Row], width: int) -> str:
    """One line for each combination."""
    names = list(rows[0][0])
    headers = [*names, "ROLLOUTS", "FALSE ABORTS", "FOUND", "MISSED", "MEAN DELAY"]
    lines = [[*chosen.values(), *_sums(tested)] for chosen, tested in rows]
    head = f"sweep of {given.playbook.name}: {len(rows)} combinations"
    return f"{head}\n\n{table(headers, lines, width)}"


def sweep_document(given: Given, rows: Sequence[Row]) -> Mapping[str, Json]:
    """The same for machines."""
    return {
        "apiVersion": API_VERSION,
        "kind": "BacktestSweep",
        "name": given.playbook.name,
        "sha256": given.playbook.sha256,
        "rows": [{"values": dict(chosen), **_summary(tested)} for chosen, tested in rows],
    }


def _summary(tested: Backtest) -> dict[str, Json]:
    delays = tested.delays_s
    return {
        "rollouts": len(tested.runs),
        "completed": sum(run.exit_code == ExitCode.DONE for run in tested.runs),
        "false_aborts": len(tested.false_aborts),
        "found": len(delays),
        "missed": len(tested.missed),
        "mean_delay_s": fmean(delays.values()) if delays else None,
    }


def _sums(tested: Backtest) -> list[str]:
    delays = tested.delays_s
    return [
        str(len(tested.runs)),
        str(len(tested.false_aborts)),
        str(len(delays)),
        str(len(tested.missed)),
        format_duration(fmean(delays.values())) if delays else "-",
    ]


def _word(run: Run) -> str:
    return _WORDS.get(run.exit_code, f"exit {int(run.exit_code)}")


def _aborted_table(tested: Backtest, width: int) -> str:
    shown = tested.aborted[:ROWS_SHOWN]
    rows = [
        (
            _time(run),
            format_duration((run.end - run.start).total_seconds()),
            run.incident or ("false abort" if tested.is_labelled else "-"),
            run.because.removeprefix("rolled back and confirmed: "),
        )
        for run in shown
    ]
    text = table(("TAKEN BACK", "AFTER", "INCIDENT", "BECAUSE"), rows, width)
    left = len(tested.aborted) - len(shown)
    return f"{text}\n… and {left} more" if left else text


def _time(run: Run) -> str:
    return f"{run.end.astimezone():%Y-%m-%d} {local_time(run.end)}"


def _incident_table(tested: Backtest, width: int) -> str:
    rows = []
    for one in tested.incidents:
        delay_s = tested.delays_s.get(one.name)
        found = f"after {format_duration(delay_s)}" if delay_s is not None else "MISSED"
        rows.append((one.name, time_json(one.start), time_json(one.end), found))
    return table(("INCIDENT", "FROM", "TO", "FOUND"), rows, width)


def _verdict(tested: Backtest) -> str:
    false, whole = len(tested.false_aborts), len(tested.runs)
    if not tested.is_labelled:
        return f"{false} of {whole} rollouts were taken back; --incidents would say which rightly"
    found = f"{len(tested.delays_s)} of {len(tested.incidents)} incidents found"
    return f"{found}; {false} of {whole} rollouts taken back outside of them"
