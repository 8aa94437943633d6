"""Flags of a fake LaunchDarkly for the conformance suite: boolean, three models, a rule."""

from __future__ import annotations

import json

from rolloutctl.core.playbook import Arm, ShadowFlag, Target
from rolloutctl.core.secret import SecretRef
from rolloutctl.providers.launchdarkly import LaunchDarkly, TargetSpec
from rolloutctl.testing.conformance_world import Operation, ServiceFault
from servers.fake_launchdarkly import API_TOKEN, SDK_KEYS
from servers.scripted import free_port

ENVIRONMENT = "production"
FLAG = "llm-model"
SHADOW = "llm-model-shadow"
TOKEN = SecretRef(env="PLANTED_LAUNCHDARKLY_TOKEN")
SDK_KEY = SecretRef(env="PLANTED_LAUNCHDARKLY_SDK_KEY")
SECRETS = {TOKEN.env: API_TOKEN, SDK_KEY.env: SDK_KEYS[ENVIRONMENT]}
RULE = "acme first"


def rollout(*weights, kind="user", **more):
    """What a rule serves: a weight for each variation, in thousandths of a percent."""
    listed = [{"variation": index, "weight": weight} for index, weight in enumerate(weights)]
    return {"rollout": {"variations": listed, "contextKind": kind, **more}}


def rule(name, serve, *, attribute="region", values=("eu",), kind="user", **more):
    """A rule with one clause."""
    clause = {
        "_id": f"clause-of-{name}",
        "contextKind": kind,
        "attribute": attribute,
        "op": "in",
        "values": list(values),
        "negate": False,
    }
    own = {"_id": f"id-of-{name}", "description": name, "trackEvents": False}
    return {**own, "clauses": [clause], **serve, **more}


def targeted(variation, *keys, kind="user"):
    """Individual targets."""
    return {"contextKind": kind, "variation": variation, "values": list(keys)}


#: kind -> (values, index of the canary, its start)
KINDS = {
    "boolean": ([True, False], 0, {"fallthrough": {"variation": 1}, "offVariation": 1}),
    "models": (["gpt-4", "claude", "mini"], 1, {}),
    "last": (
        ["gpt-4", "mini", "claude"],
        2,
        {
            "fallthrough": {"variation": 0},
            "rules": [rule("beta", {"variation": 0}, values=[True], attribute="beta")],
            "targets": [targeted(0, "ada")],
        },
    ),
    "off": (["gpt-4", "claude"], 1, {"on": False}),
}
_MODELS_STATES = {
    "all canary": {"fallthrough": {"variation": 1}},
    "half canary": {"fallthrough": rollout(50_000, 50_000, 0)},
    "a third arm": {"fallthrough": rollout(70_000, 10_000, 20_000)},
    "all a third arm": {"fallthrough": {"variation": 2}},
    "odd weights": {"fallthrough": rollout(87_655, 12_345, 0)},
    "rules": {
        "rules": [
            rule("beta", {"variation": 1}),
            rule("gold", rollout(10_000, 80_000, 10_000), attribute="tier"),
            rule("out of use", {"variation": 1}, disabled=True),
        ]
    },
    "targets": {
        "targets": [targeted(0, "ada"), targeted(1, "bob", "cid"), targeted(2, "dan")],
        "contextTargets": [targeted(1, "acme", kind="organization")],
    },
    "off with the canary": {"on": False, "offVariation": 1},
    "off with nothing": {"on": False, "offVariation": None},
    "off with the canary behind": {"on": False, "fallthrough": {"variation": 1}},
    "a dangerous off variation": {"offVariation": 1, "fallthrough": {"variation": 1}},
    "a failing prerequisite": {
        "offVariation": 1,
        "prerequisites": [{"key": "llm-on", "variation": 0}],
    },
    "a guarded rollout": {
        "fallthrough": rollout(
            50_000,
            50_000,
            0,
            experimentAllocation={
                "type": "measuredRollout",
                "defaultVariation": 0,
                "canReshuffle": False,
            },
        )
    },
    "a seed": {"fallthrough": rollout(50_000, 50_000, 0, seed=61)},
}
STATES = {"models": _MODELS_STATES}


