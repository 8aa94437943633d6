"""The gate `k8s-ready`: pods that are not known to be up do not pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolloutctl.core.measurement import DataState, Measurement, Query, QueryKind, Reading, Sample
from rolloutctl.core.ports import GateContext
from rolloutctl.core.verdict import Outcome
from rolloutctl.gates.k8s_ready import K8sReady, K8sReadySpec

NOW = datetime(2027, 1, 1, 12, 0, 0, tzinfo=UTC)
GATE = K8sReady()
SPEC = K8sReadySpec(deployment="chat-green", patience_s=60.0)
UP = {"wanted": 3, "ready": 3, "observed": 1, "gave-up": 0}


def context(later_s=0.0, **arms):
    now = NOW + timedelta(seconds=later_s)
    return GateContext(now=now, since=None, arms=arms, exposure=None, interval_s=5.0)


def reading(counts=UP, *, restarts=(), broken=(), state=DataState.OK, name="chat-green"):
    samples = [Sample(labels=(("count", each),), value=float(n)) for each, n in counts.items()]
    samples += [Sample(labels=(("restarts", pod),), value=float(n)) for pod, n in restarts]
    samples += [Sample(labels=(("broken", said),), value=1.0) for said in broken]
    found = () if state is not DataState.OK else tuple(samples)
    measurement = Measurement(at=NOW, state=state, samples=found)
    return Reading(query=Query(kind=QueryKind.WORKLOAD, text=name), measurement=measurement)


def judged(one, *, spec=SPEC, evidence=None, later_s=0.0):
    return GATE.assess(spec, evidence, [one], context(later_s))


def outcome(one, **more):
    return judged(one, **more)[1].outcome


def test_all_pods_ready_is_a_pass_with_the_numbers():
    """The sentence says how many."""
    _, verdict = judged(reading())

    assert verdict.outcome is Outcome.PASS
    assert verdict.because == "chat-green: 3 of 3 pods ready, no restart"


@pytest.mark.parametrize(
    "counts",
    [
        UP | {"ready": 2},
        UP | {"observed": 0},
        UP | {"wanted": 0, "ready": 0},
    ],
    ids=["a pod is missing", "the controller has not seen the change", "no pod is wanted"],
)
def test_what_time_may_heal_waits_and_then_fails(counts):
    """Pods that start are a matter of time; for longer than the patience they are not."""
    evidence, verdict = judged(reading(counts))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.settles_at == NOW + timedelta(seconds=60)

    assert outcome(reading(counts), evidence=evidence, later_s=59) is Outcome.INCONCLUSIVE
    assert outcome(reading(counts), evidence=evidence, later_s=60) is Outcome.FAIL


def test_a_pass_begins_the_patience_anew():
    """A pod that is replaced late in the step has its own time to start."""
    down = reading(UP | {"ready": 2})
    evidence, _ = judged(down)
    evidence, verdict = judged(reading(), evidence=evidence, later_s=50)
    assert verdict.outcome is Outcome.PASS

    assert outcome(down, evidence=evidence, later_s=100) is Outcome.INCONCLUSIVE


def test_a_pod_that_cannot_run_fails_at_once_and_is_named():
    """Whatever the others say, and before any patience."""
    said = [f"chat-green-{n} is in CrashLoopBackOff" for n in range(5)]

    _, verdict = judged(reading(broken=said))

    assert verdict.outcome is Outcome.FAIL
    assert "chat-green-0 is in CrashLoopBackOff" in verdict.because
    assert "and 2 more" in verdict.because


def test_a_restart_within_the_step_fails_and_one_before_it_does_not():
    """What a pod did before the gate first looked is not this step's."""
    evidence, verdict = judged(reading(restarts=[("a", 4)]))
    assert verdict.outcome is Outcome.PASS

    _, verdict = judged(reading(restarts=[("a", 5)]), evidence=evidence)

    assert verdict.outcome is Outcome.FAIL
    assert "a restarted 1x" in verdict.because


