"""Evidence within a process and evidence from the journal are the same, for every kind."""

from __future__ import annotations

import json
import random

import pytest

from rolloutctl.core.exposure import split
from rolloutctl.gates.budget import Budget, BudgetSpec
from rolloutctl.gates.compare import Compare
from rolloutctl.gates.compare_spec import CompareSpec, Dependence
from rolloutctl.gates.latency import Latency
from rolloutctl.gates.latency_spec import LatencySpec
from rolloutctl.gates.mean import Mean
from rolloutctl.gates.mean_spec import MeanSpec
from rolloutctl.gates.ratio_metric import RatioMetric, RatioMetricSpec
from rolloutctl.gates.sample_ratio import SampleRatio, SampleRatioSpec
from worlds.two_arms import TwoArms, counter

BAD, ALL = 'req{model="${arm.labels.model}",bad="yes"}', 'req{model="${arm.labels.model}"}'
ARMS = {"bad": BAD, "total": ALL}
KINDS = {
    "compare": (Compare(), CompareSpec(**ARMS, margin="2x", strict=True)),
    "clustered": (Compare(), CompareSpec(**ARMS, dependence=Dependence.CLUSTERED)),
    "ratio-metric": (RatioMetric(), RatioMetricSpec(**ARMS, delay_s=300.0)),
    "latency": (Latency(), LatencySpec(histogram=ALL, above=("1", "2"))),
    "mean": (Mean(), MeanSpec(sum_=BAD, count=ALL)),
    "sample-ratio": (SampleRatio(), SampleRatioSpec(units=ALL)),
    "budget": (Budget(), BudgetSpec(spent='req{model="${canary.labels.model}"}', max_=1e9)),
}


def answers_of(name, shown):
    """What the source shows for counters of control's bad and all, and the canary's."""
    if name == "latency":
        return [
            [counter(all_ - bad, le="1"), counter(all_, le="2"), counter(all_, le="+Inf")]
            for bad, all_ in (shown[:2], shown[2:])
        ]
    if name == "sample-ratio":
        return shown[1::2]
    return shown[3:] if name == "budget" else shown


@pytest.mark.parametrize("name", KINDS)
def test_a_restart_changes_no_judgement(name):
    """Three hours of looks with failures, a gap, a reset and another weight."""
    kind, spec = KINDS[name]
    told = []
    for through_json in (True, False):
        rng, shown = random.Random(8), [0, 0, 0, 0]  # noqa: S311 - a simulation
        gate = TwoArms(kind, spec, through_json=through_json)
        verdicts = []
        for look in range(360):
            shown = [0] * 4 if look == 200 else shown
            bad = rng.randint(0, 90), rng.randint(0, 6)
            new = (bad[0], 900, bad[1], 100)
            shown = [before + one for before, one in zip(shown, new, strict=True)]
            gate.read(
                *answers_of(name, shown),
                exposure=split(1000 if look < 300 else 2000),
                after_s=600 if look == 100 else 30,
            )
            verdicts.append(gate.verdict)
        told.append((verdicts, json.dumps(gate.evidence)))

    assert told[0] == told[1]
    assert len({one.outcome for one in told[0][0]}) > 1 or name == "budget"
