"""Shared parts of the JSON documents: exposures, observations, findings, verdicts; pure.

Keys are snake_case with the unit last; times are RFC 3339 UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime

from rolloutctl.core.exposure import Cohort, Exposure
from rolloutctl.core.json_types import Json
from rolloutctl.core.observation import Finding, Observation, Severity
from rolloutctl.core.verdict import Verdict


def time_json(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def exposure_json(exposure: Exposure) -> Json:
    """Weights in basis points by arm, and the rest of an exposure."""
    return {
        "weights_bp": dict(exposure.weights),
        "shadow_bp": exposure.shadow_bp,
        "audience": _cohort_json(exposure.audience),
        "include": _cohort_json(exposure.include),
    }


def observation_json(observation: Observation) -> Json:
    """What was seen, the snapshot included: it is the restore point."""
    exposure = observation.exposure
    return {
        "at": time_json(observation.at),
        "exposure": None if exposure is None else exposure_json(exposure),
        "version": observation.version,
        "fingerprint": observation.fingerprint,
        "editor": observation.editor,
        "detail": observation.detail,
        "snapshot": observation.snapshot,
    }


def finding_json(finding: Finding) -> Json:
    """One finding with its way out; what is fine and has one all the same is a `note`."""
    is_note = finding.severity is Severity.OK and finding.hint
    return {
        "severity": "note" if is_note else finding.severity.value,
        "message": finding.message,
        "hint": finding.hint,
    }


def verdict_json(verdict: Verdict) -> dict[str, Json]:
    """A gate's answer with its numbers."""
    return {
        "outcome": verdict.outcome.value,
        "because": verdict.because,
        "numbers": dict(verdict.numbers),
        "sample": verdict.sample,
        "settles_at": None if verdict.settles_at is None else time_json(verdict.settles_at),
    }


def _cohort_json(cohort: Cohort | None) -> Json:
    if cohort is None:
        return None
    return {condition.attribute: list(condition.values) for condition in cohort}