class LaunchDarklyWorld:
    """A flag and its shadow flag on a fake LaunchDarkly of their own."""

    def __init__(self, server, kind):
        self.server, self.fake, self.kind = server, server.fake, kind
        values, self._canary, start = KINDS[kind]
        self._control = 1 if kind == "boolean" else 0
        self._start = {"offVariation": self._control, **start}
        self._states = STATES.get(kind, {})
        self.states = tuple(self._states)
        self.secrets = tuple(SECRETS.values())
        self.provider = LaunchDarkly()
        self.fake.add_flag(FLAG, values, **self._start)
        shadow = {"fallthrough": {"variation": 1}, "offVariation": 1}
        self.fake.add_flag(SHADOW, [True, False], **shadow)
        self._names = [json.dumps(e) if e in (True, False) else e for e in values]
        self.target = self._target = self.make_target(server.url)

    def make_target(self, url, **more):
        """The target of the world's flag."""
        return Target(
            name="llm",
            provider="launchdarkly",
            spec=TargetSpec(
                url=url,
                environment=ENVIRONMENT,
                flag=FLAG,
                token=TOKEN,
                sdk_key=SDK_KEY,
                **more,
            ),
            control=Arm(name="control", value=self._names[self._control]),
            canary=Arm(name="canary", value=self._names[self._canary]),
            shadow=ShadowFlag(flag=SHADOW),
            unit="user",
        )

    def own(self, flag=FLAG, environment=ENVIRONMENT):
        """What the environment says of the flag now, versions, ids and dates aside."""
        whole = self.fake.flags[flag]["environments"][environment]
        ids = json.loads(json.dumps(whole))
        for name in ("version", "lastModified"):
            del ids[name]
        for each in ids["rules"]:
            for clause in each["clauses"]:
                del clause["_id"]
        return ids

    def enter(self, state):
        own = {"on": True, "rules": [], "targets": [], "contextTargets": [], "prerequisites": []}
        own |= {"fallthrough": {"variation": 0}, "offVariation": 0}
        self.fake.edit(FLAG, ENVIRONMENT, **(own | self._states[state]))
        self.fake.edit(SHADOW, ENVIRONMENT, fallthrough=rollout(25_000, 75_000))

    def edit_outside(self):
        weights = [0] * len(self._names)
        weights[self._canary], weights[self._control] = 30_000, 70_000
        self.fake.edit(FLAG, ENVIRONMENT, on=True, fallthrough=rollout(*weights))

    def edit_elsewhere(self):
        weights = [50_000, 50_000, 0][: len(self._names)]
        self.fake.edit(FLAG, "test", fallthrough=rollout(*weights))

    def neighbour(self):
        return self.own(environment="test")

    def content(self):
        return json.dumps([self.own(flag) for flag in (FLAG, SHADOW)], sort_keys=True).encode()

    def break_next(self, operation, fault):
        if fault in {ServiceFault.LOST_ANSWER, ServiceFault.HALF_DONE}:
            if operation is Operation.OBSERVE:
                return False
            if operation is Operation.KILL and self._needs_no_kill():
                return False
        if fault is ServiceFault.TIMEOUT:
            if operation is Operation.OBSERVE:
                fault = ServiceFault.LOST_ANSWER
            elif operation is Operation.KILL and self._needs_no_kill():
                return False
        if fault is ServiceFault.UNREACHABLE:
            self.target = self.make_target(f"http://127.0.0.1:{free_port()}")
            return True
        server = self.server
        server.operation, server.fault, server.flag = operation, fault, FLAG
        return True

    def _needs_no_kill(self):
        """A flag that serves control already is read and left alone."""
        seen = self.provider.observe(self.target).exposure
        return seen is not None and seen.is_zero

    def mend(self):
        self.server.operation = self.server.fault = None
        self.target = self._target

    def advance(self, seconds):
        del seconds
