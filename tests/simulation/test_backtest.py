"""Recorded series are judged as they would have been then."""

from datetime import UTC, datetime, timedelta

import pytest

from rolloutctl.core.measurement import DataState, Query, QueryKind, Sample, Series
from rolloutctl.errors import ExitCode, InvalidSettings, UsageError
from rolloutctl.simulation.backtest import backtest, combinations, parse_sweep
from rolloutctl.simulation.recorded import RecordedSource, queries_of, tracks_of
from rolloutctl.simulation.tables import Incident, parse_time, read_incidents, read_recording
from worlds.rehearsals import STEADY, given_of

START = datetime(2026, 3, 1, tzinfo=UTC)
BAD_FROM, BAD_TO = timedelta(hours=4), timedelta(hours=5)
HOURS = 10
PLAYBOOK = (
    STEADY.replace("gates: [errors, p99, cost]", "gates: [errors]").split("  p99:")[0]
    + """
steps:
  - {canary: 50%, hold: 1h, gates: [errors]}
"""
)


def recorded(step_s=30):
    """Ten hours of a canary that is bad for one, as a CSV."""
    yield "time,metric,model,status,value\n"
    ok = bad = 0
    for second in range(0, HOURS * 3600 + 1, step_s):
        since = timedelta(seconds=second)
        failed = 90 if BAD_FROM <= since < BAD_TO else 3
        ok, bad = ok + 600 - failed, bad + failed
        at = (START + since).isoformat()
        yield f"{at},requests_total,b,200,{ok}\n"
        yield f"{at},requests_total,b,500,{bad}\n"
        yield f"{at},requests_total,a,200,{ok}\n"


def backtested(folder, incidents, lines=None):
    given = given_of(PLAYBOOK, folder)
    recording = read_recording(lines or recorded(), file="r.csv")
    asked = queries_of(given.playbook, given.kinds.gates)
    source = RecordedSource({query: recording.tracks(query) for _, query in asked}, {})
    start, end = recording.span
    return backtest(given, {"app": source}, start=start, end=end, incidents=incidents)


def incident(start=BAD_FROM, end=BAD_TO, name="bad model"):
    return Incident(name=name, start=START + start, end=START + end)


def test_an_incident_in_a_recording_is_found_with_its_delay(tmp_path):
    """Taken back minutes after it began; every other rollout went through."""
    found = backtested(tmp_path, [incident()])

    assert found.exit_code == ExitCode.DONE
    assert list(found.delays_s) == ["bad model"]
    assert 0 < found.delays_s["bad model"] < 10 * 60
    assert found.false_aborts == found.missed == []
    assert sum(run.exit_code == ExitCode.DONE for run in found.runs) >= 6


def test_the_rollout_after_an_incident_begins_when_it_is_over(tmp_path):
    """Nobody tries again in the middle of it."""
    found = backtested(tmp_path, [incident()])
    (taken_back,) = found.aborted

    following = next(run for run in found.runs if run.start > taken_back.start)

    assert following.start >= START + BAD_TO


def test_a_rollback_outside_of_every_incident_is_a_false_abort(tmp_path):
    """Labelled elsewhere: the incident is missed, the rollback false; exit 10."""
    elsewhere = incident(timedelta(hours=1), timedelta(hours=2), "elsewhere")

    found = backtested(tmp_path, [elsewhere])

    assert found.exit_code == ExitCode.JUDGED_BAD
    assert [one.name for one in found.missed] == ["elsewhere"]
    assert found.false_aborts


def test_without_labels_nothing_is_called_false_and_the_exit_code_is_0(tmp_path):
    """A recording alone does not say who was right."""
    found = backtested(tmp_path, None)

    assert found.aborted
    assert found.exit_code == ExitCode.DONE


