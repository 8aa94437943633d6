"""From one configuration to another by the instructions of one semantic patch; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rolloutctl.core.json_types import Json
from rolloutctl.errors import Rejected
from rolloutctl.providers.launchdarkly.configuration import (
    Configuration,
    Flag,
    Rule,
    Serve,
)

#: No sane rollout changes more of a flag at once.
INSTRUCTIONS_MAX = 500

Instruction = dict[str, Json]
#: From a flag's key and the index of one of its variations to that variation's id.
VariationIdOf = Callable[[str, int], str]


def instructions_between(
    flag: Flag, found: Configuration, wanted: Configuration, id_of: VariationIdOf
) -> list[Instruction]:
    """The instructions that make `found` into `wanted`; none if they are equal.

    They are applied all or none, so their order only has to be valid.

    Raises:
        Rejected: `wanted` has something that no instruction can write.
    """
    result = [
        *_switch(found, wanted),
        *_off_variation(found, wanted),
        *_fallthrough(found, wanted),
        *_rules(found.rules, wanted.rules),
        *_targets(found, wanted),
        *_prerequisites(found, wanted, id_of),
    ]
    if len(result) > INSTRUCTIONS_MAX:
        raise Rejected(
            f"{flag.key}: {len(result)} instructions would be needed;"
            f" the limit is {INSTRUCTIONS_MAX}"
        )
    return result


def said(flag: Flag, instructions: Sequence[Instruction]) -> str:
    """The change in few words, for the audit trail."""
    return "; ".join(f"{each['kind']}{_what(flag, each)}" for each in instructions)


def _what(flag: Flag, instruction: Instruction) -> str:
    weights = instruction.get("rolloutWeights")
    if isinstance(weights, dict):
        shares = [
            f"{flag.label(name)} {weight / 1000:g}%"
            for name, weight in weights.items()
            if isinstance(weight, int) and weight
        ]
        return f" {', '.join(shares)}"
    variation = instruction.get("variationId")
    return f" {flag.label(variation)}" if isinstance(variation, str) else ""


def _switch(found: Configuration, wanted: Configuration) -> Iterator[Instruction]:
    if found.on != wanted.on:
        yield {"kind": "turnFlagOn" if wanted.on else "turnFlagOff"}


def _off_variation(found: Configuration, wanted: Configuration) -> Iterator[Instruction]:
    if found.off_variation == wanted.off_variation:
        return
    if not wanted.off_variation:
        raise Rejected(
            "a flag without an off variation cannot be written: no instruction takes it away",
            hint="remove the off variation on the flag's page",
        )
    yield {"kind": "updateOffVariation", "variationId": wanted.off_variation}


def _fallthrough(found: Configuration, wanted: Configuration) -> Iterator[Instruction]:
    if found.fallthrough != wanted.fallthrough:
        yield {
            "kind": "updateFallthroughVariationOrRollout",
            **_serving(wanted.fallthrough),
        }


def _serving(serve: Serve) -> Instruction:
    if serve.unwritable:
        raise Rejected(
            f"a rollout with {', '.join(sorted(serve.unwritable))} cannot be written",
            hint="bring it back by hand: LaunchDarkly's history of the flag shows what was there",
        )
    if serve.variation:
        return {"variationId": serve.variation}
    weights: Json = dict(serve.weights)
    own: Instruction = {"rolloutWeights": weights, "rolloutContextKind": serve.context_kind}
    return {**own, "rolloutBucketBy": serve.bucket_by} if serve.bucket_by else own


def _rules(found: Sequence[Rule], wanted: Sequence[Rule]) -> Iterator[Instruction]:
    have = {rule.id: rule for rule in found}
    kept = [rule for rule in wanted if rule.id in have and _is_one(have[rule.id], rule)]
    order = [rule.id for rule in found if rule.id in {each.id for each in kept}]
    is_ordered = order == [rule.id for rule in kept]
    if not is_ordered and len(kept) != len(wanted):
        # Rules that are made have no id yet to be ordered by: all are made anew.
        kept = []
    ids = {rule.id for rule in kept}
    for rule in found:
        if rule.id not in ids:
            yield {"kind": "removeRule", "ruleId": rule.id}
    for rule in kept:
        yield from _rule_changes(have[rule.id], rule)
    for place, rule in enumerate(wanted):
        if rule.id not in ids:
            yield _addition(rule, next((r.id for r in wanted[place:] if r.id in ids), ""))
    if not is_ordered and kept:
        every: Json = [rule.id for rule in kept]
        yield {"kind": "reorderRules", "ruleIds": every}


def _is_one(old: Rule, new: Rule) -> bool:
    """What differs can be written; else the rule is made anew in its place."""
    return (old.clauses, old.disabled) == (new.clauses, new.disabled)


def _addition(rule: Rule, before: str) -> Instruction:
    if rule.disabled:
        raise Rejected(
            f"the rule {rule.label!r} was disabled; no instruction makes a disabled rule",
            hint="bring it back by hand: LaunchDarkly's history of the flag shows what was there",
        )
    made: Instruction = {
        "kind": "addRule",
        "description": rule.description,
        "clauses": [clause.as_json() for clause in rule.clauses],
        **_serving(rule.serve),
    }
    if rule.track_events:
        made["trackEvents"] = True
    if before:
        made["beforeRuleId"] = before
    return made


def _rule_changes(old: Rule, new: Rule) -> Iterator[Instruction]:
    own: Instruction = {"ruleId": new.id}
    if old.serve != new.serve:
        yield {"kind": "updateRuleVariationOrRollout", **own, **_serving(new.serve)}
    if old.description != new.description:
        yield {"kind": "updateRuleDescription", **own, "description": new.description}
    if old.track_events != new.track_events:
        yield {"kind": "updateRuleTrackEvents", **own, "trackEvents": new.track_events}


def _targets(found: Configuration, wanted: Configuration) -> Iterator[Instruction]:
    old = {(each.context_kind, each.variation): set(each.keys) for each in found.targets}
    new = {(each.context_kind, each.variation): set(each.keys) for each in wanted.targets}
    # First removed, then added: a key may stand in one variation only.
    for name, first, second in (("removeTargets", old, new), ("addTargets", new, old)):
        for place in sorted(first):
            keys: list[Json] = [*sorted(first[place] - second.get(place, set()))]
            if keys:
                kind, variation = place
                yield {
                    "kind": name,
                    "contextKind": kind,
                    "variationId": variation,
                    "values": keys,
                }


def _prerequisites(
    found: Configuration, wanted: Configuration, id_of: VariationIdOf
) -> Iterator[Instruction]:
    old = {each.flag: each.index for each in found.prerequisites}
    new = {each.flag: each.index for each in wanted.prerequisites}
    for key in sorted(set(old) - set(new)):
        yield {"kind": "removePrerequisite", "key": key}
    for key, index in sorted(new.items()):
        if old.get(key) != index:
            kind = "updatePrerequisite" if key in old else "addPrerequisite"
            yield {"kind": kind, "key": key, "variationId": id_of(key, index)}
