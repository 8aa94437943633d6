"""Looks at everything a playbook names before anything is written; writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.planned import TargetSeen
from rolloutctl.core.ports import MetricSource, Provider, capabilities_of
from rolloutctl.errors import (
    Conflict,
    NotFound,
    Rejected,
    RolloutctlError,
    Unauthorized,
    Unavailable,
)

if TYPE_CHECKING:
    from rolloutctl.core.playbook import Playbook, Target
    from rolloutctl.runner.adapters import Adapters


class Unreached:
    """What could not be asked at all, kept so that the rest is looked at all the same."""

    def __init__(self) -> None:
        self.first: RolloutctlError | None = None

    def finding(self, error: RolloutctlError) -> Finding:
        """The error as a refusal; the first one is what the command ends with."""
        self.first = self.first or error
        return Finding(severity=Severity.REFUSE, message=error.message, hint=error.hint)


def survey_targets(
    playbook: Playbook, adapters: Adapters, unreached: Unreached | None = None
) -> Mapping[str, TargetSeen]:
    """Probes and observes every target.

    Raises:
        Unauthorized, Unavailable: a provider cannot be asked at all; with `unreached` that
            is a finding instead.
    """
    seen = {}
    for target in playbook.targets.values():
        provider = adapters.providers[target.name]
        try:
            seen[target.name] = _seen(target, provider)
        except (Unauthorized, Unavailable) as error:
            if unreached is None:
                raise
            seen[target.name] = TargetSeen(
                address=provider.address(target),
                capabilities=capabilities_of(provider, target),
                observation=None,
                findings=(unreached.finding(error),),
            )
    return seen


def survey_sources(adapters: Adapters, unreached: Unreached | None = None) -> list[Finding]:
    """Probes every source. Raises as `survey_targets`."""
    found: list[Finding] = []
    for source in adapters.sources.values():
        try:
            found += probe_source(source)
        except (Unauthorized, Unavailable) as error:
            if unreached is None:
                raise
            found.append(unreached.finding(error))
    return found


def probe_source(source: MetricSource) -> Sequence[Finding]:
    """What one source says of itself. Raises `Unauthorized`, `Unavailable`."""
    return source.probe()


def probe_target(target: Target, provider: Provider) -> Sequence[Finding]:
    """What one provider says of its target, and whether it can be read. Raises likewise."""
    return _seen(target, provider).findings


def _seen(target: Target, provider: Provider) -> TargetSeen:
    findings = list(provider.probe(target))
    observation = None
    if not any(finding.severity is Severity.REFUSE for finding in findings):
        try:
            observation = provider.observe(target)
        except (NotFound, Rejected, Conflict) as error:
            findings.append(
                Finding(severity=Severity.REFUSE, message=error.message, hint=error.hint)
            )
    return TargetSeen(
        address=provider.address(target),
        capabilities=capabilities_of(provider, target),
        observation=observation,
        findings=tuple(findings),
    )
