"""A playbook over recorded series: rollout after rollout, as if each had begun then.

The recording is what it is: a virtual rollout's weights change nothing in it. What is
tested are the gates, on what the canary and control really did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product

from rolloutctl.core.exposure import Exposure
from rolloutctl.core.ports import MetricSource
from rolloutctl.errors import ExitCode, UsageError
from rolloutctl.simulation.quiet import rehearse_quietly
from rolloutctl.simulation.rehearsal import Given, begin
from rolloutctl.simulation.tables import Incident
from rolloutctl.simulation.virtual import VirtualClock

#: Rollouts of one backtest.
ROLLOUTS_MAX = 20_000
#: A rollout that ended at once is followed by the next one after so long.
PAUSE_S = 300.0
#: Nobody tries again sooner than this after a rollback: one cause is counted once.
PAUSE_AFTER_ABORT_S = 3_600.0
#: A rollback so long after an incident still belongs to it: windows look back.
GRACE_S = 600.0
#: Combinations of one sweep.
SWEEP_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One virtual rollout.

    Attributes:
        start: when it began, in recorded time.
        end: when it ended.
        exit_code: as `start` would have exited; PENDING where the recording ended first.
        because: one sentence.
        incident: the labelled incident that it was taken back in, or "".
    """

    start: datetime
    end: datetime
    exit_code: ExitCode
    because: str
    incident: str = ""

    @property
    def is_aborted(self) -> bool:
        """Did a gate or a guardrail take it back?"""
        return self.exit_code == ExitCode.JUDGED_BAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What a playbook would have done.

    Attributes:
        start: of the recording.
        end: of the recording.
        runs: the rollouts, in order.
        incidents: the labelled ones within the recording.
        is_labelled: whether incidents were labelled at all, if only as none.
    """

    start: datetime
    end: datetime
    runs: tuple[Run, ...]
    incidents: tuple[Incident, ...] = ()
    is_labelled: bool = False

    @property
    def aborted(self) -> list[Run]:
        """The rollouts that were taken back."""
        return [run for run in self.runs if run.is_aborted]

    @property
    def false_aborts(self) -> list[Run]:
        """Those outside of every incident; all of them if none was labelled."""
        return [run for run in self.aborted if not run.incident]

    @property
    def delays_s(self) -> dict[str, float]:
        """Seconds from the start of each incident that was found to the end of the rollback."""
        starts = {one.name: one.start for one in self.incidents}
        found: dict[str, float] = {}
        for run in self.aborted:
            if run.incident:
                delay_s = max(0.0, (run.end - starts[run.incident]).total_seconds())
                found.setdefault(run.incident, delay_s)
        return found

    @property
    def missed(self) -> list[Incident]:
        """Incidents in which nothing was taken back."""
        return [one for one in self.incidents if one.name not in self.delays_s]

    @property
    def exit_code(self) -> ExitCode:
        """10 where labelled incidents were missed or healthy rollouts taken back."""
        if not self.is_labelled:
            return ExitCode.DONE
        return ExitCode.JUDGED_BAD if self.missed or self.false_aborts else ExitCode.DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One key of a playbook, and the texts to try: `gates.errors.fail`."""

    path: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def name(self) -> str:
        """For people: errors.fail."""
        return ".".join(self.path[1:] if self.path[0] == "gates" else self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """What every rollout of a backtest has in common."""

    given: Given
    sources: Mapping[str, MetricSource]
    end: datetime
    incidents: Sequence[Incident] = field(default_factory=tuple)


def backtest(
    given: Given,
    sources: Mapping[str, MetricSource],
    *,
    start: datetime,
    end: datetime,
    incidents: Sequence[Incident] | None = None,
) -> Backtest:
    """Drives rollouts one after the other from `start` until `end`.

    After a rollback the next one begins an hour later, and not within the same incident.

    Args:
        given: the playbook.
        sources: recorded ones, by name in the playbook.
        start: where recorded time begins.
        end: where it ends.
        incidents: when something was wrong with the canary; None if nobody labelled any.
    """
    known = tuple(one for one in incidents or () if one.end >= start and one.start <= end)
    course = _Course(given=given, sources=sources, end=end, incidents=known)
    runs: list[Run] = []
    at = start
    while at < end and len(runs) < ROLLOUTS_MAX:
        run = _run(course, at)
        runs.append(run)
        pause_s = PAUSE_AFTER_ABORT_S if run.is_aborted else 0.0
        at = max(run.end + timedelta(seconds=pause_s), at + timedelta(seconds=PAUSE_S))
        at = max([at, *(one.end for one in known if one.name == run.incident)])
    return Backtest(
        start=start,
        end=end,
        runs=tuple(runs),
        incidents=known,
        is_labelled=incidents is not None,
    )


def _run(course: _Course, at: datetime) -> Run:
    clock = VirtualClock(at)
    rollout = begin(course.given, clock, course.sources, served=_nothing)
    rehearsed = rehearse_quietly(rollout, until=course.end)
    ended = rehearsed.ended_at
    incident = _incident(course.incidents, ended) if rehearsed.is_aborted else ""
    return Run(
        start=at,
        end=ended,
        exit_code=rehearsed.exit_code,
        because=rehearsed.because,
        incident=incident,
    )


def _incident(incidents: Sequence[Incident], at: datetime) -> str:
    grace = timedelta(seconds=GRACE_S)
    return next((i.name for i in incidents if i.start <= at <= i.end + grace), "")


def _nothing(target: str, exposure: Exposure) -> None:
    """A recording does not change with the weight."""


def parse_sweep(text: str) -> Sweep:
    """Parses `errors.fail=> 1%,> 2%` or `limits.false_aborts=1%,5%`. Raises `UsageError`."""
    name, separator, values = text.partition("=")
    path = tuple(part.strip() for part in name.split("."))
    found = tuple(value.strip() for value in values.split(",") if value.strip())
    if not separator or len(path) < 2 or not all(path) or not found:  # noqa: PLR2004 - gate, key
        raise UsageError(
            f"--sweep {text!r} is not GATE.KEY=VALUE,VALUE",
            hint='e.g. --sweep "errors.fail=> 1%,> 2%,> 3%"',
        )
    is_section = path[0] in ("gates", "limits", "defaults")
    return Sweep(path=path if is_section else ("gates", *path), values=found)


def combinations(sweeps: Sequence[Sweep]) -> list[dict[str, str]]:
    """Every combination of the values, by the sweeps' names. Raises `UsageError`."""
    made = [
        dict(zip((one.name for one in sweeps), values, strict=True))
        for values in product(*(one.values for one in sweeps))
    ]
    if len(made) > SWEEP_MAX:
        raise UsageError(
            f"--sweep: {len(made)} combinations; at most {SWEEP_MAX}", hint="try fewer values"
        )
    return made
