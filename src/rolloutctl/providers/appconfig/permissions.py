"""What the caller may do: the documented policy's actions, simulated by IAM, never tried.

The simulation knows the policies of a user or role, its boundary and the organization's. It
does not know the policies of one session, and of conditions only what is stated here: where
an answer hangs on another key it is told as unknown.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rolloutctl.core.observation import Finding, Severity
from rolloutctl.errors import NotFound, RolloutctlError, Unauthorized, Unavailable
from rolloutctl.providers.appconfig.account import Account
from rolloutctl.providers.appconfig.identity import Identity, query_identity
from rolloutctl.providers.appconfig.place import TargetSpec

#: The actions of the documented policy, by the resources that each must be allowed for.
#: https://docs.aws.amazon.com/service-authorization/latest/reference/list_appconfig.html
ACTIONS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("application", "environment"): ("GetEnvironment", "ListDeployments"),
    ("application", "profile"): (
        "GetConfigurationProfile",
        "GetHostedConfigurationVersion",
        "ValidateConfiguration",
        "ListHostedConfigurationVersions",
        "CreateHostedConfigurationVersion",
    ),
    (): ("ListDeploymentStrategies", "CreateDeploymentStrategy"),
    ("application", "environment", "deployment"): ("GetDeployment", "StopDeployment"),
    ("application", "environment", "profile", "strategy"): ("StartDeployment",),
    ("configuration",): ("StartConfigurationSession", "GetLatestConfiguration"),
}
#: Without them a rollout goes on, and nobody looks at what applications get.
LOOKS = frozenset({"StartConfigurationSession", "GetLatestConfiguration"})
#: Pages of one simulation; IAM may answer with fewer results than were asked for.
PAGES_MAX = 4
_POLICY = "the policy in docs/providers/appconfig.md"
_ASKS = "iam:SimulatePrincipalPolicy"
_TRIED = "plan has tried what it reads"
_ALLOWED, _EXPLICIT = "allowed", "explicitDeny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the simulation says of one action.

    Attributes:
        why: why it is denied; "" where it is allowed.
        unknown: condition keys that the answer hangs on and that nobody stated.
    """

    action: str
    why: str = ""
    unknown: tuple[str, ...] = ()


def query_caller(
    account: Account,
    spec: TargetSpec,
    *,
    strategies: Mapping[str, str] | None,
    unused: Collection[str] = (),
) -> Iterator[Finding]:
    """Who acts, and which of its permissions are missing.

    Args:
        account: asked within its own limits; whatever it refuses is told and raises nothing.
        spec: names what the actions are checked against.
        strategies: name -> id of those that will be used, "" where one has yet to be made;
            None where the target itself was not found: then only who acts is told.
        unused: actions of the policy that this target does not need.
    """
    try:
        identity = query_identity(account)
    except RolloutctlError as error:
        yield Finding(
            severity=Severity.WARN,
            message=f"who acts was not told, nor whether it may write ({error.message}); {_TRIED}",
            hint="ask yourself: aws sts get-caller-identity",
        )
        return
    message = f"acts as {identity.arn} in account {identity.account}"
    yield Finding(severity=Severity.OK, message=message)
    if strategies is None:
        return
    if not identity.policies_of:
        yield _not_asked(f"{identity.who} has no policies that IAM could simulate")
        return
    try:
        answers = list(_simulated(account, identity, spec, ids=strategies, unused=unused))
    except RolloutctlError as error:
        yield _unasked(identity, error)
        return
    yield from _findings(answers, identity)


def _simulated(
    account: Account,
    identity: Identity,
    spec: TargetSpec,
    *,
    ids: Mapping[str, str],
    unused: Collection[str],
) -> Iterator[Answer]:
    """One answer an action. Raises the mapped errors."""
    known = _arns(identity, spec, ids)
    for kinds, names in ACTIONS.items():
        asked = [f"appconfig:{name}" for name in names if name not in unused]
        arns = [arn for kind in kinds for arn in known[kind]]
        rows = _rows(account, identity, asked, arns=arns, region=spec.region)
        yield from (
            _answer(action, [row for row in rows if _is_of(row, action)]) for action in asked
        )


def _arns(identity: Identity, spec: TargetSpec, ids: Mapping[str, str]) -> Mapping[str, list[str]]:
    """By kind of resource. A strategy that has yet to be made has no ARN to ask about."""
    root = f"arn:{identity.partition}:appconfig:{spec.region}:{identity.account}:"
    application = f"{root}application/{spec.application}"
    environment = f"{application}/environment/{spec.environment}"
    return {
        "application": [application],
        "environment": [environment],
        "profile": [f"{application}/configurationprofile/{spec.profile}"],
        "configuration": [f"{environment}/configuration/{spec.profile}"],
        "deployment": [f"{environment}/deployment/1"],  # any: policies do not name single ones
        "strategy": [f"{root}deploymentstrategy/{one}" for one in ids.values() if one],
    }


