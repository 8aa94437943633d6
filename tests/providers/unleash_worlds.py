"""Flags of an Unleash for the conformance suite: a plain one, variants, and old variants."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx

from rolloutctl.clock import random_suffix
from rolloutctl.core.playbook import Arm, ShadowFlag, Target
from rolloutctl.core.secret import SecretRef
from rolloutctl.providers.unleash import TargetSpec, Unleash
from rolloutctl.testing.conformance_world import Operation, ServiceFault
from servers.fake_unleash import ADMIN_TOKEN, CLIENT_TOKENS
from servers.scripted import free_port

FEATURES = "/api/admin/projects/default/features"
ENVIRONMENT = "development"
TOKEN = SecretRef(env="PLANTED_UNLEASH_ADMIN")
CLIENT_TOKEN = SecretRef(env="PLANTED_UNLEASH_CLIENT")
SECRETS = {TOKEN.env: ADMIN_TOKEN, CLIENT_TOKEN.env: CLIENT_TOKENS[ENVIRONMENT]}


def strategy(rollout="100", **fields):
    """A strategy as the API takes it."""
    parameters = {"rollout": str(rollout), "stickiness": "userId", "groupId": "g"}
    return {"name": "flexibleRollout", "parameters": parameters, **fields}


def variants(claude, *, others=(), stickiness="userId"):
    """`claude` thousandths of the canary, the control at the rest."""
    payload = {"type": "json", "value": '{"model": "claude-3-5-sonnet"}'}
    canary = {"name": "claude", "weight": claude, "weightType": "fix", "payload": payload}
    control = {"name": "gpt-4", "weight": 1000 - claude, "weightType": "variable"}
    control["payload"] = {"type": "json", "value": '{"model": "gpt-4"}'}
    return [{**each, "stickiness": stickiness} for each in (canary, control, *others)]


def mini(weight):
    """A third arm."""
    return {"name": "mini", "weight": weight, "weightType": "fix"}


def eu():
    """A constraint."""
    return {"contextName": "region", "operator": "IN", "values": ["eu"]}


#: state -> (environment is on, strategies)
SWITCH_STATES = {
    "on for everybody": (True, [strategy(100)]),
    "half on": (True, [strategy(50)]),
    "off with a strategy at 100%": (False, [strategy(100)]),
    "off without a strategy": (False, []),
    "several strategies": (True, [strategy(30), strategy(5, constraints=[eu()])]),
    "the default strategy": (True, [{"name": "default", "parameters": {}}]),
    "a rollout that is no number": (True, [strategy("abc")]),
    "a rollout above everybody": (True, [strategy("101")]),
    "a disabled strategy": (True, [strategy(100, disabled=True), strategy(0)]),
}
VARIANT_STATES = {
    "all canary": (True, [strategy(variants=variants(1000))]),
    "half canary": (True, [strategy(variants=variants(500))]),
    "a third arm": (True, [strategy(variants=variants(100, others=[mini(200)]))]),
    "half reached": (True, [strategy(50, variants=variants(500))]),
    "off with canary": (False, [strategy(variants=variants(500))]),
    "several strategies": (
        True,
        [strategy(constraints=[eu()], variants=variants(1000)), strategy(variants=variants(10))],
    ),
    "no variants": (True, [strategy(100)]),
    "control left out of one": (
        True,
        [
            strategy(variants=[{**variants(1000)[0], "weightType": "variable"}]),
            strategy(variants=variants(0)),
        ],
    ),
    "a disabled strategy": (
        True,
        [strategy(disabled=True, variants=variants(1000)), strategy(variants=variants(700))],
    ),
}
#: kind -> (start of the flag, states)
KINDS = {
    "plain": ((True, [strategy(0)]), SWITCH_STATES),
    "fresh": ((False, []), {}),
    "variants": ((True, [strategy(variants=variants(0))]), VARIANT_STATES),
    "old variants": ((True, [strategy()]), {}),
}


class Server:
    """An Unleash as its administrator sees it, past every fault."""

    def __init__(self, proxy, upstream=None):
        self.proxy = proxy
        self._http = None
        if upstream:
            headers = {"Authorization": ADMIN_TOKEN}
            # Loopback without TLS: loading the authorities would cost each test 40 ms.
            self._http = httpx.Client(base_url=upstream, headers=headers, timeout=30, verify=False)  # noqa: S501 - see above

    def call(self, method, path, body=None):
        """The answer's JSON."""
        if self._http is None:
            answer = self.proxy.forward(_Request(method, path, body))
            status, content = answer.status, answer.content()
        else:
            real = self._http.request(method, path, json=body)
            status, content = real.status_code, real.content
        assert status < 300, (method, path, body, content)
        return json.loads(content) if content else None

    def close(self):
        if self._http is not None:
            self._http.close()

    def environment(self, flag, environment=ENVIRONMENT):
        """What the environment says of the flag."""
        found = self.call("GET", f"{FEATURES}/{flag}?variantEnvironments=true")
        [place] = [each for each in found["environments"] if each["name"] == environment]
        fields = ("enabled", "strategies", "variants")
        return {name: place.get(name) for name in fields}

    def become(self, flag, enabled, strategies, environment=ENVIRONMENT):
        """Replaces all strategies; a new one first, because the last one turns the flag off."""
        base = f"{FEATURES}/{flag}/environments/{environment}"
        old = self.environment(flag, environment)["strategies"]
        self.call("POST", f"{base}/off")
        for each in strategies:
            self.call("POST", f"{base}/strategies", each)
        for each in old:
            self.call("DELETE", f"{base}/strategies/{each['id']}")
        if enabled:
            self.call("POST", f"{base}/on")


