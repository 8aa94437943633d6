"""Looks at everything a playbook names before anything is written; writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.planned import TargetSeen
from rolloutctl.core.ports import Provider, capabilities_of
from rolloutctl.errors import Conflict, NotFound, Rejected

if TYPE_CHECKING:
    from rolloutctl.core.playbook import Playbook, Target
    from rolloutctl.runner.adapters import Adapters


def survey_targets(playbook: Playbook, adapters: Adapters) -> Mapping[str, TargetSeen]:
    """Probes and observes every target.

    Raises:
        Unauthorized, Unavailable: a provider cannot be asked at all.
    """
    return {
        target.name: _seen(target, adapters.providers[target.name])
        for target in playbook.targets.values()
    }


def survey_sources(adapters: Adapters) -> list[Finding]:
    """Probes every source. Raises as `survey_targets`."""
    return [finding for source in adapters.sources.values() for finding in source.probe()]


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
