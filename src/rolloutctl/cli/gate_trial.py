"""Each gate of a plan judged once: what no canary traffic can heal is said before the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rolloutctl.cli.check import Judge
from rolloutctl.core.exposure_gates import without_exposure_gates
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.verdict import Outcome

if TYPE_CHECKING:
    from rolloutctl.core.playbook import Playbook
    from rolloutctl.core.ports import Clock
    from rolloutctl.runner.adapters import Adapters


def failing_gates(playbook: Playbook, adapters: Adapters, clock: Clock) -> Sequence[Finding]:
    """A warning for each gate whose question cannot be answered as it stands.

    Such as a bound that the histogram does not have. No data and no verdict yet are nothing
    to warn of: the canary has no traffic before the start.
    """
    asked = without_exposure_gates(playbook)
    judge = Judge(asked, adapters, since=clock.now())
    findings = []
    for gate in asked.gates.values():
        # Counters are judged from their second reading on.
        first = judge.judge(gate, None, clock.now())
        verdict = judge.judge(gate, first, clock.now()).measured
        if verdict.outcome is Outcome.ERROR:
            findings.append(
                Finding(
                    severity=Severity.WARN,
                    message=f"gate {gate.name} cannot be judged as it stands: {verdict.because}",
                    hint=f"look at it alone: rolloutctl check FILE --gate {gate.name}",
                )
            )
    return findings
