"""What stands in the way of driving a flag, and what its owner should know; writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rolloutctl.clock import Deadline
from rolloutctl.core.exposure import split
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.playbook import Target
from rolloutctl.errors import NotFound, Rejected, RolloutctlError, Unauthorized
from rolloutctl.providers.unleash.api import (
    READ_TIMEOUT_S,
    Api,
    change_request_hint,
)
from rolloutctl.providers.unleash.configuration import Strategy
from rolloutctl.providers.unleash.place import TargetSpec, arms_of, format_address, spec_of
from rolloutctl.providers.unleash.reading import FlagView, View, read_target
from rolloutctl.providers.unleash.serving import AUDIENCE, INCLUDE, OWN
from rolloutctl.providers.unleash.shaping import ONE_STRATEGY_HINT, SWITCH_STEP_BP, shaped

#: What a token's user must be allowed in the flag's environment.
PERMISSIONS = (
    "CREATE_FEATURE_STRATEGY",
    "UPDATE_FEATURE_STRATEGY",
    "DELETE_FEATURE_STRATEGY",
    "UPDATE_FEATURE_ENVIRONMENT",
)
_SKIP = "SKIP_CHANGE_REQUEST"


def findings(target: Target) -> Sequence[Finding]:
    """Every finding at once. Raises `Unauthorized`, `Unavailable`."""
    reason, way_out = _arms_objection(target)
    if reason:
        return [_refuse(reason, way_out)]
    deadline = Deadline(READ_TIMEOUT_S * 2)
    try:
        view = read_target(target, deadline=deadline)
    except NotFound as error:
        return [_missing(target, error, deadline)]
    except Rejected as error:
        return [_refuse(error.message, error.hint)]
    found = [*_access(target, deadline)]
    for each in view.flags:
        found += _about_flag(each, spec_of(target))
    if not any(each.severity is Severity.REFUSE for each in found):
        found.append(_good_news(target, view))
    return found


def _arms_objection(target: Target) -> tuple[str, str]:
    if target.shadow and target.shadow.flag == spec_of(target).flag:
        return (
            f"target {target.name}: the shadow flag is the flag itself",
            "make a second flag for shadow traffic",
        )
    return arms_of(target).objection


def _refuse(message: str, hint: str) -> Finding:
    return Finding(severity=Severity.REFUSE, message=message, hint=hint)


def _warn(message: str, hint: str) -> Finding:
    return Finding(severity=Severity.WARN, message=message, hint=hint)


def _missing(target: Target, error: NotFound, deadline: Deadline) -> Finding:
    """Not there, in another project, or archived: the server answers 404 to all three."""
    spec = spec_of(target)
    api = Api(spec)
    for flag in (spec.flag, *([target.shadow.flag] if target.shadow else [])):
        try:
            api.get(api.flag_path(flag), timeout_s=deadline.remaining_s)
        except NotFound as missing:
            error = missing
        else:
            continue
        try:
            # An archived flag's environments can still be read.
            api.get(api.environment_path(flag), timeout_s=deadline.remaining_s)
        except RolloutctlError:
            break
        return _refuse(
            f"flag {flag!r} is archived",
            "revive it in Unleash (Archived flags), or name another one",
        )
    return _refuse(error.message, error.hint)


def _access(target: Target, deadline: Deadline) -> Iterator[Finding]:
    """Permissions of the token and approvals that the environment demands."""
    spec = spec_of(target)
    allowed = _permissions(spec, deadline)
    if allowed is None:
        yield _warn(
            f"Unleash does not tell what the token in {spec.token} may do",
            "the first write will show it",
        )
        allowed = frozenset({"ADMIN"})
    missing = [name for name in PERMISSIONS if not allowed & {name, "ADMIN"}]
    if missing:
        yield _refuse(
            f"the token in {spec.token} may not write here: it lacks {', '.join(missing)} in"
            f" project {spec.project}, environment {spec.environment}",
            "use a token of an admin or of a project member, not of a viewer",
        )
    if _demands_change_requests(spec, deadline) and _SKIP not in allowed:
        yield _refuse(
            f"{spec.environment} takes changes only as change requests", change_request_hint(spec)
        )


def _permissions(spec: TargetSpec, deadline: Deadline) -> frozenset[str] | None:
    """What the token's user may do in this project and environment; None if not told."""
    try:
        answer = Api(spec).get("/user", timeout_s=deadline.remaining_s)
    except (NotFound, Rejected, Unauthorized):
        return None
    entries = answer.get("permissions") if isinstance(answer, Mapping) else None
    if not isinstance(entries, list):
        return None
    found = set()
    for entry in entries:
        if isinstance(entry, Mapping):
            is_here = entry.get("project") in {None, "", "*", spec.project} and entry.get(
                "environment"
            ) in {None, "", "*", spec.environment}
            if is_here:
                found.add(str(entry.get("permission")))
    return frozenset(found)