class _Request:
    def __init__(self, method, path, body):
        self.method = method
        self.path = path
        self.body = json.dumps(body).encode() if body is not None else b""
        self.headers = {"authorization": ADMIN_TOKEN}


class UnleashWorld:
    """A flag and its shadow flag with names of their own, so that tests can share a server."""

    def __init__(self, server, kind):
        self.server = server
        self.proxy = server.proxy
        self.kind = kind
        self.flag = f"llm-{random_suffix(8)}"
        self.shadow = f"{self.flag}-shadow"
        (self._enabled, self._strategies), self._states = KINDS[kind]
        self.states = tuple(self._states)
        self.secrets = tuple(SECRETS.values())
        self.provider = Unleash()
        self._start()
        self.target = self._target = self._make_target(self.proxy.url)

    def _start(self):
        for flag in (self.flag, self.shadow):
            self.server.call("POST", FEATURES, {"name": flag, "type": "release"})
        if self.kind == "old variants":
            body = {"environments": [ENVIRONMENT], "variants": variants(0)}
            self.server.call("PUT", f"{FEATURES}/{self.flag}/variants-batch", body)
        self.server.become(self.flag, self._enabled, self._strategies)
        shadow_on = self.kind != "fresh"
        self.server.become(self.shadow, shadow_on, [strategy(0)] if shadow_on else [])

    def _make_target(self, url):
        is_plain = self.kind in {"plain", "fresh"}
        return Target(
            name="llm",
            provider="unleash",
            spec=TargetSpec(
                url=url,
                environment=ENVIRONMENT,
                flag=self.flag,
                token=TOKEN,
                client_token=CLIENT_TOKEN,
            ),
            control=Arm(name="control", value="off" if is_plain else "gpt-4"),
            canary=Arm(name="canary", value="on" if is_plain else "claude"),
            shadow=ShadowFlag(flag=self.shadow),
            unit="user",
        )

    def enter(self, state):
        self.server.become(self.flag, *self._states[state])
        self.server.become(self.shadow, True, [strategy(25)])

    def edit_outside(self):
        base = f"{FEATURES}/{self.flag}/environments/{ENVIRONMENT}"
        if self.kind == "old variants":
            self.server.call("PUT", f"{base}/variants", variants(300))
            return
        is_plain = self.kind in {"plain", "fresh"}
        changed = strategy(30) if is_plain else strategy(variants=variants(300))
        self.server.become(self.flag, True, [changed])

    def edit_elsewhere(self):
        self.server.become(self.flag, True, [strategy(77)], "production")

    def neighbour(self):
        return self.server.environment(self.flag, "production")

    def content(self):
        found = [self.server.environment(flag) for flag in (self.flag, self.shadow)]
        return json.dumps(found, sort_keys=True).encode()

    def break_next(self, operation, fault):
        is_write = operation in {Operation.APPLY, Operation.RESTORE}
        if fault in {ServiceFault.LOST_ANSWER, ServiceFault.HALF_DONE}:
            if operation is Operation.OBSERVE:
                return False
            if is_write and self.kind == "fresh":
                return False  # several calls for the flag itself: no one answer is the last
            if operation is Operation.KILL and self._needs_no_kill():
                return False
        if fault is ServiceFault.TIMEOUT and operation is Operation.OBSERVE:
            fault = ServiceFault.LOST_ANSWER
        if fault is ServiceFault.UNREACHABLE:
            self.target = self._make_target(f"http://127.0.0.1:{free_port()}")
            return True
        self.proxy.operation, self.proxy.fault, self.proxy.flag = operation, fault, self.flag
        return True

    def _needs_no_kill(self):
        """A flag with variants that serves control already is read and left alone."""
        if self.kind in {"plain", "fresh"}:
            return False
        return not (self.provider.observe(self.target).exposure or 0).canary_bp

    def mend(self):
        self.proxy.operation = self.proxy.fault = None
        self.target = self._target

    def advance(self, seconds):
        del seconds


def without_shadow(target):
    """The target alone."""
    return replace(target, shadow=None)
