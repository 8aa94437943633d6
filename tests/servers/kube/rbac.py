"""Who may do what: accounts by token, with the rules of their Role."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as RBAC sees it; `resource` has its subresource behind a slash."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


def is_allowed(rules, asked):
    """`rules` is None for who may do everything."""
    if rules is None or asked.resource in {"selfsubjectaccessreviews", ""}:
        return True
    return any(_covers(rule, asked) for rule in rules)


def _covers(rule, asked):
    names = rule.get("resourceNames")
    return (
        bool({"*", asked.group} & set(rule["apiGroups"]))
        and bool({"*", asked.resource} & set(rule["resources"]))
        and bool({"*", asked.verb} & set(rule["verbs"]))
        and (not names or asked.name in names)
    )


def review(rules, spec):
    """The answer to a SelfSubjectAccessReview."""
    given = spec.get("resourceAttributes", {})
    resource = given.get("resource", "")
    if given.get("subresource"):
        resource = f"{resource}/{given['subresource']}"
    asked = Asked(
        verb=given.get("verb", ""),
        group=given.get("group", ""),
        resource=resource,
        namespace=given.get("namespace", ""),
        name=given.get("name", ""),
    )
    return {"allowed": is_allowed(rules, asked)}