def _rows(
    account: Account, identity: Identity, actions: Sequence[str], *, arns: list[str], region: str
) -> list[Mapping[str, Any]]:
    """IAM's results (Any: its own shape), all pages. Raises the mapped errors."""
    asked: dict[str, Any] = {  # Any: the SDK's own shape
        "PolicySourceArn": identity.policies_of,
        "ActionNames": list(actions),
        "ContextEntries": [
            _context("aws:RequestedRegion", region, "string"),
            _context("aws:SecureTransport", "true", "boolean"),
        ],
    }
    if arns:
        asked["ResourceArns"] = arns
    rows: list[Mapping[str, Any]] = []
    for _ in range(PAGES_MAX):
        page = account.read(_ASKS, **asked)
        rows += page.get("EvaluationResults") or ()
        if not page.get("IsTruncated"):
            return rows
        asked["Marker"] = page["Marker"]
    raise Unavailable(f"{_ASKS}: more than {PAGES_MAX} pages")


def _context(key: str, text: str, kind: str) -> Mapping[str, Any]:  # Any: the SDK's own shape
    return {"ContextKeyName": key, "ContextKeyValues": [text], "ContextKeyType": kind}


def _is_of(row: Mapping[str, Any], action: str) -> bool:  # Any: IAM's answer
    return str(row.get("EvalActionName", "")).lower() == action.lower()


def _answer(action: str, rows: Sequence[Mapping[str, Any]]) -> Answer:  # Any: IAM's answer
    """One answer of all rows: IAM gives one an action, and gave one a resource before.

    Raises `Unavailable` where there is none: silence is no permission.
    """
    if not rows:
        raise Unavailable(f"{_ASKS}: nothing was answered about {action}")
    # The most restrictive of all resources: IAM's own page of EvaluationResult.
    said = [str(row.get("EvalDecision")) for row in rows]
    if all(one == _ALLOWED for one in said):
        return Answer(action=action)
    parts = [part for row in rows for part in (row, *(row.get("ResourceSpecificResults") or ()))]
    keys = {str(key) for part in parts for key in part.get("MissingContextValues") or ()}
    return Answer(action=action, why=_why(parts, said), unknown=tuple(sorted(keys)))


def _why(parts: Sequence[Mapping[str, Any]], said: Sequence[str]) -> str:  # Any: IAM's answer
    """Which kind of policy denies it."""

    def is_kept_out(by: str, key: str) -> bool:
        return any((part.get(by) or {}).get(key) is False for part in parts)

    if is_kept_out("OrganizationsDecisionDetail", "AllowedByOrganizations"):
        return "a policy of the organization does not allow it"
    if is_kept_out("PermissionsBoundaryDecisionDetail", "AllowedByPermissionsBoundary"):
        return "its permissions boundary does not allow it"
    return "a policy denies it" if _EXPLICIT in said else "no policy allows it"


def _findings(answers: Sequence[Answer], identity: Identity) -> Iterator[Finding]:
    """One for each action that is denied or unknown; one line where none is."""
    for one in answers:
        if one.why and one.unknown:
            keys = ", ".join(one.unknown)
            yield Finding(
                severity=Severity.WARN,
                message=f"{identity.who} may not {one.action}, unless a condition on {keys}"
                f" lets it: {one.why}",
                hint="IAM's simulation does not know that; look at the conditions in its policies",
            )
        elif one.why:
            is_look = one.action.partition(":")[2] in LOOKS
            use = "; only the look at what applications get needs it" if is_look else ""
            yield Finding(
                severity=Severity.WARN if is_look else Severity.REFUSE,
                message=f"{identity.who} may not {one.action}: {one.why}{use}",
                hint=f"allow it: {_POLICY}",
            )
    if not any(one.why for one in answers):
        message = f"may do all that it needs: {len(answers)} actions, simulated by IAM"
        yield Finding(severity=Severity.OK, message=message)


def _unasked(identity: Identity, error: RolloutctlError) -> Finding:
    """Why IAM was not asked, or did not answer; no reason not to go on."""
    if isinstance(error, Unauthorized):
        return _not_asked(f"{_ASKS} is not allowed")
    if isinstance(error, NotFound) and identity.is_role:
        return _not_asked(
            f"there is no {identity.policies_of}: its session does not tell the role's path",
            severity=Severity.WARN,
        )
    return _not_asked(error.message, severity=Severity.WARN)


def _not_asked(why: str, *, severity: Severity = Severity.OK) -> Finding:
    return Finding(
        severity=severity, message=f"whether it may write was not asked ({why}); {_TRIED}"
    )
