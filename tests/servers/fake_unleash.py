"""Unleash's Admin and client API in memory: what server 8.2.0 was seen to do, traps included.

It holds flags and answers requests; faults are the proxy's matter (`unleash_proxy.py`).
The conformance suite over it and over the running server keeps it faithful.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
import threading
from urllib.parse import parse_qs, unquote, urlsplit

from servers.scripted import Answer

ADMIN_TOKEN = "*:*.planted-unleash-admin"
CLIENT_TOKENS = {
    "development": "*:development.planted-unleash-client",
    "production": "*:production.planted-unleash-client",
}
VIEWER_TOKEN = "user:planted-unleash-viewer"
_FEATURES = "/api/admin/projects/default/features"
_ROLLOUT_100 = {"rollout": "100", "stickiness": "default"}


class Refused(Exception):
    """An error as Unleash words it."""

    def __init__(self, status, name, message, **more):
        super().__init__(message)
        self.status = status
        self.body = {"name": name, "message": message, **more}


class FakeUnleash:
    """Call it with a request (`scripted.Seen`); it answers (`scripted.Answer`)."""

    def __init__(self):
        self.flags = {}
        self.archived = set()
        self.events = []
        self.change_requests = set()
        self._lock = threading.Lock()
        self._ids = itertools.count(1)

    def __call__(self, seen):
        with self._lock:
            try:
                found = self._route(seen)
            except Refused as refused:
                return Answer(status=refused.status, body=json.dumps(refused.body))
        return Answer(body=json.dumps(found) if found is not None else b"")

    # -- who may ask what ---------------------------------------------------------

    def _route(self, seen):
        parts = urlsplit(seen.path)
        path, query = unquote(parts.path), parse_qs(parts.query)
        body = json.loads(seen.body) if seen.body else None
        token = seen.headers.get("authorization", "")
        if path == "/health":
            return {"health": "GOOD"}
        if path.startswith("/api/client/"):
            return self._client(path, token)
        if token in CLIENT_TOKENS.values():
            message = "invalid token: expected a different token type for this endpoint"
            raise Refused(403, "", message)
        if token not in {ADMIN_TOKEN, VIEWER_TOKEN}:
            raise Refused(401, "UnauthorizedError", "You must log in to use Unleash.")
        if seen.method != "GET" and token == VIEWER_TOKEN:
            message = 'you need the "UPDATE_FEATURE_STRATEGY" permission.'
            raise Refused(403, "PermissionError", message, permissions=["UPDATE_FEATURE_STRATEGY"])
        return self._admin(seen.method, path, query, body, token)

    def _admin(self, method, path, query, body, token):
        if path == "/api/admin/user":
            return {"permissions": [{"permission": "ADMIN"}] if token == ADMIN_TOKEN else []}
        if path == "/api/admin/search/events":
            flag = query["feature"][0].removeprefix("IS:")
            return {"events": [each for each in self.events if each["featureName"] == flag][::-1]}
        if path.endswith("/change-requests/config") and self.change_requests:
            return [
                {"environment": name, "changeRequestEnabled": True} for name in self.change_requests
            ]
        if path == _FEATURES and method == "POST":
            return self._create(body["name"])
        found = re.fullmatch(rf"{_FEATURES}/([^/]+)(/environments/([^/]+))?(/.*)?", path)
        if not found:
            raise Refused(404, "NotFoundError", f"The path ({path}) is not available.")
        flag, _, environment, rest = found.groups()
        if environment is None:
            return self._flag(method, flag, rest, body)
        return self._environment(method, flag, environment, rest or "", body)

    # -- flags ----------------------------------------------------------------------

    def _create(self, name):
        if name in self.flags:
            raise Refused(409, "NameExistsError", "A flag with that name already exists")
        self.flags[name] = {
            each: {"name": each, "enabled": False, "strategies": [], "variants": []}
            for each in CLIENT_TOKENS
        }
        return {"name": name}

    def _flag(self, method, flag, rest, body):
        if method == "DELETE":
            self.archived.add(flag)
            return None
        if flag in self.archived:
            raise Refused(404, "NotFoundError", f"Could not find feature flag with name {flag}")
        if flag not in self.flags:
            message = f'There\'s no feature named "{flag}" in project "default".'
            raise Refused(404, "NotFoundError", message)
        if rest == "/variants-batch":
            for name in body["environments"]:
                self.flags[flag][name]["variants"] = _variants(body["variants"])
            return None
        environments = copy.deepcopy(list(self.flags[flag].values()))
        for each in environments:
            each["strategies"].sort(key=lambda strategy: strategy["sortOrder"])
        return {"name": flag, "environments": environments, "dependencies": [], "archived": False}

    def _environment(self, method, flag, environment, rest, body):
        if flag not in self.flags or environment not in self.flags[flag]:
            message = f"Could not find environment {environment} for feature: {flag}"
            raise Refused(404, "NotFoundError", message)
        place = self.flags[flag][environment]
        if method == "GET":
            return place
        if flag in self.archived:
            message = "Cannot perform this operation on archived features"
            raise Refused(400, "ArchivedFeatureError", message)
        before = copy.deepcopy(place)
        answer = self._change(method, flag, place, rest, body)
        # The server turns an environment off that has lost its last enabled strategy.
        if rest != "/on" and before["enabled"] and not _enabled(place):
            place["enabled"] = False
        if place != before:
            self._log(flag, environment, before, place)
        return answer

    def _change(self, method, flag, place, rest, body):
        if rest in {"/on", "/off"}:
            place["enabled"] = rest == "/on"
            if place["enabled"] and not _enabled(place):
                parameters = {**_ROLLOUT_100, "groupId": flag}
                self._add(place, {"name": "flexibleRollout", "parameters": parameters})
            return None
        if rest == "/variants" and method == "PUT":
            if not place["variants"]:
                message = f"Environment variants deprecated for feature: {flag}."
                raise Refused(403, "InvalidOperationError", message)
            place["variants"] = _variants(body)
            return None
        if rest == "/strategies/set-sort-order":
            for each in body:
                _strategy(place, each["id"])["sortOrder"] = each["sortOrder"]
            return None
        if rest == "/strategies":
            return self._add(place, body)
        strategy = _strategy(place, rest.removeprefix("/strategies/"))
        if method == "DELETE":
            place["strategies"].remove(strategy)
            return None
        changed = copy.deepcopy(strategy)
        for operation in body:
            changed[operation["path"][1:]] = operation["value"]
        strategy.update(_checked(changed))
        return strategy

    def _add(self, place, body):
        strategy = {
            "title": None,
            "disabled": False,
            "constraints": [],
            "segments": [],
            "variants": [],
            "sortOrder": len(place["strategies"]),
            **body,
            "id": f"01FAKE{next(self._ids):020}",
        }
        place["strategies"].append(_checked(strategy))
        return strategy

    def _log(self, flag, environment, before, after):
        pair = [each["strategies"][0] if each["strategies"] else None for each in (before, after)]
        self.events.append(
            {
                "type": "feature-strategy-update",
                "label": "Flag strategy updated",
                "createdBy": "admin",
                "createdAt": "2026-01-31T12:00:00.000Z",
                "featureName": flag,
                "environment": environment,
                "preData": pair[0],
                "data": copy.deepcopy(pair[1]),
            }
        )

    # -- what SDKs get ----------------------------------------------------------------

    def _client(self, path, token):
        names = {given: name for name, given in CLIENT_TOKENS.items()}
        if token not in names:
            raise Refused(401, "AuthenticationRequired", "You must log in")
        features = [
            _as_sdks_see(flag, places[names[token]])
            for flag, places in self.flags.items()
            if flag not in self.archived
        ]
        if path == "/api/client/features":
            return {"version": 2, "features": features}
        wanted = path.rpartition("/")[2]
        for each in features:
            if each["name"] == wanted:
                return each
        raise Refused(404, "NotFoundError", f"Could not find feature flag {wanted}")


def _enabled(place):
    return [each for each in place["strategies"] if not each["disabled"]]


def _strategy(place, wanted):
    for each in place["strategies"]:
        if each["id"] == wanted:
            return each
    raise Refused(404, "NotFoundError", f"Could not find strategy with id: {wanted}")


def _checked(strategy):
    for value in strategy["parameters"].values():
        if not isinstance(value, str):
            raise Refused(400, "BadDataError", "parameters must be strings")
    return {**strategy, "variants": _variants(strategy["variants"])}


def _variants(given):
    """Sorted by name; what is left of 1000 goes to those of variable weight."""
    variants = copy.deepcopy(given)
    fixed = sum(each["weight"] for each in variants if each["weightType"] == "fix")
    variable = [each for each in variants if each["weightType"] == "variable"]
    if variants and not variable:
        raise Refused(400, "BadDataError", 'There must be at least one "variable" variant')
    for each in variable:
        each["weight"] = (1000 - fixed) // len(variable)
    return sorted(variants, key=lambda each: each["name"])


def _as_sdks_see(flag, place):
    fields = ("name", "constraints", "parameters", "variants")
    ordered = sorted(_enabled(place), key=lambda strategy: strategy["sortOrder"])
    strategies = [{name: each[name] for name in fields} for each in ordered]
    return {
        "name": flag,
        "type": "release",
        "project": "default",
        "enabled": place["enabled"],
        "strategies": strategies,
        "variants": place["variants"],
    }
