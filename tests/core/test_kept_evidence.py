"""Which evidence outlives a step, an override and a resume."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from rolloutctl.core.events import GateRecord
from rolloutctl.core.state import resumed_gates, without_step_gates
from rolloutctl.core.verdict import Outcome, Verdict

AT = datetime(2026, 3, 1, tzinfo=UTC)


def state(outcome=Outcome.PASS, **flags):
    verdict = Verdict(outcome=outcome, because="as measured")
    record = GateRecord(
        verdict=verdict, measured=verdict, evidence={"spent": 7}, judged_at=AT, failures=2, **flags
    )
    # These functions look at the gates alone.
    return SimpleNamespace(gates={"one": record})


@pytest.mark.parametrize(
    ("flags", "outcome", "is_left"),
    [
        ({}, Outcome.PASS, False),
        ({"is_guardrail": True}, Outcome.PASS, False),
        ({"is_carried": True}, Outcome.PASS, True),
        ({"is_carried": True}, Outcome.INCONCLUSIVE, True),
        ({"is_carried": True}, Outcome.FAIL, False),
        ({"is_carried": True, "is_kept": True}, Outcome.FAIL, True),
    ],
)
def test_a_resume_keeps_what_holds_for_the_whole_rollout(flags, outcome, is_left):
    """Whoever resumes after a failure goes past its evidence; past what was spent, nobody."""
    assert bool(resumed_gates(state(outcome, **flags))) is is_left


def test_only_the_evidence_outlives_a_resume():
    """The standing begins anew, and a guardrail stays one."""
    kept = resumed_gates(state(is_carried=True, is_kept=True, is_guardrail=True))["one"]

    assert (kept.evidence, kept.failures) == ({"spent": 7}, 0)
    assert kept.verdict.outcome is Outcome.INCONCLUSIVE
    assert (kept.is_guardrail, kept.is_carried, kept.is_kept) == (True, True, True)


@pytest.mark.parametrize(
    ("flags", "override", "is_left"),
    [
        ({}, False, False),
        ({"is_guardrail": True}, True, True),
        ({"is_carried": True}, False, True),
        ({"is_carried": True}, True, False),
        ({"is_carried": True, "is_kept": True}, True, True),
    ],
)
def test_an_override_goes_past_evidence_and_not_past_what_was_spent(flags, override, is_left):
    """A guardrail keeps even its standing."""
    assert bool(without_step_gates(state(**flags), override=override)) is is_left
