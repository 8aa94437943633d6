"""LaunchDarkly's REST API in memory, as its published description says it is.

It holds flags and answers requests; faults and the SDKs' stream are the matter of
`launchdarkly_server.py`. There is no service to hold this against: the real SDK judges what
the stream says, and the list of what nobody could check is in docs/providers/launchdarkly.md.
"""

from __future__ import annotations

import copy
import json
import queue
import re
import threading
from urllib.parse import parse_qs, unquote, urlsplit

from servers.launchdarkly_patches import Refused, as_sdks_see, bad, new_id, patched
from servers.scripted import Answer

API_TOKEN = "api-planted-launchdarkly"
READER_TOKEN = "api-planted-launchdarkly-reader"
SDK_KEYS = {"production": "sdk-planted-production", "test": "sdk-planted-test"}
PROJECT = "default"
_SEMANTIC = "domain-model=launchdarkly.semanticpatch"
_ENVIRONMENT = re.compile(rf"/projects/{PROJECT}/environments/([^/]+)")
_IN_ENVIRONMENT = re.compile(rf"/projects/{PROJECT}/flags/([^/]+)/environments/([^/]+)/([a-z-]+)")
_FLAG = re.compile(rf"/flags/{PROJECT}/([^/]+)")
_DEPENDENTS = re.compile(rf"/flags/{PROJECT}/([^/]+)/([^/]+)/dependent-flags")
#: A moment in the audit log: 2026-01-31T12:00:00Z.
_DATE_MS = 1_769_860_800_000


