"""One rate of false aborts for a rollout, divided over the gates that may cause them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rolloutctl.core.error_rate import (
    LOOKS_MIN,
    error_rate_of,
    looks_of,
    statistical_gates,
)
from rolloutctl.core.playbook import Gate, GateLimits
from rolloutctl.gates.compare_spec import CompareSpec
from rolloutctl.steps.canary import CanarySpec
from worlds.rollouts import KINDS, playbook, step


def compare(name, **limits):
    return Gate(
        name=name,
        kind="compare",
        source="fake",
        spec=CompareSpec(bad="b", total="t"),
        limits=GateLimits(**limits),
    )


def book(*gates, used=None, guardrails=(), kinds_of_steps=1):
    names = tuple(gate.name for gate in gates) if used is None else used
    steps = tuple(
        replace(
            step(n, "canary", CanarySpec(canary=500), ("llm",), gates=("success", *names)),
            hold_s=86_400.0,
        )
        for n in range(kinds_of_steps)
    )
    plain = playbook(steps=steps)
    return replace(
        plain,
        gates={**plain.gates, **{gate.name: gate for gate in gates}},
        guardrails=guardrails,
    )


def test_the_rate_is_shared_equally_by_the_statistical_gates():
    """Threshold gates have no share in it."""
    gates = [compare(name) for name in "abcd"]

    rates = [error_rate_of(book(*gates), gate, KINDS.gates) for gate in gates]

    assert rates == [0.0125] * 4


@pytest.mark.parametrize(
    "other",
    [
        {"gate": compare("b", observe_only=True), "used": ("a", "b")},
        {"gate": compare("b"), "used": ("a",)},
        {"gate": replace(compare("b"), kind="gone"), "used": ("a", "b")},
    ],
)
def test_a_gate_that_cannot_abort_has_no_share(other):
    """It only observes, no step uses it, or its kind is not here."""
    playbook_ = book(compare("a"), other["gate"], used=other["used"])

    assert [gate.name for gate in statistical_gates(playbook_, KINDS.gates)] == ["a"]
    assert error_rate_of(playbook_, playbook_.gates["a"], KINDS.gates) == 0.05


def test_a_guardrail_has_a_share():
    """It acts in every phase."""
    playbook_ = book(compare("a"), compare("b"), used=("a",), guardrails=("b",))

    assert len(statistical_gates(playbook_, KINDS.gates)) == 2


def test_an_observing_gate_is_judged_as_one_that_acts_would_be():
    """Else it would tell nothing about what it would do."""
    playbook_ = book(compare("a"), compare("b", observe_only=True))

    assert error_rate_of(playbook_, playbook_.gates["b"], KINDS.gates) == 0.025


def test_looks_are_counted_over_every_step_that_uses_the_gate():
    """A day at 30 s is 2,880 looks; a guardrail looks in all steps."""
    playbook_ = book(compare("a"), compare("b"), used=("a",), kinds_of_steps=2)
    guarded = replace(playbook_, guardrails=("b",))

    assert looks_of(playbook_, playbook_.gates["a"]) == 2 * 2880
    assert looks_of(playbook_, playbook_.gates["b"]) == LOOKS_MIN
    assert looks_of(guarded, playbook_.gates["b"]) == 2 * 2880
