"""What a plan reads of the last day, and what it says where it cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rolloutctl.cli import foresight
from rolloutctl.cli.foresight import stated_rates, survey_rates
from rolloutctl.cli.metric_names import unknown_metrics
from rolloutctl.core.playbook import Gate, GateLimits
from rolloutctl.errors import Rejected, Unavailable
from rolloutctl.gates.compare_spec import CompareSpec
from rolloutctl.gates.threshold_spec import ThresholdSpec
from rolloutctl.steps.canary import CanarySpec
from worlds.rollouts import Boundaries, Stage, playbook, step

COMPARE = CompareSpec(bad='bad{arm="${arm.is}"}', total='all{arm="${arm.is}"}')
SHARE = ThresholdSpec(
    bad='bad{arm="${canary.is}"}', total='all{arm="${canary.is}"}', window_s=300.0, fail="> 5%"
)


def gate(name, kind, spec):
    return Gate(name=name, kind=kind, source="fake", spec=spec, limits=GateLimits())


@pytest.fixture
def stage():
    """Fifty requests per second at control, one in a hundred bad; no canary yet."""
    gates = {
        "worse": gate("worse", "compare", COMPARE),
        "share": gate("share", "threshold", SHARE),
        "asked": gate("asked", "threshold", ThresholdSpec(query="up", fail="< 1")),
    }
    plain = playbook(
        steps=(step(0, "canary", CanarySpec(canary=500), ("llm",), gates=tuple(gates)),)
    )
    stage = Stage(replace(plain, gates={**plain.gates, **gates}))
    begin = stage.clock.now()
    for text, per_s in (('bad{arm="old"}', 0.5), ('all{arm="old"}', 50.0)):
        stage.source.answers[text] = lambda at, per_s=per_s: (
            1e9 + per_s * (at - begin).total_seconds()
        )
    return stage


def survey(stage):
    return survey_rates(stage.playbook, stage.adapters(Boundaries()), stage.clock.now())


def test_the_traffic_of_control_stands_for_both_arms(stage):
    """A threshold on the canary is foreseen by control too: there is no canary yet."""
    rates, findings = survey(stage)

    assert rates == {
        name: {"bad": pytest.approx(0.5), "total": pytest.approx(50.0)}
        for name in ("worse", "share")
    }
    assert findings == []


def test_each_question_is_asked_once(stage):
    """Two gates ask the same two."""
    survey(stage)

    assert len({text for _, text in stage.source.asked}) == 2
    assert len(stage.source.asked) == 2 * (24 * 12 + 1)


def test_a_source_without_a_past_is_told_with_the_way_out(stage, monkeypatch):
    """One line a source."""

    def refuse(*_arguments):
        raise Rejected("the source keeps no history")

    monkeypatch.setattr(type(stage.source), "history", refuse)
    rates, [finding] = survey(stage)

    assert rates == {}
    assert "the source keeps no history" in finding.message
    assert "--traffic" in finding.hint


def test_a_source_that_fails_is_no_reason_to_refuse_a_plan(stage):
    """What the gates will see is not known then."""
    stage.source.answers = dict.fromkeys(
        stage.source.answers, lambda _at: Unavailable("too many series")
    )
    rates, [finding] = survey(stage)

    assert (rates, "too many series" in finding.message) == ({}, True)


def test_counters_that_nobody_has_are_told(stage):
    """A typo in a metric's name shows here first."""
    stage.source.answers = {}
    _, [finding] = survey(stage)

    assert "gate worse: control had no counters in the last day" in finding.message


def test_a_plan_asks_a_bounded_number_of_questions(stage, monkeypatch):
    """The rest is left out."""
    monkeypatch.setattr(foresight, "QUERIES_MAX", 1)
    rates, _ = survey(stage)

    assert set(rates["worse"]) == {"bad"}


def test_a_stated_traffic_is_taken_for_what_it_is(stage):
    """No source is asked."""
    rates = stated_rates(stage.playbook, stage.adapters(Boundaries()), per_s=20.0, bad_share=0.01)

    assert rates == {name: {"total": 20.0, "bad": 0.2} for name in ("worse", "share")}
    assert stage.source.asked == []


def test_a_metric_the_source_does_not_have_is_a_warning_with_the_one_that_was_meant(stage):
    """Told once for all gates that name it; a source that cannot tell is not asked."""
    adapters = stage.adapters(Boundaries())
    assert unknown_metrics(stage.playbook, adapters, stage.clock.now()) == []

    class Naming:
        """A source that knows one metric."""

        def unknown_metrics(self, query, at):
            del at
            return {"al": ["all", "other"]} if query.text.startswith("all") else {}

    naming = replace(adapters, sources={"fake": Naming()})

    (found,) = unknown_metrics(stage.playbook, naming, stage.clock.now())

    assert "has no metric al" in found.message
    assert found.hint == "did you mean all?"