class FakeLaunchDarkly:
    """Call it with a request (`scripted.Seen`); it answers (`scripted.Answer`)."""

    def __init__(self):
        self.flags = {}
        self.environments = {name: _settings(name) for name in SDK_KEYS}
        self.audit = []
        #: name of the list -> its items, for every flag and environment
        self.lists = {"scheduled-changes": [], "workflows": [], "approval-requests": []}
        self.limits = {}
        self.member = {"email": "ada@example.com"}
        self._streams = {name: [] for name in SDK_KEYS}
        self._lock = threading.RLock()

    def __call__(self, seen):
        with self._lock:
            try:
                found = self._route(seen)
            except Refused as refused:
                body = json.dumps(refused.body)
                return Answer(status=refused.status, body=body, headers=dict(self.limits))
        return Answer(body=json.dumps(found), headers=dict(self.limits))

    # -- what there is --------------------------------------------------------------

    def add_flag(self, key, values, **own):
        """A flag that is on in every environment and serves its first value."""
        kinds = {type(each) for each in values}
        self.flags[key] = {
            "key": key,
            "name": key,
            "kind": "boolean" if kinds == {bool} else "multivariate",
            "_version": 1,
            "creationDate": _DATE_MS,
            "variations": [
                {"_id": f"{key}-{index}", "value": value} for index, value in enumerate(values)
            ],
            "temporary": True,
            "archived": False,
            "tags": [],
            "_links": {},
            "experiments": {"baselineIdx": 0, "items": []},
            "customProperties": {},
            "environments": {name: _environment(name, key) for name in SDK_KEYS},
        }
        for name in SDK_KEYS:
            self.flags[key]["environments"][name].update(copy.deepcopy(own))
        return self.flags[key]

    def edit(self, key, environment, **own):
        """Somebody sets parts of the flag's environment, whatever stood there."""
        with self._lock:
            new = copy.deepcopy(self.flags[key])
            new["environments"][environment].update(copy.deepcopy(own))
            self._store(new, environment, "somebody's edit", [], self.member)

    def change(self, key, environment, instructions, *, comment="", dry=False, by=None):
        """A semantic patch; the flag as it is then."""
        with self._lock:
            old = self.flags.get(key)
            if old is None:
                raise Refused(404, "not_found", "Invalid resource identifier")
            new, touched = patched(old, environment, instructions)
            settings = self.environments.get(environment, {}).get("approvalSettings", {})
            if touched and settings.get("required") and not settings.get("bypass"):
                raise Refused(405, "method_not_allowed", "Approval is required")
            # What is so already is left as it is, and is no new version.
            if not dry and new != old:
                self._store(new, environment, comment, instructions, by)
            return new

    def _store(self, flag, environment, comment, instructions, by):
        own = flag["environments"][environment]
        own["version"] += 1
        flag["_version"] += 1
        self.flags[flag["key"]] = flag
        who = {"member": by} if by else {"token": {"name": "rolloutctl"}}
        resource = f"proj/{PROJECT}:env/{environment}:flag/{flag['key']}"
        self.audit.append(
            {
                "_id": new_id("audit"),
                "_links": {},
                "_accountId": "account",
                "date": _DATE_MS + 1_000 * len(self.audit),
                "kind": "flag",
                "name": flag["key"],
                "description": "",
                "shortDescription": "",
                "titleVerb": "changed the default rule for",
                "comment": comment,
                "accesses": [{"action": e["kind"], "resource": resource} for e in instructions],
                "_spec": resource,
                **who,
            }
        )
        seen = {"path": f"/flags/{flag['key']}", "data": as_sdks_see(flag, environment)}
        for stream in self._streams[environment]:
            stream.put(("patch", seen))

    # -- who may ask what -----------------------------------------------------------

    def _route(self, seen):
        parts = urlsplit(seen.path)
        path, query = unquote(parts.path).removeprefix("/api/v2"), parse_qs(parts.query)
        token = seen.headers.get("authorization", "")
        if token not in {API_TOKEN, READER_TOKEN}:
            raise Refused(401, "unauthorized", "Invalid access token")
        if "ld-api-version" not in seen.headers:
            raise bad("this stand-in wants the version of the API in every request")
        if seen.method != "GET" and token == READER_TOKEN:
            raise Refused(403, "forbidden", "Access to the requested resource was denied")
        if path == "/auditlog":
            own = [each for each in self.audit if each["_spec"] == query["spec"][0]]
            return {"items": own[::-1][: int(query["limit"][0])], "_links": {}}
        if found := _FLAG.fullmatch(path):
            return self._flag(seen, found[1], query)
        if (found := _DEPENDENTS.fullmatch(path)) and found[1] in self.environments:
            if seen.headers["ld-api-version"] != "beta":
                raise Refused(403, "forbidden", "this resource is in beta")
            return self._dependents(found[1], found[2])
        if found := _IN_ENVIRONMENT.fullmatch(path):
            return self._list(seen, found[3])
        if (found := _ENVIRONMENT.fullmatch(path)) and found[1] in self.environments:
            return self.environments[found[1]]
        raise Refused(404, "not_found", "Invalid resource identifier")

    def _dependents(self, environment, key):
        links = {"_links": {}, "_site": {"href": "", "type": "text/html"}}
        items = [
            {"key": flag["key"], "name": flag["key"], **links}
            for flag in self.flags.values()
            if any(e["key"] == key for e in flag["environments"][environment]["prerequisites"])
        ]
        return {"items": items, **links}

    def _list(self, seen, name):
        if name == "releases" and seen.headers["ld-api-version"] != "beta":
            raise Refused(403, "forbidden", "this resource is in beta")
        if name not in self.lists:
            raise Refused(404, "not_found", "Invalid resource identifier")
        items = self.lists[name]
        return {"items": items, "_links": {}, "totalCount": len(items)}

    def _flag(self, seen, key, query):
        if seen.method == "PATCH":
            body = json.loads(seen.body)
            if _SEMANTIC not in seen.headers.get("content-type", ""):
                raise bad("expected a JSON patch array")
            dry = query.get("dryRun") == ["true"]
            environment, comment = body.get("environmentKey"), body.get("comment", "")
            if self.lists["scheduled-changes"] and "ignoreConflicts" not in query and not dry:
                raise bad("this change conflicts with a scheduled change")
            return self.change(key, environment, body["instructions"], comment=comment, dry=dry)
        if key not in self.flags:
            raise Refused(404, "not_found", "Invalid resource identifier")
        flag = copy.deepcopy(self.flags[key])
        wanted = query.get("env") or list(flag["environments"])
        own = {name: each for name, each in flag["environments"].items() if name in wanted}
        for each in own.values():
            if each["offVariation"] is None:
                del each["offVariation"]  # a flag without one does not say so
        return {**flag, "environments": own}

    # -- what SDKs get ----------------------------------------------------------------

    def listen(self, sdk_key):
        """(environment, queue of events) for an SDK; None for an unknown key.

        The first event is the whole state, put there with the queue: no change is lost.
        """
        for environment, key in SDK_KEYS.items():
            if key == sdk_key:
                with self._lock:
                    events = queue.Queue()
                    flags = {k: as_sdks_see(f, environment) for k, f in self.flags.items()}
                    state = {"path": "/", "data": {"flags": flags, "segments": {}}}
                    events.put(("put", state))
                    self._streams[environment].append(events)
                return environment, events
        return None

    def unlisten(self, environment, events):
        """The SDK has gone."""
        with self._lock:
            self._streams[environment].remove(events)


def _settings(name):
    """An environment as its administrators see it."""
    return {
        "_id": f"id-of-{name}",
        "_links": {},
        "key": name,
        "name": name,
        "apiKey": "",
        "mobileKey": "",
        "color": "417505",
        "defaultTtl": 0,
        "secureMode": False,
        "defaultTrackEvents": False,
        "requireComments": False,
        "confirmChanges": False,
        "tags": [],
        "critical": name == "production",
    }


def _environment(name, key):
    return {
        "on": True,
        "archived": False,
        # Pinned, so that every run deals the same contexts.
        "salt": f"salt-of-{key}",
        "sel": "",
        "lastModified": _DATE_MS,
        "version": 1,
        "_site": {"href": "", "type": "text/html"},
        "_environmentName": name,
        "trackEvents": False,
        "trackEventsFallthrough": False,
        "targets": [],
        "contextTargets": [],
        "rules": [],
        "prerequisites": [],
        "fallthrough": {"variation": 0},
        "offVariation": 0,
    }