def test_a_pod_that_came_later_began_with_no_restart():
    """A replaced pod must not hide behind a name that was not there."""
    evidence, _ = judged(reading(restarts=[("a", 4)]))

    assert outcome(reading(restarts=[("b", 1)]), evidence=evidence) is Outcome.FAIL


def test_restarts_that_are_allowed_are_told_and_pass():
    """`restarts: 2`."""
    spec = K8sReadySpec(deployment="chat-green", restarts=2)
    evidence, _ = judged(reading(restarts=[("a", 0)]), spec=spec)

    _, verdict = judged(reading(restarts=[("a", 2)]), spec=spec, evidence=evidence)

    assert verdict.outcome is Outcome.PASS
    assert "2 restarts allowed" in verdict.because


def test_kubernetes_giving_up_fails_at_once():
    """The Deployment's own progress deadline."""
    _, verdict = judged(reading(UP | {"ready": 0, "gave-up": 1}))

    assert verdict.outcome is Outcome.FAIL
    assert "progress deadline" in verdict.because


def test_fewer_pods_may_be_declared_enough():
    """`ready: 2` of three."""
    spec = K8sReadySpec(deployment="chat-green", ready=2)

    assert outcome(reading(UP | {"ready": 2}), spec=spec) is Outcome.PASS


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (reading(state=DataState.EMPTY), Outcome.NO_DATA),
        (reading({"ready": 3}), Outcome.ERROR),
        (Reading(query=Query(kind=QueryKind.WORKLOAD, text="x"), error="403"), Outcome.ERROR),
    ],
    ids=["no such Deployment", "nothing says how many are wanted", "the source failed"],
)
def test_missing_data_is_never_a_pass(answer, wanted):
    """Nor a fail."""
    assert outcome(answer) is wanted


def test_no_answer_at_all_is_an_error():
    """One question, one answer."""
    assert GATE.assess(SPEC, None, [], context())[1].outcome is Outcome.ERROR


def test_the_deployment_may_be_named_by_the_arm():
    """`chat-${canary.is}` asks for the canary's, and an unknown name is an error."""
    spec = K8sReadySpec(deployment="chat-${canary.is}")
    here = context(**{"canary.is": "green"})

    assert [one.text for one in GATE.queries(spec, here)] == ["chat-green"]
    assert GATE.assess(spec, None, [reading()], context())[1].outcome is Outcome.ERROR


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        (K8sReadySpec(deployment=" "), "deployment"),
        (K8sReadySpec(deployment="chat-${arm.is}"), "deployment"),
        (K8sReadySpec(deployment="a", ready=-1), "ready"),
        (K8sReadySpec(deployment="a", restarts=-1), "restarts"),
        (K8sReadySpec(deployment="a", patience_s=0.0), "patience"),
    ],
)
def test_each_mistake_is_told_with_a_fix(spec, key):
    """Where it is written."""
    ((found, message, fix),) = GATE.problems(spec)

    assert found == key
    assert message
    assert fix


def test_it_says_what_it_is():
    """No events, no simulation, one kind of query, one text."""
    assert not GATE.counts_events(SPEC)
    assert GATE.query_kinds(SPEC) == {QueryKind.WORKLOAD}
    assert GATE.texts(SPEC) == {"deployment": "chat-green"}
    assert GATE.problems(SPEC) == ()
    assert GATE.foresee(SPEC, None, None, context()) is None


@given(
    counts=st.fixed_dictionaries(
        {name: st.integers(0, 4) for name in ("wanted", "ready", "observed", "gave-up")}
    ),
    restarts=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=3),
    evidence=st.one_of(
        st.none(), st.just({}), st.just({"restarts": {"a": "x"}, "since": NOW.isoformat()})
    ),
)
def test_a_pass_means_that_all_wanted_pods_are_ready(counts, restarts, evidence):
    """Whatever the numbers and the evidence are."""
    _, verdict = judged(reading(counts, restarts=restarts), evidence=evidence)

    if verdict.outcome is Outcome.PASS:
        assert counts["ready"] >= counts["wanted"] > 0
        assert counts["observed"]
        assert not counts["gave-up"]