def test_a_recording_that_falls_silent_is_never_passed(tmp_path):
    """After the last sample and five minutes there is no data, and the rollout waits."""
    lines = [line for line in recorded() if not "T02" < line[10:13] < "T09"]

    found = backtested(tmp_path, None, lines)

    silent = [run for run in found.runs if run.end > START + timedelta(hours=3)]
    assert silent[0].end > START + timedelta(hours=8)


# -- files ------------------------------------------------------------------------


def test_rows_may_be_in_any_order_and_times_in_any_form():
    """RFC 3339, Unix seconds, milliseconds."""
    lines = ["time,__name__,value\n", "1772323260,x,2\n", "1772323200000,x,1\n"]

    recording = read_recording(lines, file="r.csv")

    (track,) = recording.tracks(Query(kind=QueryKind.COUNTERS, text="x"))
    assert list(track.values) == [1.0, 2.0]
    assert recording.span == (START, START + timedelta(minutes=1))


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["metric,value\n"], "no column time"),
        (["time,value\n", "noon,1\n"], "r.csv:2: 'noon' is no time"),
        (["time,value\n", "1,many\n"], "r.csv:2: 'many' is no number"),
        (["time,value\n", "1,2,3\n"], "r.csv:2: 2 columns expected"),
        (["time,value\n"], "no numbers"),
        ([], "no column time, value"),
    ],
)
def test_a_table_that_cannot_be_read_says_where(lines, why):
    """File and line."""
    with pytest.raises(InvalidSettings, match=why):
        read_recording(lines, file="r.csv")


def test_incidents_are_sorted_and_named():
    """A name is optional; an end before its start is an error."""
    rows = ["start,end\n", "2026-03-02T00:00:00Z,2026-03-02T01:00:00Z\n", "1772323200,1772326800\n"]

    first, second = read_incidents(rows, file="i.csv")

    assert (first.start, first.name, second.name) == (START, "incident 2", "incident 1")
    with pytest.raises(InvalidSettings, match="ends before"):
        read_incidents(["start,end\n", "100,50\n"], file="i.csv")


def test_a_history_becomes_tracks_and_old_samples_are_stale():
    """Prometheus' own lookback of five minutes."""
    query = Query(kind=QueryKind.COUNTERS, text="x")
    sample = Sample(labels=(("a", "1"),), value=4.0)
    series = Series(query=query, rows=((START, (sample,)), (START + timedelta(seconds=30), ())))
    source = RecordedSource({query: tracks_of(series)}, {})

    states = [
        source.query(query, START + timedelta(seconds=second)).state for second in (-1, 10, 400)
    ]

    assert states == [DataState.EMPTY, DataState.OK, DataState.STALE]


@pytest.mark.parametrize(
    "text", ["2026-03-01T00:00:00Z", "2026-03-01T01:00:00+01:00", "1772323200"]
)
def test_times_are_read_in_every_zone(text):
    """The same moment."""
    assert parse_time(text) == START


# -- sweeps -----------------------------------------------------------------------


def test_a_sweep_tries_every_combination():
    """Names as they are written."""
    sweeps = [parse_sweep("errors.fail=> 1%,> 2%"), parse_sweep("limits.false_aborts=1%")]

    assert combinations(sweeps) == [
        {"errors.fail": "> 1%", "limits.false_aborts": "1%"},
        {"errors.fail": "> 2%", "limits.false_aborts": "1%"},
    ]


@pytest.mark.parametrize("text", ["errors", "errors=1", "errors.fail=", ".fail=1"])
def test_a_sweep_that_cannot_be_read_is_a_usage_error(text):
    """With an example."""
    with pytest.raises(UsageError, match="--sweep"):
        parse_sweep(text)


def test_too_many_combinations_are_refused():
    """Each is a backtest of its own."""
    many = ",".join(str(number) for number in range(20))

    with pytest.raises(UsageError, match="400 combinations"):
        combinations([parse_sweep(f"a.x={many}"), parse_sweep(f"a.y={many}")])