def _demands_change_requests(spec: TargetSpec, deadline: Deadline) -> bool:
    """Enterprise only; open source answers 404 "path … is not available"."""
    try:
        answer = Api(spec).get(
            f"/projects/{spec.project}/change-requests/config", timeout_s=deadline.remaining_s
        )
    except (NotFound, Rejected, Unauthorized):
        return False
    return any(
        isinstance(each, Mapping)
        and each.get("environment") == spec.environment
        and bool(each.get("changeRequestEnabled"))
        for each in (answer if isinstance(answer, list) else [])
    )


def _about_flag(view: FlagView, spec: TargetSpec) -> Iterator[Finding]:
    found, flag = view.found, view.flag
    if view.release_plan:
        yield _refuse(
            f"the release plan {view.release_plan!r} of Unleash drives flag {flag!r} in"
            f" {spec.environment}",
            "remove that release plan from the flag, or leave this environment to it",
        )
        return
    if not view.arms.is_switch and not found.enabled:
        yield _refuse(
            f"flag {flag!r} is off in {spec.environment}: applications use the default in"
            " their code, and turning it on is your decision",
            ONE_STRATEGY_HINT,
        )
        return
    try:
        shaped(found, split(SWITCH_STEP_BP), view.arms, maker=view.maker)
    except Rejected as error:
        yield _refuse(error.message, error.hint)
    if found.variants and not view.arms.is_switch:
        yield _warn(
            f"flag {flag!r} has environment variants, which Unleash has given up: they cannot be"
            " given to an audience or a cohort",
            "without `audience` and `include` it works; else move them to the strategy",
        )
    for strategy in _adopted(view):
        yield from _about_strategy(strategy, view, spec)
    if view.facts.get("dependencies"):
        yield _warn(
            f"flag {flag!r} depends on another flag: it serves nothing while that one is off",
            "look at its parent in Unleash",
        )
    if view.around.get("safeguards"):
        yield _warn(
            f"a safeguard of Unleash may turn flag {flag!r} off by itself",
            "that is taken for a kill from outside: the rollout stops there",
        )
    if view.facts.get("stale"):
        yield _warn(f"flag {flag!r} is marked stale", "is it the right one?")


def _adopted(view: FlagView) -> list[Strategy]:
    """Strategies that rolloutctl did not make and will change."""
    found = view.found.active
    return [each for each in found if each.title not in {OWN, INCLUDE, AUDIENCE}]


def _about_strategy(strategy: Strategy, view: FlagView, spec: TargetSpec) -> Iterator[Finding]:
    flag, wanted = view.flag, view.maker.stickiness
    if strategy.is_restricted:
        yield _refuse(
            f"flag {flag!r}: the strategy {strategy.label} has constraints of its own, which a"
            " rollout would replace",
            "disable that strategy (rolloutctl then makes its own) and write the constraint as"
            " `audience` in every step",
        )
    stickiness = strategy.parameters.get("stickiness", "default")
    if spec.stickiness and stickiness != spec.stickiness:
        yield _refuse(
            f"flag {flag!r}: the strategy {strategy.label} buckets by {stickiness!r}, the target"
            f" says {spec.stickiness!r}",
            "change one of the two; changing it during a rollout gives units the other arm",
        )
    elif stickiness not in {wanted, "default"} and wanted != "default":
        yield _warn(
            f"flag {flag!r}: the strategy {strategy.label} buckets by {stickiness!r}, the unit of"
            f" the target would be {wanted!r}",
            "that stays as it is; correct `unit`, or say `stickiness`",
        )
    if "random" in {stickiness, *(str(v.rest.get("stickiness")) for v in strategy.variants)}:
        yield _warn(
            f"flag {flag!r} is bucketed at random: a unit does not keep its arm",
            "use the stickiness userId, sessionId or default",
        )


def _good_news(target: Target, view: View) -> Finding:
    flag = view.flags[0]
    kind = "a plain flag" if flag.arms.is_switch else "variants of one strategy"
    adopted = _adopted(flag)
    group = adopted[0].parameters if adopted else {"stickiness": flag.maker.stickiness}
    return Finding(
        severity=Severity.OK,
        message=f"{format_address(target)}: {kind}, units bucketed by"
        f" {group.get('stickiness', 'default')} in the group {group.get('groupId', flag.flag)!r}",
    )
