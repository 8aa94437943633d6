"""What stands in the way of driving a flag, and what its owner should know; writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rolloutctl.clock import Deadline
from rolloutctl.core.exposure import split
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.target import Target
from rolloutctl.errors import NotFound, Rejected, RolloutctlError, Unauthorized
from rolloutctl.providers.launchdarkly.api import (
    READ_TIMEOUT_S,
    Api,
    ApprovalRequired,
    approval_hint,
    page_of,
)
from rolloutctl.providers.launchdarkly.configuration import Flag
from rolloutctl.providers.launchdarkly.intervals import first_listed
from rolloutctl.providers.launchdarkly.place import TargetSpec, flags_of, format_address, spec_of
from rolloutctl.providers.launchdarkly.reading import FlagView, read_facts, view_of
from rolloutctl.providers.launchdarkly.serving import place_of, release_of, strangers
from rolloutctl.providers.launchdarkly.shaping import RELEASE_HINT, shaped
from rolloutctl.providers.launchdarkly.writing import Instruction

#: A share that every flag can serve; two different ones show whether arms keep their contexts.
_TRIAL_BP = (100, 5_000)
#: Dependent flags that a warning names.
DEPENDENTS_SHOWN = 5
_LIVE_RELEASES = frozenset({"pending", "in_progress", "waiting"})


def findings(target: Target) -> Sequence[Finding]:
    """Every finding at once. Raises `Unauthorized`, `Unavailable`."""
    spec = spec_of(target)
    if target.shadow and target.shadow.flag == spec.flag:
        return [
            _refuse(
                f"target {target.name}: the shadow flag is the flag itself",
                "make a second, boolean flag for shadow traffic",
            )
        ]
    deadline = Deadline(READ_TIMEOUT_S * 2)
    found: list[Finding] = []
    views: list[FlagView] = []
    for key, names in flags_of(target):
        try:
            facts = read_facts(target, key, deadline=deadline, expand="evaluation")
            views.append(view_of(target, facts, names, needs_canary=True))
        except (NotFound, Rejected) as error:
            found.append(_refuse(error.message, error.hint))
    for view in views:
        found += _about_flag(view, spec)
        found += _about_others(view.flag, spec, deadline)
        found += _about_access(view, spec, deadline)
    if views:
        found += _about_environment(spec, views[0].flag, deadline)
    if not any(each.severity is Severity.REFUSE for each in found):
        found.append(_good_news(target, views[0]))
    # Approvals are found by the settings and by the dry runs: told once.
    return list(dict.fromkeys(found))


def _refuse(message: str, hint: str) -> Finding:
    return Finding(severity=Severity.REFUSE, message=message, hint=hint)


def _warn(message: str, hint: str) -> Finding:
    return Finding(severity=Severity.WARN, message=message, hint=hint)


def _about_flag(view: FlagView, spec: TargetSpec) -> Iterator[Finding]:
    flag, key = view.flag, view.flag.key
    if flag.facts.get("archived"):
        yield _refuse(f"flag {key!r} is archived", "restore it, or name another flag")
        return
    if flag.facts.get("deprecated"):
        yield _warn(f"flag {key!r} is deprecated", "is it the right one?")
    for bp in _TRIAL_BP:
        try:
            shaped(flag, split(bp), view.arms, view.maker)
        except Rejected as error:
            yield _refuse(error.message, error.hint)
            break
    for note in strangers(flag, flag.found, view.arms):
        yield _warn(
            f"flag {key!r}: {note}",
            "a rollout and a rollback leave it alone, a kill brings it to the control",
        )
    if flag.found.on and flag.found.off_variation != view.arms.control:
        label = flag.label(flag.found.off_variation) or "the default in their code"
        yield _warn(
            f"flag {key!r}: whoever turns it off gives everybody {label}, not the control",
            "make the control its off variation",
        )
    if flag.found.prerequisites:
        names = ", ".join(each.flag for each in flag.found.prerequisites)
        yield _warn(
            f"flag {key!r} depends on {names}: where one fails, the off variation is served",
            "look at them; verify shows the shares that are really served",
        )
    yield from _first_slot(view, spec)


def _first_slot(view: FlagView, spec: TargetSpec) -> Iterator[Finding]:
    """SDKs give the first listed variation to contexts that a rollout cannot bucket."""
    flag = view.flag
    place = place_of(flag.found, view.arms) if _has_place(view) else None
    serve = place.serve if place else flag.found.fallthrough
    first = first_listed(serve) or flag.variations[0].id
    if first == view.arms.control:
        return
    kinds = _kinds_seen(flag) - {view.maker.context_kind}
    lacking = []
    if kinds:
        lacking.append(f"of the kind {', '.join(sorted(kinds))} (seen in the last 30 days)")
    if spec.bucket_by and spec.flag == flag.key:
        lacking.append(f"without the attribute {spec.bucket_by!r}")
    if lacking:
        yield _warn(
            f"flag {flag.key!r}: contexts {' or '.join(lacking)} get {flag.label(first)!r}, the"
            " first variation, at every share between 0% and 100%",
            "send that attribute and kind everywhere, or make a flag whose first variation is"
            " the control",
        )


def _has_place(view: FlagView) -> bool:
    try:
        place_of(view.flag.found, view.arms)
    except ValueError:
        return False
    return True


def _kinds_seen(flag: Flag) -> set[str]:
    evaluation = flag.environment.get("evaluation")
    kinds = evaluation.get("contextKinds") if isinstance(evaluation, Mapping) else None
    return {str(each) for each in kinds} if isinstance(kinds, list) else set()


def _about_others(flag: Flag, spec: TargetSpec, deadline: Deadline) -> Iterator[Finding]:
    """Everything else that may change this flag while the rollout runs."""
    api = Api(spec)
    path = api.environment_path(flag.key)
    yield from _about_dependents(
        flag, _items(spec, api.dependents_path(flag.key), deadline, "beta")
    )
    serves = [flag.found.fallthrough, *(rule.serve for rule in flag.found.rules)]
    drivers = {name for name in map(release_of, serves) if name}
    for each in _items(spec, f"{path}/releases", deadline, "beta"):
        if each.get("status") in _LIVE_RELEASES:
            drivers.add(str(each.get("kind") or "guarded or progressive"))
    for name in sorted(drivers):
        yield _refuse(f"flag {flag.key!r}: LaunchDarkly's own {name} rollout runs", RELEASE_HINT)
    scheduled = len(_items(spec, f"{path}/scheduled-changes", deadline))
    if scheduled:
        yield _refuse(
            f"flag {flag.key!r}: {scheduled} scheduled changes are pending, which would"
            " overwrite this rollout",
            f"remove them at {page_of(spec)}, or wait until they are done",
        )
    workflows = [
        each
        for each in _items(spec, f"{path}/workflows", deadline)
        if _status(each) not in {"completed", "stopped"}
    ]
    if workflows:
        yield _refuse(
            f"flag {flag.key!r}: {len(workflows)} workflows are in force",
            f"end them at {page_of(spec)}",
        )
    requests = _items(spec, f"{path}/approval-requests", deadline)
    pending = [each for each in requests if each.get("status") in {"pending", "scheduled"}]
    if pending:
        yield _warn(
            f"flag {flag.key!r}: {len(pending)} approval requests are pending",
            "applying one during the rollout is an edit by somebody else: it pauses",
        )


def _about_dependents(flag: Flag, dependents: Sequence[Mapping[str, object]]) -> Iterator[Finding]:
    """Flags that are served only to those who get a certain variation of this one."""
    names = [str(each["key"]) for each in dependents if "key" in each]
    if names:
        shown, more = ", ".join(names[:DEPENDENTS_SHOWN]), len(names) - DEPENDENTS_SHOWN
        others = f"{shown} and {more} more" if more > 0 else shown
        yield _warn(
            f"flag {flag.key!r} is a prerequisite of {others}",
            "whoever gets another variation of it may get another one there too, also by a kill",
        )


def _status(workflow: Mapping[str, object]) -> str:
    execution = workflow.get("_execution")
    return str(execution.get("status")) if isinstance(execution, Mapping) else ""


def _items(
    spec: TargetSpec, path: str, deadline: Deadline, version: str = ""
) -> list[Mapping[str, object]]:
    """What a list holds; nothing where this account or token has no such thing."""
    api = Api(spec)
    try:
        if version:
            answer = api.get(path, timeout_s=deadline.remaining_s, version=version)
        else:
            answer = api.get(path, timeout_s=deadline.remaining_s)
    except (NotFound, Rejected, Unauthorized):
        return []
    items = answer.get("items") if isinstance(answer, Mapping) else None
    return [
        each for each in (items if isinstance(items, list) else []) if isinstance(each, Mapping)
    ]


def _about_access(view: FlagView, spec: TargetSpec, deadline: Deadline) -> Iterator[Finding]:
    """Asks with a dry run of what is so already: neither way can it change anything."""
    flag = view.flag
    kind = "turnFlagOn" if flag.found.on else "turnFlagOff"
    instruction: Instruction = {"kind": kind}
    try:
        Api(spec).patch(
            flag.key,
            [instruction],
            comment="rolloutctl plan",
            timeout_s=deadline.remaining_s,
            dry=True,
        )
    except ApprovalRequired:
        if spec.bypass_approvals:
            yield _refuse(
                f"the token in {spec.token} does not bypass approvals, as the target says",
                approval_hint(spec),
            )
        else:
            yield _approval_refusal(spec)
    except (Unauthorized, Rejected, NotFound, RolloutctlError) as error:
        if isinstance(error, Unauthorized | Rejected | NotFound):
            yield _refuse(f"the token in {spec.token} may not write: {error.message}", error.hint)
            return
        raise


def _about_environment(spec: TargetSpec, flag: Flag, deadline: Deadline) -> Iterator[Finding]:
    try:
        facts = Api(spec).get(Api(spec).environment_path(), timeout_s=deadline.remaining_s)
    except (NotFound, Rejected, Unauthorized):
        yield _warn(
            f"LaunchDarkly does not tell whether {spec.environment} demands approvals",
            "the first write will show it; give the token read access to the project",
        )
        return
    if not isinstance(facts, Mapping) or not _demands_approval(facts, flag):
        return
    if spec.bypass_approvals:
        yield _warn(
            f"{spec.environment} demands approvals; the target says that its token bypasses them",
            "without that action every write, a rollback too, is refused with 405",
        )
    else:
        yield _approval_refusal(spec)


def _approval_refusal(spec: TargetSpec) -> Finding:
    return _refuse(
        f"{spec.environment} demands approvals: an automatic rollback and a kill would stall"
        " until somebody approves them",
        f"{approval_hint(spec)}; with the bypass write bypass_approvals: true",
    )


def _demands_approval(environment: Mapping[str, object], flag: Flag) -> bool:
    settings = environment.get("approvalSettings")
    if not isinstance(settings, Mapping):
        return False
    tags, own = settings.get("requiredApprovalTags"), flag.facts.get("tags")
    needed = {str(each) for each in tags} if isinstance(tags, list) else set()
    carried = {str(each) for each in own} if isinstance(own, list) else set()
    return bool(needed & carried) if needed else bool(settings.get("required"))


def _good_news(target: Target, view: FlagView) -> Finding:
    maker, rule = view.maker, spec_of(target).rule
    where = f"the rule {rule!r}" if rule else "the default rule"
    return Finding(
        severity=Severity.OK,
        message=f"{format_address(target)}: {where}, contexts bucketed by the"
        f" {maker.bucket_by or 'key'} of their {maker.context_kind}",
    )
