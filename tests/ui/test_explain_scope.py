"""Which events `explain --step` and `--gate` leave, and where evidence began."""

from dataclasses import replace

import pytest

from rolloutctl.core import events as ev
from rolloutctl.errors import UsageError
from rolloutctl.ui.evidence_origin import origins
from rolloutctl.ui.explain_markdown import explain_markdown
from rolloutctl.ui.explain_scope import scope_of, steps_entered
from rolloutctl.ui.explain_view import Explanation, explain_document, explain_story
from ui.report_worlds import killed, rolled_back, succeeded


@pytest.fixture(scope="module")
def records():
    """A rollout that went back in its second step."""
    return rolled_back().journal.read("r-0")


def told(records, *, step="", gate=""):
    """The events that are told."""
    seqs = scope_of(records, step=step, gate=gate)
    return [one.event for one in records if one.seq in seqs]


def explained(records, *, step="", gate=""):
    """The explanation of these events."""
    return Explanation(
        rollout_id="r-0",
        records=tuple(records),
        chain_break="",
        replayed=(),
        is_replayed=False,
        told=scope_of(records, step=step, gate=gate),
        gate=gate,
    )


def test_a_step_is_told_from_its_beginning_to_what_ended_it(records):
    """By its number or its name; the way back that ended it is part of it."""
    second = told(records, step="2")

    assert isinstance(second[0], ev.StepEntered)
    assert isinstance(second[-1], ev.RollbackStarted)
    assert told(records, step=steps_entered(records)[1]) == second
    assert not any(isinstance(one, ev.Finished) for one in second)


def test_of_a_gate_its_judgements_and_all_decisions_are_told(records):
    """No other gate, and no write."""
    events = told(records, gate="success")

    assert {one.gate for one in events if isinstance(one, ev.GateJudged)} == {"success"}
    assert any(isinstance(one, ev.RollbackStarted) for one in events)
    assert not any(isinstance(one, ev.Intended | ev.Applied) for one in events)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"step": "7"}, "1 (shadow-0), 2 (canary-1)"),
        ({"step": "canary"}, "1 (shadow-0), 2 (canary-1)"),
        ({"gate": "succes"}, "did you mean success? (known: floor, success)"),
    ],
    ids=str,
)
def test_what_does_not_exist_is_refused_with_what_does(records, given, named):
    """One error, no traceback, nothing told."""
    with pytest.raises(UsageError) as refused:
        told(records, **given)

    assert named in refused.value.hint


def test_a_gate_that_was_asked_for_is_drawn_below_its_story(records):
    """With the limit and both outcomes."""
    text = explain_story(explained(records, gate="success"), 100)

    assert "success: observed, limit 0.95; 6 judgements recorded" in text
    assert "┄" in text
    assert text.count("x") >= 1
    assert "asked " in text


def test_what_failed_stands_with_its_queries_in_the_story(records):
    """Nobody has to look it up for a postmortem."""
    text = " ".join(explain_story(explained(records), 100).split())

    assert "gate success: fail: observed 0.5 < 0.95 (limit: fail < 0.95) numbers observed" in text
    assert text.count("numbers observed") == 1


def test_machines_get_the_same_selection(records):
    """Each judgement with the step in which its evidence began."""
    document = explain_document(explained(records, step="2", gate="floor"))

    judged = [one for one in document["events"] if one["event"] == "GateJudged"]
    assert {one["gate"] for one in judged} == {"floor"}
    assert all(one["evidence_since_step"] == 2 for one in judged)


def test_markdown_quotes_each_decision_and_lets_no_markup_in():
    """A list that a ticket shows as it is."""
    text = explain_markdown(explained(killed().journal.read("r-0")))

    assert text.startswith("# Decisions of r-0\n")
    assert "\\<script\\>" in text
    assert "chain is unbroken" in text


def test_evidence_is_dated_to_the_step_in_which_it_began():
    """One that is handed on, from its first step; one that begins anew, not at all."""
    records = succeeded().journal.read("r-0")
    carried = [_carried(one) for one in records]
    second = [one for one in carried if isinstance(one.event, ev.GateJudged) and one.event.step]

    assert origins(records) == {}
    assert set(origins(carried)) == {one.seq for one in second}
    assert set(origins(carried).values()) == {0}


def _carried(recorded):
    """The same event, of a gate whose evidence is handed on."""
    if not isinstance(recorded.event, ev.GateJudged):
        return recorded
    record = replace(recorded.event.record, is_carried=True, is_guardrail=False)
    first = recorded.event.step == 0
    event = ev.GateJudged(
        gate=recorded.event.gate,
        step=recorded.event.step,
        record=record,
        readings=(),
        previous=None if first else record,
    )
    return ev.Recorded(seq=recorded.seq, at=recorded.at, event=event)
