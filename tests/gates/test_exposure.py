"""What the real SDK serves against what the step wrote: one good look passes, a wrong one fails."""

from __future__ import annotations

from datetime import timedelta

from rolloutctl.core.exposure import Condition, split
from rolloutctl.core.measurement import DataState, Measurement, Reading
from rolloutctl.core.observation import ArmCounts
from rolloutctl.core.playbook import OnFail
from rolloutctl.core.verdict import Outcome
from rolloutctl.gates.exposure import ExposureGate, ExposureSpec
from rolloutctl.runner.exposure_source import UNDER_WAY, samples_of
from worlds.two_arms import START, context_at

GATE, SPEC = ExposureGate(), ExposureSpec()
FIVE = split(500)


def counted(canary, *, units=5_000, shadow=0, propagation_s=0.0, **more):
    arms = (("control", units - canary), ("canary", canary))
    counts = ArmCounts(units=units, arms=arms, shadow=shadow, **more)
    return samples_of(counts, propagation_s=propagation_s)


def judged(samples=(), *, spec=SPEC, exposure=FIVE, evidence=None, at_s=30, detail="", error=""):
    context = context_at(at_s, exposure=exposure)
    (query,) = GATE.queries(spec, context)
    measurement = Measurement(at=START, state=DataState.OK, samples=samples, detail=detail)
    reading = Reading(query=query, measurement=None if error else measurement, error=error)
    return GATE.assess(spec, evidence, [reading], context)


def test_the_intended_share_passes_and_says_what_was_seen():
    """252 of 5,000 is 5 %."""
    _, verdict = judged(counted(252))

    assert verdict.outcome is Outcome.PASS
    assert verdict.because == "the SDK serves canary 5.04% (intended 5%), of 5,000 units"
    assert dict(verdict.numbers) == {"control_units": 4748.0, "canary_units": 252.0}


def test_another_share_fails_with_the_reasons_and_the_fields_to_send():
    """Enough to find out what stands in front of the rollout."""
    more = {"reasons": (("RULE_MATCH", 700),), "context": ("user.key",)}

    _, verdict = judged(counted(700, **more))

    assert verdict.outcome is Outcome.FAIL
    assert "canary 14% (12.2% to 16.1%), intended 5%, of 5,000" in verdict.because
    assert verdict.because.endswith("its reasons: RULE_MATCH 700; applications must send user.key")
    assert GATE.default_on_fail is OnFail.PAUSE


def test_fields_that_the_units_lack_are_named():
    """A rule that reads them was not met: that alone may explain the share."""
    _, verdict = judged(counted(0, context=("region", "userId"), missing=("region",)))

    assert "; the flag also reads region: made-up units do not carry that; " in verdict.because


def test_a_wrong_share_counts_only_after_the_propagation_time():
    """Until then it may be the state of before; a right one passes at once."""
    early = judged(counted(700, propagation_s=60.0), at_s=59)[1]
    late = judged(counted(700, propagation_s=60.0), at_s=60)[1]
    right = judged(counted(250, propagation_s=60.0), at_s=1)[1]

    assert early.outcome is Outcome.INCONCLUSIVE
    assert early.because.startswith("the change may take until 12:01:00 UTC (the SDK serves")
    assert early.settles_at == START + timedelta(seconds=60)
    assert late.outcome is Outcome.FAIL
    assert right.outcome is Outcome.PASS


def test_units_on_neither_arm_and_errors_are_never_as_intended():
    """A third variant in front of both, or an SDK that does not know the flag."""
    for more in ({"other": 40}, {"errors": 40}):
        assert judged(counted(250, **more))[1].outcome is Outcome.FAIL


def test_the_shadows_share_counts_where_the_target_can_mirror():
    """A step that only mirrors has no other share to verify."""
    mirrors = ExposureSpec(mirrors=True)
    wanted = {"spec": mirrors, "exposure": split(0, shadow_bp=1_000)}

    assert judged(counted(0, shadow=500), **wanted)[1].outcome is Outcome.PASS
    assert judged(counted(0, shadow=0), **wanted)[1].outcome is Outcome.FAIL


def test_it_stays_passed_for_this_exposure_only():
    """A later look at the same exposure, also in another process, asks for no second proof."""
    evidence, _ = judged(counted(250))

    later, again = judged(detail=UNDER_WAY, evidence=evidence, at_s=600)
    _, other = judged(detail=UNDER_WAY, evidence=evidence, exposure=split(2_500), at_s=600)

    passed = context_at(630, exposure=FIVE, has_passed=True)
    assert (later, again.outcome) == (evidence, Outcome.PASS)
    assert GATE.queries(SPEC, passed) == ()
    assert GATE.assess(SPEC, evidence, [], passed)[1].outcome is Outcome.PASS
    assert other.outcome is Outcome.INCONCLUSIVE
    assert other.because == UNDER_WAY


def test_an_sdk_that_cannot_be_asked_is_an_error():
    """Never a pass."""
    evidence, verdict = judged(error="the SDK could not be asked: no key")

    assert verdict.outcome is Outcome.ERROR
    assert evidence is None


def test_nothing_is_asked_before_the_step_is_in_force():
    """And nothing passes."""
    context = context_at(0, since=None, exposure=None)

    assert GATE.queries(SPEC, context) == ()
    assert GATE.assess(SPEC, None, [], context)[1].outcome is Outcome.INCONCLUSIVE


def test_an_audience_is_no_share_of_everybody():
    """Lint warns of it; whoever writes it all the same gets no pass."""
    beta = (Condition(attribute="beta", values=(True,)),)

    _, verdict = judged(counted(250), exposure=split(500, audience=beta))

    assert verdict.outcome is Outcome.ERROR


def test_a_count_of_no_unit_is_an_error():
    """It would divide by nothing."""
    assert judged(samples_of(ArmCounts(units=0, arms=())))[1].outcome is Outcome.ERROR
