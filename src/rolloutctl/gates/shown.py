"""How the counts of both arms are told, in `because` and in numbers."""

from __future__ import annotations

from collections.abc import Mapping

from rolloutctl.gates.arm_evidence import ArmEvidence


def arms_shown(known: ArmEvidence) -> str:
    """Such as: canary 3.1% of 1,204, control 0.9% of 20,931, of this step."""
    return f"canary {_share(known.canary)}, control {_share(known.control)}"


def share_numbers(known: ArmEvidence) -> tuple[tuple[str, float], ...]:
    """Bad and all events of both arms in this step."""
    return (
        ("canary_bad", known.canary.get("bad", 0.0)),
        ("canary_total", known.canary.get("total", 0.0)),
        ("control_bad", known.control.get("bad", 0.0)),
        ("control_total", known.control.get("total", 0.0)),
    )


def _share(counts: Mapping[str, float]) -> str:
    bad, total = counts.get("bad", 0.0), counts.get("total", 0.0)
    share = f"{bad / total * 100:.2g}%" if total > 0 else "nothing"
    return f"{share} of {total:,.0f}"
