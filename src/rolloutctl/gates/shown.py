"""How the counts of both arms are told, in `because` and in numbers."""

from __future__ import annotations

import math

from rolloutctl.gates.arm_evidence import ArmEvidence

#: From here on evidence is beyond doubt, and how far beyond tells nobody anything.
_EVIDENCE_SHOWN_MAX = 1_000_000.0
#: Below it shares are shown with two digits, from it on as whole numbers.
_WHOLE_FROM = 10.0


def arms_shown(known: ArmEvidence) -> str:
    """Such as: canary 3.1% of 1,204, control 0.9% of 20,931, of this step."""
    canary, control = known.canary, known.control
    first = share_shown("canary", bad=canary.get("bad", 0.0), total=canary.get("total", 0.0))
    then = share_shown("control", bad=control.get("bad", 0.0), total=control.get("total", 0.0))
    return f"{first}, {then}"


def share_shown(arm: str, *, bad: float, total: float) -> str:
    """Such as: canary 3.1% of 1,204."""
    if total <= 0:
        return f"{arm} nothing of {total:,.0f}"
    percent = bad / total * 100
    # Two digits, never an exponent where a whole number will do.
    shown = f"{percent:,.0f}" if percent >= _WHOLE_FROM else f"{percent:.2g}"
    return f"{arm} {shown}% of {total:,.0f}"


def evidence_shown(evidence: float) -> str:
    """Such as 0.82, 13.5 or 7,000; more than a million is not told apart.

    Rounded down: what is shown as 20 of 20 has reached it.
    """
    if evidence > _EVIDENCE_SHOWN_MAX:
        return f"over {_EVIDENCE_SHOWN_MAX:,.0f}"
    if evidence < _WHOLE_FROM:
        return f"{evidence:.2g}"
    return f"{math.floor(evidence * 10) / 10:,.1f}".removesuffix(".0")


def share_numbers(known: ArmEvidence) -> tuple[tuple[str, float], ...]:
    """Bad and all events of both arms in this step."""
    canary, control = known.canary.get, known.control.get
    return (
        ("canary_bad", canary("bad", 0.0)),
        ("canary_total", canary("total", 0.0)),
        ("control_bad", control("bad", 0.0)),
        ("control_total", control("total", 0.0)),
    )
