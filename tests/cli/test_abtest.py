"""`rolloutctl abtest`: numbers from a CSV, and units from a playbook's source."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from rolloutctl.cli import unit_rates, wiring
from rolloutctl.core.measurement import DataState
from rolloutctl.core.ports import Kinds
from rolloutctl.errors import Unavailable
from rolloutctl.gates.experiment import ExperimentGate
from rolloutctl.playbook_file import load
from rolloutctl.plugins import InstalledCatalog
from rolloutctl.runner.adapters import Adapters
from rolloutctl.testing import FakeClock, FakeSource

PLAYBOOK = """\
apiVersion: rolloutctl/v1
kind: Playbook
name: ab
targets:
  llm: {provider: flagd-file, file: /flags.json, flag: llm, control: old, canary: new}
sources:
  prometheus: {url: "http://127.0.0.1:9"}
defaults: {on_no_data: wait, on_error: wait, on_inconclusive: wait}
steps:
  - experiment:
      arms: {control: 80%, canary: 20%}
      source: prometheus
      metric: {success: 'won{arm="${arm.is}"}', total: 'seen{arm="${arm.is}"}'}
      want: increase
      test: {baseline: 10%, effect: +5pp}
      decide: {better: ship, worse: rollback, inconclusive: pause}
  - {canary: 100%}
"""


@pytest.fixture
def book(folder):
    (folder / "ab.yaml").write_text(PLAYBOOK)
    return load(folder / "ab.yaml", inputs={}, env={}, catalog=InstalledCatalog())


@pytest.fixture
def source(book, monkeypatch):
    """The playbook's source, in memory."""
    del book
    made = FakeSource()
    adapters = Adapters(
        kinds=Kinds(gates={"experiment": ExperimentGate()}, steps={}),
        providers={},
        sources={"prometheus": made},
    )
    monkeypatch.setattr(wiring, "adapters", lambda *_: adapters)
    return made


def grows(per_s, start):
    return lambda at: 1_000 + per_s * (at - start).total_seconds()


def rows(rolloutctl, folder, text, *options):
    (folder / "made.csv").write_text(text)
    said = rolloutctl("abtest", "analyze", "--csv", "made.csv", "--output", "json", *options)
    document = json.loads(said.out)
    if said.exit_code:
        return said.exit_code, document["error"]["message"]
    return said.exit_code, {one["name"]: (one["success"], one["total"]) for one in document["arms"]}


@pytest.mark.parametrize(
    ("text", "arms"),
    [
        ("arm,success,total\na,1,10\nb,2,10\n", {"a": (1, 10), "b": (2, 10)}),
        ("\ufeffarm,success,total\nb,1,10\nControl,2,10\n", {"Control": (2, 10), "b": (1, 10)}),
        ("unit,ARM, success\n1,a,0\n2,b,1\n3,a,1\n4,b,0\n", {"a": (1, 2), "b": (1, 2)}),
        ('arm,success,total\r\n"a, big",1,10\r\nb,2.0,10\r\n', {"a, big": (1, 10), "b": (2, 10)}),
    ],
)
def test_counts_come_from_a_file(rolloutctl, folder, text, arms):
    """By arm, or one row a unit; control first, whatever its place."""
    assert rows(rolloutctl, folder, text) == (0, arms)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column arm and no column success"),
        ("arm,total\na,1\n", "no column success"),
        ("arm,success,total\n", "no rows"),
        ("arm,success,total\na,1,10\n", "nothing to compare"),
        ("arm,success,total\na,1,10\n,2,10\n", "made.csv:3: no name of an arm"),
        ("arm,success,total\na,1,10\nb,x,10\n", "made.csv:3: 'x' is not a count"),
        ("arm,success,total\na,1,10\nb,nan,10\n", "'nan' is not a count"),
        ("arm,success,total\na,1,10\nb,1.5,10\n", "'1.5' is not a count"),
        ("arm,success,total\na,1,10\nb,-1,10\n", "'-1' is not a count"),
        ("arm,success,total\na,1,10\nb,1\n", "None is not a count"),
        ("arm,success,total\na,1,10\nb,11,10\n", "11 successes of 10 units"),
        ("arm,success\na,1\nb,2\n", "2 successes of 1 units"),
        ("arm,success,total\na,0,0\nb,1,10\n", "a: no units"),
        ("arm,success\n" + "".join(f"{n},1\n" for n in range(101)), "more than 100 arms"),
    ],
)
def test_a_file_that_holds_no_counts_says_where(rolloutctl, folder, text, words):
    """Exit 2 and one sentence, with the line."""
    code, message = rows(rolloutctl, folder, text)

    assert code == 2
    assert words in message


