"""A flag's value in the document: what it serves, and how it is changed; pure.

Format: https://docs.aws.amazon.com/appconfig/latest/userguide/appconfig-type-reference-feature-flags.html
Variants are tried in order, the first whose rule holds is served; the last has no rule.
"""

from __future__ import annotations

from typing import Any

from rolloutctl.core.exposure import CANARY, FULL_BP, Exposure, split
from rolloutctl.core.target import Target
from rolloutctl.errors import Rejected
from rolloutctl.providers.appconfig.place import OFF, ON, is_switch, spec_of
from rolloutctl.providers.appconfig.reach import Reach, format_reach, parse_reach

VARIANTS = "_variants"
#: Whole percents: no source says that `pct` takes fractions.
STEP_BP = 100
NOBODY, EVERYBODY = Reach(percent=0), Reach(percent=100)

# A JSON object from outside, changed and written back whole.
Value = dict[str, Any]  # Any: attributes have the types that the document gives them


def served(value: Value, target: Target) -> tuple[Exposure | None, str]:
    """What the flag serves, or None and why it cannot be said."""
    variants = value.get(VARIANTS)
    if variants is None:
        if not is_switch(target):
            return None, "the flag has no variants"
        is_on = value.get("enabled") is True
        return split(FULL_BP if is_on == (target.canary.value != OFF) else 0), ""
    found: list[tuple[str, Reach]] = []
    for each in variants:
        name, text = str(each.get("name")), each.get("rule")
        try:
            reach = EVERYBODY if text is None else parse_reach(str(text), spec_of(target).split_by)
        except ValueError as error:
            return None, f"variant {name!r} has a rule of its own: {text!s:.80} ({error!s:.80})"
        if is_switch(target) and name in {ON, OFF} and each.get("enabled") is not (name == ON):
            return None, f"variant {name!r} is not {name}"
        found.append((name, reach))
    return _shares(found, target)


def _shares(found: list[tuple[str, Reach]], target: Target) -> tuple[Exposure | None, str]:
    """What variants in this order serve."""
    control, canary = target.control.value, target.canary.value
    special = next(((name, reach) for name, reach in found if not reach.is_plain), None)
    if special is not None:
        name, reach = special
        rest = [one for other, one in found[:-1] if other != name]
        # Only so is it sure that nobody of its cohorts is taken by another variant before.
        if (
            name != canary
            or found[-1] != (control, EVERYBODY)
            or any(one != NOBODY for one in rest)
        ):
            return None, f"variant {name!r} has an audience or a cohort, and others have a share"
        return split(reach.percent * 100, audience=reach.audience, include=reach.include), ""
    shares, given = {control: 0, canary: 0}, 0
    for name, reach in found:
        # Variants share one hash: a later rule gives only what it reaches beyond the others.
        share, given = max(0, reach.percent - given), max(given, reach.percent)
        if share and name not in shares:
            return None, f"variant {name!r} serves {share}%"
        shares[name] = shares.get(name, 0) + share
    return split(shares[canary] * 100), ""


def shaped(value: Value, exposure: Exposure, target: Target) -> Value:
    """The value that serves `exposure`. Raises `Rejected` where it cannot."""
    if exposure.shadow_bp:
        raise Rejected("appconfig cannot mirror requests", hint="remove `shadow`")
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
    reach = Reach(percent=bp // STEP_BP, audience=exposure.audience, include=exposure.include)
    return _with_arms(value, reach, target)


def killed(value: Value, target: Target) -> Value:
    """Control for everybody, from any state; other variants stay, reached by nobody."""
    return _with_arms(value, NOBODY, target)


def _with_arms(value: Value, reach: Reach, target: Target) -> Value:
    if is_switch(target):
        return _with_switch(value, reach, target)
    key = spec_of(target).split_by
    named = {str(each.get("name")): each for each in value.get(VARIANTS, ())}
    control, canary = target.control.value, target.canary.value
    if control not in named or (reach != NOBODY and canary not in named):
        missing = canary if control in named else control
        raise Rejected(
            f"flag {spec_of(target).flag!r} has no variant {missing!r}",
            hint=f"its variants: {', '.join(named) or 'none'}; add it in AppConfig",
        )
    # The canary first: first match wins, so nobody reaches it but by its own split.
    order = sorted((name for name in named if name != control), key=lambda name: name != canary)
    front = [
        {**named[name], "rule": format_reach(reach if name == canary else NOBODY, key)}
        for name in order
    ]
    last = {name: field for name, field in named[control].items() if name != "rule"}
    return {**value, VARIANTS: [*front, last]}


def _with_switch(value: Value, reach: Reach, target: Target) -> Value:
    if target.control.value != OFF:
        raise Rejected(
            "a flag whose control is `on` cannot be driven: a kill would turn it on",
            hint="give it two variants, or swap what the flag means",
        )
    attributes = _attributes(value)
    if reach in {NOBODY, EVERYBODY}:
        return {"enabled": reach == EVERYBODY, **attributes}
    rule = format_reach(reach, spec_of(target).split_by)
    on: Value = {"name": ON, "enabled": True, "rule": rule}
    if attributes:
        on["attributeValues"] = attributes
    return {VARIANTS: [on, {"name": OFF, "enabled": False}]}


def _attributes(value: Value) -> Value:
    """Those of the flag, or of the variant that is on: they are kept while it is off."""
    variants = value.get(VARIANTS)
    if variants is None:
        return {name: field for name, field in value.items() if name not in {"enabled", VARIANTS}}
    enabled = [each for each in variants if each.get("enabled")]
    return dict(enabled[0].get("attributeValues", {})) if enabled else {}
