"""What a plan says its gates will see: per step, per gate, and together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rolloutctl.core.exposure import Condition, split
from rolloutctl.core.foresee import promise
from rolloutctl.core.measurement import Query, QueryKind, Sample, Series
from rolloutctl.core.observation import Capabilities, Observation, Severity
from rolloutctl.core.plan import TargetSeen, build
from rolloutctl.core.playbook import Gate, GateLimits
from rolloutctl.core.rates import rates_per_s
from rolloutctl.core.sight import Sight
from rolloutctl.gates.compare_spec import CompareSpec
from rolloutctl.steps.canary import CanarySpec
from rolloutctl.steps.shadow import ShadowSpec
from worlds.rollouts import KINDS, playbook, step

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FIFTY = {"worse": {"total": 50.0, "bad": 0.5}}


class Seer:
    """A gate kind that tells what it was asked."""

    spends_error_rate = True

    def __init__(self, *, advice=""):
        self.asked, self.advice = [], advice

    def sight(self, _spec, outlook):
        self.asked.append(outlook)
        return Sight(effect="2x", seconds=60.0, smallest="1.5x", advice=self.advice)


def gate(name="worse", **limits):
    return Gate(
        name=name,
        kind="seer",
        source="fake",
        spec=CompareSpec(bad="b", total="t"),
        limits=GateLimits(**limits),
    )


def book(*steps, **limits):
    plain = playbook(steps=tuple(steps))
    return replace(plain, gates={**plain.gates, "worse": gate(**limits)})


def plan(playbook_, seer, rates=FIFTY):
    kinds = replace(KINDS, gates={**KINDS.gates, "seer": seer})
    observation = Observation(
        exposure=split(0), version="1", fingerprint="f", at=NOW, snapshot={}, detail=""
    )
    seen = TargetSeen(
        address="fake://llm",
        capabilities=Capabilities(shadow=True, include=True),
        observation=observation,
    )
    return build(playbook_, kinds, seen={"llm": seen}, rates=rates)


def one_step(spec, kind="canary"):
    return step(0, kind, spec, ("llm",), gates=("worse",))


def test_a_gate_is_asked_about_each_step_that_uses_it():
    """Share, time without the warm-up, its part of the false aborts."""
    seer = Seer()
    steps = (one_step(CanarySpec(canary=500)), replace(one_step(CanarySpec(canary=2500)), index=1))

    plan(book(*steps, warm_up_s=20.0), seer)

    assert [(o.canary_share, o.judged_s, o.is_mirrored) for o in seer.asked] == [
        (0.05, 40.0, False),
        (0.25, 40.0, False),
    ]
    assert {o.error_rate for o in seer.asked} == {0.05}
    assert seer.asked[0].per_s == {"total": 50.0, "bad": 0.5}


def test_a_mirrored_canary_takes_nothing_from_control():
    """It sees copies, as many as the shadow share says."""
    seer = Seer()

    plan(book(one_step(ShadowSpec(shadow=1000), "shadow")), seer)

    assert (seer.asked[0].canary_share, seer.asked[0].is_mirrored) == (0.1, True)


@pytest.mark.parametrize(
    ("spec", "rates"),
    [
        (CanarySpec(canary=500), {}),
        (CanarySpec(canary=0, include=(Condition(attribute="b", values=(True,)),)), FIFTY),
    ],
)
def test_what_nobody_knows_is_not_foreseen(spec, rates):
    """No traffic was measured; a cohort of unknown size."""
    found = plan(book(one_step(spec)), Seer(), rates)

    assert found.sights == ()


def test_a_kind_that_cannot_see_ahead_says_nothing():
    """Nor does one that is asked and does not know."""
    silent = Seer()
    silent.sight = lambda _spec, _outlook: None

    assert plan(book(one_step(CanarySpec(canary=500))), silent).sights == ()
    assert plan(book(one_step(CanarySpec(canary=500))), object()).sights == ()


def test_a_blind_gate_is_warned_about_with_the_way_out():
    """Unless it only observes."""
    steps = one_step(CanarySpec(canary=500))
    advice = "hold it 2h"

    [warning] = [
        one
        for one in plan(book(steps), Seer(advice=advice)).findings
        if one.severity is Severity.WARN and "blind: it sees" in one.message
    ]
    watching = plan(book(steps, observe_only=True), Seer(advice=advice))

    assert "gate worse is blind: it sees 2x after 1m, the step holds 1m" in warning.message
    assert warning.hint == advice
    assert not any("blind: it sees" in one.message for one in watching.findings)
    assert watching.sights


def test_a_gate_that_never_sees_says_never():
    """Not "after infinity"."""
    seer = Seer()
    seer.sight = lambda _spec, _outlook: Sight(
        effect="2x", seconds=None, smallest="", advice="more traffic"
    )
    found = plan(book(one_step(CanarySpec(canary=500))), seer)

    assert any("never sees 2x" in one.message for one in found.findings)


def test_the_promise_counts_the_statistical_gates():
    """None, one, several."""
    kinds = {**KINDS.gates, "seer": Seer()}
    one = book(one_step(CanarySpec(canary=500)))
    two = replace(
        one,
        gates={**one.gates, "other": gate("other")},
        steps=(replace(one.steps[0], gates=("worse", "other")),),
    )

    assert promise(playbook(), kinds) == ""
    assert promise(one, kinds).startswith("the statistical gate aborts at most 5% of healthy")
    assert "the 2 statistical gates abort at most 5% of healthy rollouts (2.5% each)" in promise(
        two, kinds
    )


def series(*rows, labels=((),)):
    """Rows a minute apart; each is one value a series, None where it has none."""
    return Series(
        query=Query(kind=QueryKind.COUNTERS, text="x"),
        rows=tuple(
            (
                NOW + timedelta(minutes=index),
                tuple(
                    Sample(labels=tuple(label), value=float(value))
                    for label, value in zip(labels, row, strict=True)
                    if value is not None
                ),
            )
            for index, row in enumerate(rows)
        ),
    )


@pytest.mark.parametrize(
    ("rows", "per_s"),
    [
        ([(0,), (60,), (120,)], 1.0),
        ([(100,), (160,), (60,)], 1.0),
        ([(7,), (7,)], 0.0),
        ([(None,), (0,), (60,), (None,)], 1.0),
    ],
)
def test_a_rate_is_what_a_counter_grew_by(rows, per_s):
    """A reset counts from zero; times without a value are no time."""
    assert rates_per_s([("total", series(*rows))]) == {"total": per_s}


@pytest.mark.parametrize("rows", [[], [(5,)], [(None,), (5,)]])
def test_one_value_has_no_rate(rows):
    """Nothing is known, which is not zero."""
    assert rates_per_s([("total", series(*rows))]) == {}


def test_series_add_up_and_buckets_go_by_their_bound():
    """The buckets 1 and 1.0 are the same; a label le that is no number is none."""
    labels = ((("le", "1"), ("pod", "a")), (("le", "1.0"), ("pod", "b")), (("le", "odd"),))

    found = rates_per_s([("histogram", series((0, 0, 0), (60, 120, 60), labels=labels))])

    assert found == {"1.0": 3.0, "histogram": 1.0}


def test_a_guardrail_is_foreseen_in_every_step_and_warned_about_once():
    """It is judged through all of them, with the holds before; one line says that it is blind."""
    first = replace(one_step(CanarySpec(canary=500)), gates=())
    steps = (first, replace(first, index=1, spec=CanarySpec(canary=2_500)))
    seer = Seer(advice="more traffic")

    found = plan(replace(book(*steps), guardrails=("worse",)), seer)

    warm_up_s = GateLimits().warm_up_s
    assert [one.judged_s + warm_up_s for one in seer.asked] == [first.hold_s, 2 * first.hold_s]
    assert len(found.sights) == 2
    assert len([one for one in found.findings if "gate worse is blind" in one.message]) == 1
