"""A flag's value in the document: what it serves, and how it is changed; pure.

Format: https://docs.aws.amazon.com/appconfig/latest/userguide/appconfig-type-reference-feature-flags.html
Variants are tried in order, the first whose rule holds is served; the last has no rule.
"""

from __future__ import annotations

import re
from typing import Any

from rolloutctl.core.exposure import CANARY, FULL_BP, Exposure, split
from rolloutctl.core.target import Target
from rolloutctl.errors import Rejected
from rolloutctl.providers.appconfig.place import OFF, is_switch, spec_of

VARIANTS = "_variants"
#: Whole percents: no source says that `pct` takes fractions.
STEP_BP = 100
_SPLIT = re.compile(r"\(split pct::(\d{1,3}) by::\$([A-Za-z][\w-]*)\)")

# A JSON object from outside, changed and written back whole.
Value = dict[str, Any]  # Any: attributes have the types that the document gives them


def rule(percent: int, key: str) -> str:
    """The rule that holds for `percent` of the units."""
    return f"(split pct::{percent} by::${key})"


def served(value: Value, target: Target) -> tuple[Exposure | None, str]:
    """What the flag serves, or None and why it cannot be said."""
    control, canary = target.control.value, target.canary.value
    variants = value.get(VARIANTS)
    if variants is None:
        if not is_switch(target):
            return None, "the flag has no variants"
        is_on = value.get("enabled") is True
        return split(FULL_BP if is_on == (canary != OFF) else 0), ""
    reach: list[tuple[str, int]] = []
    for each in variants:
        text = each.get("rule")
        match = _SPLIT.fullmatch(text) if text is not None else None
        if text is not None and match is None:
            return None, f"variant {each.get('name')!r} has a rule of its own: {text:.80}"
        if match and match[2] != spec_of(target).split_by and match[1] != "0":
            return None, f"variant {each.get('name')!r} is split by {match[2]}"
        reach.append((str(each.get("name")), int(match[1]) if match else 100))
    shares, given = {control: 0, canary: 0}, 0
    for name, percent in reach:
        # Variants share one hash: a later rule gives only what it reaches beyond the others.
        share, given = max(0, percent - given), max(given, percent)
        if share and name not in shares:
            return None, f"variant {name!r} serves {share}%"
        shares[name] = shares.get(name, 0) + share
    return split(shares[canary] * 100), ""


def shaped(value: Value, exposure: Exposure, target: Target) -> Value:
    """The value that serves `exposure`. Raises `Rejected` where it cannot."""
    if exposure.shadow_bp or exposure.audience is not None or exposure.include is not None:
        raise Rejected(
            "appconfig cannot mirror requests, or restrict a rollout to an audience or a cohort",
            hint="remove `shadow`, `audience` and `include`",
        )
    bp = exposure.weight_bp(CANARY)
    if bp != exposure.canary_bp or bp % STEP_BP:
        raise Rejected(
            f"appconfig cannot serve {exposure.weights}: two arms, in whole percent",
            hint="write the step's weight in whole percent",
        )
    _, problem = served(value, target)
    if problem:
        raise Rejected(
            f"flag {spec_of(target).flag!r}: {problem}",
            hint="keep only the control and the canary among its variants, without rules",
        )
    return _with_arms(value, bp // STEP_BP, target)


def killed(value: Value, target: Target) -> Value:
    """Control for everybody, from any state; other variants stay, reached by nobody."""
    return _with_arms(value, 0, target)


def _with_arms(value: Value, percent: int, target: Target) -> Value:
    if is_switch(target):
        return _with_switch(value, percent, target)
    key = spec_of(target).split_by
    named = {str(each.get("name")): each for each in value.get(VARIANTS, ())}
    control, canary = target.control.value, target.canary.value
    if control not in named or (percent and canary not in named):
        missing = canary if control in named else control
        raise Rejected(
            f"flag {spec_of(target).flag!r} has no variant {missing!r}",
            hint=f"its variants: {', '.join(named) or 'none'}; add it in AppConfig",
        )
    # The canary first: first match wins, so nobody reaches it but by its own split.
    order = sorted((name for name in named if name != control), key=lambda name: name != canary)
    front = [{**named[name], "rule": rule(percent if name == canary else 0, key)} for name in order]
    last = {name: field for name, field in named[control].items() if name != "rule"}
    return {**value, VARIANTS: [*front, last]}


def _with_switch(value: Value, percent: int, target: Target) -> Value:
    if target.control.value != OFF:
        raise Rejected(
            "a flag whose control is `on` cannot be driven: a kill would turn it on",
            hint="give it two variants, or swap what the flag means",
        )
    attributes = _attributes(value)
    if percent in {0, 100}:
        return {"enabled": percent == 100, **attributes}  # noqa: PLR2004 - everybody
    on: Value = {"name": "on", "enabled": True, "rule": rule(percent, spec_of(target).split_by)}
    if attributes:
        on["attributeValues"] = attributes
    return {VARIANTS: [on, {"name": "off", "enabled": False}]}


def _attributes(value: Value) -> Value:
    """Those of the flag, or of the variant that is on: they are kept while it is off."""
    variants = value.get(VARIANTS)
    if variants is None:
        return {name: field for name, field in value.items() if name not in {"enabled", VARIANTS}}
    enabled = [each for each in variants if each.get("enabled")]
    return dict(enabled[0].get("attributeValues", {})) if enabled else {}
