"""Semantic patches as LaunchDarkly's REST API describes them, applied to a copy of a flag.

Texts of errors are this file's own: the service's are not published.
"""

from __future__ import annotations

import copy
import itertools

_RUNNING = {"measuredRollout": "guarded", "progressiveRollout": "progressive"}
_ids = itertools.count(1)


class Refused(Exception):
    """An error as LaunchDarkly shapes it."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status = status
        self.body = {"id": "planted-error-id", "code": code, "message": message}


def bad(message):
    return Refused(400, "invalid_request", message)


def new_id(what):
    return f"{what}-{next(_ids):012}"


def patched(flag, environment, instructions):
    """(the flag after all instructions, whether the environment was named by one)."""
    if not isinstance(instructions, list) or not instructions:
        raise bad("instructions must be a non-empty array")
    patch = _Patch(copy.deepcopy(flag), environment)
    for instruction in instructions:
        work = getattr(patch, f"do_{instruction.get('kind')}", None)
        if work is None:
            raise bad(f"instruction kind {instruction.get('kind')!r} is not supported")
        work(instruction)
    return patch.flag, patch.touched


class _Patch:
    def __init__(self, flag, environment):
        self.flag = flag
        self._environment = environment
        self.touched = False

    @property
    def env(self):
        if not self._environment:
            raise bad("environmentKey is required for this instruction")
        if self._environment not in self.flag["environments"]:
            raise Refused(404, "not_found", "Unknown environment key")
        self.touched = True
        return self.flag["environments"][self._environment]

    def index(self, variation):
        for index, each in enumerate(self.flag["variations"]):
            if each["_id"] == variation:
                return index
        raise bad(f"unknown variationId {variation!r}")

    def rule(self, wanted):
        for each in self.env["rules"]:
            if each["_id"] == wanted:
                return each
        raise bad(f"no rule with id {wanted!r}")

    def serve(self, given):
        """A variation or weights, as the API answers it: by index, in variation order."""
        if ("variationId" in given) == ("rolloutWeights" in given):
            raise bad("exactly one of variationId or rolloutWeights must be given")
        if "variationId" in given:
            return {"variation": self.index(given["variationId"])}
        weights = given["rolloutWeights"]
        for name, weight in weights.items():
            self.index(name)
            if type(weight) is not int or not 0 <= weight <= 100_000:
                raise bad("rollout weights must be integers in 0..100000")
        if sum(weights.values()) != 100_000:
            raise bad("rollout weights must sum to 100000")
        listed = [
            {"variation": index, "weight": weights[each["_id"]]}
            for index, each in enumerate(self.flag["variations"])
            if each["_id"] in weights
        ]
        rollout = {"variations": listed, "contextKind": given.get("rolloutContextKind", "user")}
        if given.get("rolloutBucketBy"):
            rollout["bucketBy"] = given["rolloutBucketBy"]
        return {"rollout": rollout}

    def replace_serve(self, place, given):
        allocation = place.get("rollout", {}).get("experimentAllocation") or {}
        running = _RUNNING.get(allocation.get("type"))
        if running:
            raise bad(f"Flag must not have ongoing {running} rollout")
        new = self.serve(given)
        place.pop("variation", None)
        place.pop("rollout", None)
        place.update(new)

    def clause(self, given):
        for name in ("attribute", "op", "values"):
            if name not in given:
                raise bad(f"clause is missing {name}")
        return {
            "_id": new_id("clause"),
            "contextKind": given.get("contextKind", "user"),
            "attribute": given["attribute"],
            "op": given["op"],
            "values": given["values"],
            "negate": bool(given.get("negate", False)),
        }

    def targeted(self, given):
        kind = given.get("contextKind", "user")
        return kind, self.env["targets" if kind == "user" else "contextTargets"]

    # -- the instructions ---------------------------------------------------------

    def do_turnFlagOn(self, _):  # noqa: N802 - named by the API
        self.env["on"] = True

    def do_turnFlagOff(self, _):  # noqa: N802 - same
        self.env["on"] = False

    def do_updateOffVariation(self, given):  # noqa: N802 - same
        self.env["offVariation"] = self.index(given["variationId"])

    def do_updateFallthroughVariationOrRollout(self, given):  # noqa: N802 - same
        self.replace_serve(self.env["fallthrough"], given)

    def do_updateRuleVariationOrRollout(self, given):  # noqa: N802 - same
        self.replace_serve(self.rule(given["ruleId"]), given)

    def do_updateRuleDescription(self, given):  # noqa: N802 - same
        self.rule(given["ruleId"])["description"] = given["description"]

    def do_updateRuleTrackEvents(self, given):  # noqa: N802 - same
        self.rule(given["ruleId"])["trackEvents"] = given["trackEvents"]

    def do_addRule(self, given):  # noqa: N802 - same
        rule = {
            "_id": new_id("rule"),
            "clauses": [self.clause(each) for each in given.get("clauses", [])],
            "trackEvents": bool(given.get("trackEvents", False)),
            "description": given.get("description", ""),
            **self.serve(given),
        }
        rules = self.env["rules"]
        before = given.get("beforeRuleId")
        rules.insert(rules.index(self.rule(before)) if before else len(rules), rule)

    def do_removeRule(self, given):  # noqa: N802 - same
        self.env["rules"] = [e for e in self.env["rules"] if e["_id"] != given["ruleId"]]

    def do_reorderRules(self, given):  # noqa: N802 - same
        rules = {each["_id"]: each for each in self.env["rules"]}
        if sorted(rules) != sorted(given["ruleIds"]):
            raise bad("ruleIds does not match the current set of rules")
        self.env["rules"] = [rules[each] for each in given["ruleIds"]]

    def do_addTargets(self, given):  # noqa: N802 - same
        (kind, targets), index = self.targeted(given), self.index(given["variationId"])
        for each in targets:
            is_other = each["variation"] != index and each.get("contextKind", "user") == kind
            if is_other and set(each["values"]) & set(given["values"]):
                raise bad("a context key is targeted in another variation")
        for each in targets:
            if each["variation"] == index and each.get("contextKind", "user") == kind:
                each["values"] += [e for e in given["values"] if e not in each["values"]]
                return
        new = {"contextKind": kind, "variation": index, "values": [*given["values"]]}
        targets.append(new)

    def do_removeTargets(self, given):  # noqa: N802 - same
        (kind, targets), index = self.targeted(given), self.index(given["variationId"])
        for each in targets:
            if each["variation"] == index and each.get("contextKind", "user") == kind:
                each["values"] = [e for e in each["values"] if e not in given["values"]]
        targets[:] = [each for each in targets if each["values"]]

    def do_removePrerequisite(self, given):  # noqa: N802 - same
        kept = [e for e in self.env["prerequisites"] if e["key"] != given["key"]]
        self.env["prerequisites"] = kept

    def do_addPrerequisite(self, given):  # noqa: N802 - same
        self.do_removePrerequisite(given)
        # The id is one of another flag's: `<flag>-<index>` here.
        index = int(given["variationId"].rpartition("-")[2])
        self.env["prerequisites"].append({"key": given["key"], "variation": index})

    do_updatePrerequisite = do_addPrerequisite  # noqa: N815 - same


def as_sdks_see(flag, environment):
    """The flag as the SDKs' stream carries it."""
    own = flag["environments"][environment]
    others = copy.deepcopy(own["contextTargets"])
    # As soon as one other kind is targeted, that list says the order of all; users are empty.
    users = [{**each, "values": []} for each in own["targets"]] if others else []
    return {
        "key": flag["key"],
        "version": own["version"],
        "on": own["on"],
        "salt": own["salt"],
        "variations": [each["value"] for each in flag["variations"]],
        "offVariation": own["offVariation"],
        "fallthrough": _sdk_serve(own["fallthrough"]),
        "prerequisites": own["prerequisites"],
        "targets": own["targets"],
        "contextTargets": [*others, *users],
        "rules": [
            {
                "id": each["_id"],
                "clauses": each["clauses"],
                "trackEvents": each["trackEvents"],
                **_sdk_serve(each),
            }
            for each in own["rules"]
            if not each.get("disabled")
        ],
        "deleted": False,
        "clientSide": False,
        "trackEvents": False,
        "trackEventsFallthrough": False,
    }


def _sdk_serve(place):
    if "variation" in place:
        return {"variation": place["variation"]}
    # What is of no known shape is for the tests of readers, not for SDKs.
    rollout = copy.deepcopy(place.get("rollout", {"variations": []}))
    if rollout.pop("experimentAllocation", None):
        rollout["kind"] = "experiment"
    for each in rollout["variations"]:
        if each.pop("_untracked", False):
            each["untracked"] = True
    return {"rollout": rollout}
