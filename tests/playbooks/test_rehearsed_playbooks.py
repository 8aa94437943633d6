"""The ready playbooks for language models, rehearsed as `rolloutctl simulate` does."""

from __future__ import annotations

from pathlib import Path

import pytest

from rolloutctl.cli.rehearsing import load_given, parse_faults
from rolloutctl.errors import ExitCode
from rolloutctl.plugins import InstalledCatalog
from rolloutctl.simulation.scenario import play, prepare
from rolloutctl.simulation.traffic import Climate
from rolloutctl.ui.console import Console

FOLDER = Path(__file__).resolve().parents[2] / "playbooks"
CATALOG = InstalledCatalog()
#: Requests a second: a quiet application, for which the budgets are meant.
TRAFFIC = 5.0
#: All holds together, in place of a day: half of the work, and enough to see the harm.
HOLD = "12h"

FAULTS = {
    "llm-litellm.yaml": ("errors=5%", "latency=30s", "first-token=10s", "cost=2x", "tokens=2x"),
    "llm-vllm.yaml": ("aborted=5%", "cut-off=5%", "latency=60s", "first-token=10s", "tokens=2x"),
    "llm-otel-genai.yaml": ("errors=5%", "latency=30s", "first-token=10s", "tokens=2x"),
}


def _rehearse(name, *faults):
    given = load_given(FOLDER / name, [], known=CATALOG, hold=HOLD, console=Console())
    scenario = prepare(
        given,
        answers={},
        climate=Climate(requests_per_s=TRAFFIC),
        faults=parse_faults(faults, given),
    )
    return play(scenario, "1").rehearsed


@pytest.mark.parametrize("name", FAULTS)
def test_a_healthy_model_is_rehearsed_to_full_weight(name):
    """Every gate finds its numbers, and none objects to a canary like control."""
    assert _rehearse(name).exit_code == ExitCode.DONE


@pytest.mark.parametrize(
    ("name", "fault"), [(name, fault) for name, faults in FAULTS.items() for fault in faults]
)
def test_each_gate_takes_back_the_harm_that_it_is_for(name, fault):
    """Failures, slowness to the first and last token, cost and tokens: each from 25 % on."""
    assert _rehearse(name, f"{fault} at 25%").exit_code == ExitCode.JUDGED_BAD
