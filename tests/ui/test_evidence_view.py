"""The path of a gate's evidence: logarithmic, the limit alone is full, nothing is hidden."""

from datetime import UTC, datetime, timedelta

from rolloutctl.core import events as ev
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.ui.evidence_view import PATH_COLUMNS, evidence_text

AT = datetime(2026, 1, 1, tzinfo=UTC)


def told(*evidence, gate="errors", limit=64.0):
    """The text of so many judgements with that evidence; None is a gate that weighs none."""
    records = []
    for number, one in enumerate(evidence, start=1):
        numbers = () if one is None else (("evidence", one), ("limit", limit))
        verdict = Verdict(outcome=Outcome.INCONCLUSIVE, because="", numbers=numbers)
        record = ev.GateRecord(verdict=verdict, measured=verdict, evidence=None, judged_at=AT)
        event = ev.GateJudged(gate=gate, step=0, record=record, readings=())
        at = AT + timedelta(seconds=number)
        records.append(ev.Recorded(seq=number, at=at, event=event))
    return evidence_text(records, 100)


def path(*evidence, **limits):
    """The blocks alone."""
    return told(*evidence, **limits).splitlines()[1].split()[1]


def test_the_scale_is_logarithmic_from_nothing_to_the_limit():
    """Each block is the same factor; what speaks for the canary is nothing, too."""
    assert path(0.01, 1, 2, 4, 16, 63.9, 64, 1e9) == "▁▁▂▃▅▇██"


def test_only_the_limit_itself_is_a_full_block():
    """Nobody reads a failure where there was none."""
    assert "█" not in path(63.999)


def test_a_long_path_keeps_its_peaks():
    """One look in a thousand that came near the limit is seen."""
    drawn = path(*[1.0] * 500, 60.0, *[1.0] * 499)

    assert len(drawn) == PATH_COLUMNS
    assert drawn.count("▇") == 1


def test_the_highest_value_is_told_with_its_limit_and_time():
    """In numbers as well: blocks are for the eye."""
    assert "5.5 of 64 at " in told(1, 5.5, 2)


def test_without_evidence_there_is_nothing_to_draw():
    """Thresholds weigh none; a NaN or a limit of 1 is none."""
    assert told(None, None) == ""
    assert told(float("nan")) == ""
    assert told(1.0, limit=1.0) == ""