def test_a_file_that_is_no_text_is_an_error(rolloutctl, folder):
    """A spreadsheet is not a CSV file."""
    (folder / "counts.xls").write_bytes(b"\xd0\xcf\x11\xe0" * 20)

    said = rolloutctl("abtest", "analyze", "--csv", "counts.xls")

    assert said.exit_code == 2
    assert "not a CSV file in UTF-8" in said.err


def test_a_file_of_too_many_rows_is_refused(rolloutctl, folder, monkeypatch):
    """Memory is bounded by the arms, time by the rows."""
    monkeypatch.setattr("rolloutctl.cli.ab_csv.ROWS_MAX", 2)

    code, message = rows(rolloutctl, folder, "arm,success,total\na,1,10\nb,2,10\n")

    assert (code, "more than 2 rows" in message) == (2, True)


def test_units_of_the_last_day_are_read_from_the_source(rolloutctl, source):
    """The scarcer arm decides: 20 % of 3 units a second."""
    start = wiring.clock().now() - timedelta(days=1)
    source.answers = {
        'seen{arm="old"}': grows(3.0, start),
        'won{arm="old"}': grows(0.3, start),
        'seen{arm="new"}': lambda _at: DataState.EMPTY,
        'won{arm="new"}': lambda _at: DataState.EMPTY,
    }

    said = rolloutctl("abtest", "size", "--playbook", "ab.yaml", "--output", "json")

    found = json.loads(said.out)
    assert said.exit_code == 0
    assert found["units"] == {"control": 1638, "canary": 410}
    assert found["per_s"] == pytest.approx(3.0)
    assert found["seconds"] == pytest.approx(max(1638 / 2.4, 410 / 0.6))
    assert found["measured"].endswith(
        "in the last day: 3 units a second in all arms; control's share is 10%"
    )


def test_what_a_source_does_not_say_leaves_the_size(rolloutctl, source):
    """No units, or no answer: how many is known, how long is not."""
    quiet = rolloutctl("abtest", "size", "--playbook", "ab.yaml")
    source.answers = {'seen{arm="old"}': lambda _at: Unavailable("it is down")}
    down = rolloutctl("abtest", "size", "--playbook", "ab.yaml")

    for said in (quiet, down):
        assert said.exit_code == 0
        assert "1,638 units for control, 410 units for canary" in said.out
        assert "not known" in said.out
    assert "no unit was counted in the last day" in quiet.out
    assert "it is down" in down.out


def test_stated_traffic_is_believed_without_asking(rolloutctl, source):
    """The source is not touched."""
    said = rolloutctl("abtest", "size", "--playbook", "ab.yaml", "--traffic", "86400/d")

    assert "at 1 units a second it takes 34m10s" in said.out
    assert source.asked == []


def test_units_are_counted_while_it_watches(book, source):
    """Both arms together, resets and silence included."""
    clock = FakeClock()
    start = clock.now()
    source.answers = {
        'seen{arm="old"}': grows(2.0, start),
        'won{arm="old"}': lambda _at: DataState.EMPTY,
        'seen{arm="new"}': grows(0.5, start),
        'won{arm="new"}': grows(0.1, start),
    }
    adapters = wiring.adapters(book, InstalledCatalog())

    per_s, said = unit_rates.units_while(
        book, book.gates["experiment"], adapters, clock, watch_s=30.0
    )

    assert per_s == pytest.approx(2.5)
    assert "in the last 30s: 2.5 units a second in all arms; control's share is 0%" in said
    assert clock.now() == start + timedelta(seconds=30)


def test_a_canary_alone_has_no_share_of_control(book, source):
    """Nothing is divided by nothing."""
    clock = FakeClock()
    source.answers = {'seen{arm="new"}': grows(1.0, clock.now())}
    adapters = wiring.adapters(book, InstalledCatalog())

    per_s, said = unit_rates.units_while(
        book, book.gates["experiment"], adapters, clock, watch_s=10.0
    )

    assert per_s == pytest.approx(1.0)
    assert "control's share" not in said


@pytest.mark.parametrize(("watch", "words"), [("soon", "e.g. --watch 30s"), ("2h", "an hour")])
def test_a_time_to_watch_is_a_short_duration(rolloutctl, source, watch, words):
    """Above nothing, at most an hour."""
    del source
    said = rolloutctl("abtest", "size", "--playbook", "ab.yaml", "--watch", watch)

    assert said.exit_code == 2
    assert words in said.err


@pytest.mark.parametrize("command", ["size", "analyze"])
def test_its_commands_have_help_with_an_example(rolloutctl, command):
    """As every command."""
    said = rolloutctl("abtest", command, "--help")

    assert said.exit_code == 0
    assert "Example:" in said.out
    assert max(len(line) for line in said.out.splitlines()) <= 80
