"""`rolloutctl backtest FILE`: the playbook over recorded metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.options import InputOption, OutputOption, PlaybookFile
from rolloutctl.cli.rehearsing import AnswerOption, HoldOption, load_given, parse_answers
from rolloutctl.clock import in_seconds
from rolloutctl.core.measurement import Query, QueryKind
from rolloutctl.core.parse import parse_document
from rolloutctl.core.ports import Catalog, MetricSource
from rolloutctl.core.units import parse_duration
from rolloutctl.errors import ExitCode, InvalidPlaybook, InvalidSettings, UsageError
from rolloutctl.simulation.backtest import (
    Backtest,
    Sweep,
    backtest,
    combinations,
    parse_sweep,
)
from rolloutctl.simulation.recorded import RecordedSource, Track, queries_of, tracks_of
from rolloutctl.simulation.rehearsal import Given, stretched
from rolloutctl.simulation.scenario import prepare
from rolloutctl.simulation.streams import Role
from rolloutctl.simulation.tables import (
    Incident,
    Recording,
    parse_time,
    read_incidents,
    read_recording,
)
from rolloutctl.simulation.traffic import Climate
from rolloutctl.ui.backtest_view import (
    backtest_document,
    backtest_text,
    sweep_document,
    sweep_text,
)
from rolloutctl.ui.console import Console, Output


def run(  # noqa: PLR0913 - one parameter an option
    file: PlaybookFile,
    *,
    from_: Annotated[
        str,
        typer.Option("--from", metavar="TIME", help="2026-03-01T12:00:00Z, or 7d for 7 days ago."),
    ] = "",
    to: Annotated[
        str, typer.Option("--to", metavar="TIME", help="The end; now, or the end of the CSV.")
    ] = "",
    table: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Columns time, metric, labels…, value."),
    ] = None,
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="Ask this source for everything.")
    ] = "",
    step: Annotated[
        str, typer.Option("--step", metavar="DURATION", help="How finely a source is asked.")
    ] = "30s",
    incidents: Annotated[
        Path | None,
        typer.Option("--incidents", metavar="FILE", help="CSV: start, end, name."),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep", metavar="GATE.KEY=A,B", help='Try values: "errors.fail=> 1%,> 2%".'
        ),
    ] = None,
    answer: AnswerOption = None,
    hold: HoldOption = "",
    given: InputOption = None,
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Run the playbook over recorded metrics, rollout after rollout; nothing is written.

    Metrics come from the playbook's own sources (range queries) or from a CSV. With
    --incidents: exit 10 if one was missed, or a rollout taken back outside of them.

    Example: rolloutctl backtest playbook.yaml --csv recorded.csv
    """
    console = Console(output=output)
    known = wiring.catalog()
    rehearsed = load_given(file, given, known=known, hold=hold, console=console)
    recorded = _Recorder(rehearsed, known, answers=parse_answers(answer), console=console)
    if table is not None:
        start, end, sources = recorded.of_csv(table, from_, to)
    else:
        start, end, sources = recorded.of_sources(from_, to, step=step, only=source)
    labelled = None if incidents is None else _incidents(incidents)
    ordered = _Ordered(start, end, sources, labelled)
    if sweep:
        sweeps = [parse_sweep(text) for text in sweep]
        rows = [
            (chosen, ordered.test(_with_values(rehearsed, known, sweeps, chosen, hold)))
            for chosen in combinations(sweeps)
        ]
        console.document(
            sweep_document(rehearsed, rows), lambda: sweep_text(rehearsed, rows, console.width)
        )
        return ExitCode.DONE
    tested = ordered.test(rehearsed)
    console.document(
        backtest_document(rehearsed, tested),
        lambda: backtest_text(rehearsed, tested, console.width),
    )
    return tested.exit_code


@dataclass(frozen=True, slots=True)
class _Ordered:
    start: datetime
    end: datetime
    sources: Mapping[str, MetricSource]
    incidents: Sequence[Incident] | None

    def test(self, given: Given) -> Backtest:
        return backtest(
            given, self.sources, start=self.start, end=self.end, incidents=self.incidents
        )


