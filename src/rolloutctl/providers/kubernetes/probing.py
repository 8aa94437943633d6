"""What a plan finds: object, arms, readiness, permissions, others who write it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.target import Target
from rolloutctl.errors import NotFound, Rejected, Unauthorized
from rolloutctl.providers.kubernetes.api import Api
from rolloutctl.providers.kubernetes.ownership import last_editor, rivals
from rolloutctl.providers.kubernetes.strategy import Permission, Strategy, Way

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def findings(api: Api, target: Target, way: Way) -> Sequence[Finding]:
    """Everything; what is not allowed first. Raises `Unauthorized` and `Unavailable`."""
    lacking = [each for each in way.permissions(api.spec) if not _is_allowed(api, each)]
    found = [_lacking(api, each) for each in lacking]
    try:
        found += way.findings(api, target)
    except (NotFound, Rejected) as error:
        found.append(Finding(severity=Severity.REFUSE, message=error.message, hint=error.hint))
    except Unauthorized as error:
        if not lacking:
            raise
        found.append(Finding(severity=Severity.WARN, message=error.message, hint=error.hint))
    return found


def of_object(api: Api, target: Target, strategy: Strategy) -> Iterator[Finding]:
    """The object, its arms, who else writes it."""
    value = api.get(strategy.path(api.spec))
    seen = strategy.seen(value, target)
    if seen.exposure is None:
        yield Finding(severity=Severity.REFUSE, message=seen.detail, hint="set it to the control")
    editor = last_editor(value, strategy.owned_path)
    where = f"{value.get('kind', 'object')} {api.spec.namespace}/{api.spec.name}"
    said = f", last edited by {editor}" if editor else ""
    yield Finding(severity=Severity.OK, message=f"{where} at {api.spec.context}{said}")
    for who, hint in rivals(value):
        message = f"{where} is kept by {who}, which would set it back"
        yield Finding(severity=Severity.WARN, message=message, hint=hint)
    for message, hint in strategy.remarks(api, seen, target):
        yield Finding(severity=Severity.WARN, message=message, hint=hint)


def _is_allowed(api: Api, needed: Permission) -> bool:
    resource, _, subresource = needed.resource.partition("/")
    asked: dict[str, Any] = {
        "namespace": api.spec.namespace,
        "verb": needed.verb,
        "group": needed.group,
        "resource": resource,
    }
    asked |= {"subresource": subresource} if subresource else {}
    asked |= {"name": needed.name} if needed.name else {}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    answer = api.create(_REVIEWS, review).get("status") or {}
    return bool(answer.get("allowed"))


def _lacking(api: Api, needed: Permission) -> Finding:
    group = f".{needed.group}" if needed.group else ""
    return Finding(
        severity=Severity.REFUSE,
        message=f"{api.spec.context}: may not {needed.verb} {needed.resource}{group}"
        f" in {api.spec.namespace}",
        hint="add it to the Role: docs/providers/kubernetes.md; who am I: kubectl auth whoami",
    )