class _Recorder:
    """Gets recorded sources from a file or from the playbook's own sources."""

    def __init__(
        self, given: Given, known: Catalog, *, answers: Mapping[str, str], console: Console
    ) -> None:
        self._given, self._known, self._console = given, known, console
        self._stated = answers
        self._asked = queries_of(given.playbook, given.kinds.gates)

    def of_csv(
        self, file: Path, from_: str, to: str
    ) -> tuple[datetime, datetime, Mapping[str, MetricSource]]:
        """One recording for all sources, within its own span."""
        recording = _read(file)
        first, last = recording.span
        start = max(first, _moment("--from", from_)) if from_ else first
        end = min(last, _moment("--to", to)) if to else last
        tracks = {query: recording.tracks(query) for _, query in self._asked}
        return start, _after(start, end), self._sources(tracks, where=str(file))

    def of_sources(
        self, from_: str, to: str, *, step: str, only: str
    ) -> tuple[datetime, datetime, Mapping[str, MetricSource]]:
        """The history of each gate's source, or of the one that is named."""
        if not from_:
            raise UsageError("--from is missing", hint="e.g. --from 7d, or --csv FILE")
        start = _moment("--from", from_)
        end = _after(start, _moment("--to", to) if to else wiring.clock().now())
        sources = wiring.adapters(self._given.playbook, self._known).sources
        if only and only not in sources:
            raise UsageError(
                f"--source {only}: no such source; known: {', '.join(sources) or 'none'}",
                hint="name one of these, or leave --source out",
            )
        step_s, tracks = _step(step), {}
        answers = self._answers()
        for name, query in self._asked:
            if query.text not in answers:
                series = sources[only or name].history(query, start, end, step_s)
                tracks[query] = tracks_of(series)
        return start, end, self._sources(tracks, where=only or "the sources")

    def _sources(
        self, tracks: Mapping[Query, Sequence[Track]], *, where: str
    ) -> Mapping[str, MetricSource]:
        """The recorded sources; says what is missing in them."""
        answers = self._answers()
        missing = {
            query.text: gate
            for (_, query), gate in self._asked.items()
            if not tracks.get(query) and query.text not in answers
        }
        for text, gate in missing.items():
            if any(q.text == text and q.kind is not QueryKind.COUNTERS for q in tracks):
                answers |= self._assumed(text, gate)
            else:
                self._console.talk(f"warning: {where}: no series for gate {gate}: {text}")
        recorded = RecordedSource(tracks, answers)
        return dict.fromkeys(self._given.playbook.sources, recorded)

    def _answers(self) -> dict[str, float]:
        """Texts whose answer was stated."""
        if not self._stated:
            return {}
        return self._numbers(frozenset(self._stated))

    def _assumed(self, text: str, gate: str) -> dict[str, float]:
        """An expression that nobody recorded counts as healthy, and that is said."""
        number = self._numbers(frozenset({gate})).get(text)
        if number is None:
            return {}
        self._console.talk(
            f"warning: gate {gate}: {text} is not recorded; it is taken for {number:g}, which "
            f"is healthy; state another with --answer {gate}=VALUE"
        )
        return {text: number}

    def _numbers(self, gates: frozenset[str]) -> dict[str, float]:
        scenario = prepare(self._given, answers=self._stated, climate=Climate())
        return {
            text: scenario.healthy.numbers[place.slot]
            for text, place in scenario.streams.places.items()
            if place.role is Role.EXPRESSION and place.gates & gates
        }


def _with_values(
    given: Given, known: Catalog, sweeps: Sequence[Sweep], chosen: Mapping[str, str], hold: str
) -> Given:
    """The same playbook with other values. Raises `UsageError` if they are wrong."""
    document = json.loads(given.playbook.document)
    for one in sweeps:
        place = document
        for part in one.path[:-1]:
            place = (
                place.setdefault(part, {}) if part in ("limits", "defaults") else place.get(part)
            )
            if not isinstance(place, dict):
                raise UsageError(f"--sweep {one.name}: the playbook has no {part}")
        place[one.path[-1]] = chosen[one.name]
    try:
        playbook = parse_document(json.dumps(document), known)
    except InvalidPlaybook as error:
        shown = "; ".join(problem.message for problem in error.problems)
        raise UsageError(f"--sweep {dict(chosen)}: {shown}", hint="try other values") from error
    if hold:
        playbook = stretched(playbook, sum(step.hold_s for step in given.playbook.steps))
    return replace(given, playbook=playbook)


def _read(file: Path) -> Recording:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return read_recording(lines, file=str(file))
    except OSError as error:
        raise InvalidSettings(f"{file}: cannot be read: {error.strerror}") from error


def _incidents(file: Path) -> list[Incident]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return read_incidents(lines, file=str(file))
    except OSError as error:
        raise InvalidSettings(f"{file}: cannot be read: {error.strerror}") from error


def _moment(option: str, text: str) -> datetime:
    """A time, or how long ago. Raises `UsageError`."""
    try:
        return in_seconds(wiring.clock().now(), -parse_duration(text))
    except ValueError:
        pass
    try:
        return parse_time(text)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"{option} {text}: neither a time nor how long ago",
            hint=f"e.g. {option} 2026-03-01T12:00:00Z, or {option} 7d",
        ) from error


def _after(start: datetime, end: datetime) -> datetime:
    if end <= start:
        raise UsageError(
            f"the recording would end at {end} before it begins at {start}",
            hint="give --from a time before --to, e.g. --from 7d --to 1d",
        )
    return end


def _step(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--step {text}: {error}", hint="e.g. --step 30s") from error
