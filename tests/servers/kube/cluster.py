"""What the fake API server keeps, and what a write must hold against it."""

from __future__ import annotations

import copy
import itertools
import threading

from rolloutctl.clock import SystemClock, monotonic_s, random_suffix
from servers.kube import patches
from servers.kube.controllers import Controllers
from servers.kube.kinds import KINDS, invalid, unknown_fields

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
#: Events that a watch may still ask for.
HISTORY_MAX = 20_000
_META = "metadata"


class Refused(Exception):
    """A Status that is no success."""

    def __init__(self, status, reason, message, *, causes=(), plain=False):
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message
        self.causes, self.is_plain = list(causes), plain


class Cluster:
    """Objects by (base, plural, namespace, name), with everything under one lock."""

    def __init__(
        self, *, gateway_version=(1, 4), crds=("httproutes", "virtualservices", "destinationrules")
    ):
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.objects = {}
        self.history = []
        self.gateway_version = gateway_version
        self.crds = set(crds)
        self._numbers = itertools.count(1_000)
        self.latest = next(self._numbers)
        self.controllers = Controllers(self)

    # -- reading ----------------------------------------------------------------

    def kind_of(self, base, plural):
        """Raises 404 as plain text for what is not installed, as a real server does."""
        kind = KINDS.get((base, plural))
        if kind is None or (kind.custom and plural not in self.crds):
            raise Refused(404, "NotFound", "404 page not found\n", plain=True)
        return kind

    def get(self, kind, namespace, name):
        found = self.objects.get((kind.plural, namespace, name))
        if found is None:
            group = f".{kind.group}" if kind.group else ""
            raise Refused(404, "NotFound", f'{kind.plural}{group} "{name}" not found')
        return found

    def find(self, plural, namespace):
        """All objects of a kind in a namespace; "" is every namespace."""
        return [
            each
            for (one, where, _), each in sorted(self.objects.items())
            if one == plural and namespace in {where, ""}
        ]

    # -- writing ----------------------------------------------------------------

    def create(self, kind, namespace, value, *, manager="unknown", dry=False):
        value = copy.deepcopy(value)
        meta = value.setdefault(_META, {})
        name = meta.get("name") or f"{meta.get('generateName', '')}{random_suffix(5)}"
        if (kind.plural, namespace, name) in self.objects:
            raise Refused(409, "AlreadyExists", f'{kind.plural} "{name}" already exists')
        self._judge(kind, value, strict=False)
        meta |= {"name": name, "uid": random_suffix(36), "creationTimestamp": _now()}
        if kind.namespaced:
            meta["namespace"] = namespace
        if kind.has_generation:
            meta["generation"] = 1
        value["apiVersion"], value["kind"] = kind.api_version, kind.kind
        _own(value, {}, manager, "Update")
        return self._store(kind, namespace, value, "ADDED", dry=dry)

    def replace(self, kind, namespace, name, value, *, manager="unknown", dry=False):
        old = self.get(kind, namespace, name)
        return self._update(kind, old, copy.deepcopy(value), manager, dry=dry)

    def patch(self, kind, place, content_type, body, *, manager, dry=False, **options):
        """`place` is (namespace, name, subresource)."""
        namespace, name, subresource = place
        allowed = {JSON_PATCH, MERGE_PATCH, APPLY_PATCH}
        if not kind.custom:
            allowed.add(STRATEGIC_PATCH)
        if content_type not in allowed:
            known = ", ".join(sorted(allowed))
            message = f"the body of the request was in an unknown format - accepted: {known}"
            raise Refused(415, "UnsupportedMediaType", message)
        if content_type == APPLY_PATCH and (kind.plural, namespace, name) not in self.objects:
            return self.create(kind, namespace, body, manager=manager, dry=dry)
        old = self.get(kind, namespace, name)
        if subresource == "scale":
            scale = _patched(self.scale_of(old), content_type, body)
            return self.set_scale(kind, old, scale, manager, dry=dry)
        new = _patched(old, content_type, body)
        if subresource == "status":
            new = {**old, "status": new.get("status", {})}
            return self._update(kind, old, new, manager, dry=dry, subresource="status")
        new = {**new, **({"status": old["status"]} if "status" in old else {})}
        is_apply = content_type == APPLY_PATCH
        return self._update(kind, old, new, manager, dry=dry, is_apply=is_apply, **options)

    def delete(self, kind, namespace, name):
        gone = self.get(kind, namespace, name)
        del self.objects[kind.plural, namespace, name]
        self._tell(kind, "DELETED", gone)
        if kind.plural == "namespaces":
            for place in [each for each in self.objects if each[1] == name]:
                del self.objects[place]
        self.controllers.wake()
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def scale_of(self, value):
        meta = value[_META]
        kept = {name: meta[name] for name in ("name", "namespace", "uid", "resourceVersion")}
        return {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            _META: kept,
            "spec": {"replicas": value["spec"].get("replicas", 1)},
            "status": {"replicas": value.get("status", {}).get("replicas", 0)},
        }

    def set_scale(self, kind, old, scale, manager, *, dry=False):
        new = copy.deepcopy(old)
        new["spec"]["replicas"] = scale["spec"]["replicas"]
        if version := scale.get(_META, {}).get("resourceVersion"):
            new[_META]["resourceVersion"] = version
        return self.scale_of(self._update(kind, old, new, manager, dry=dry))

    def _update(
        self, kind, old, new, manager, *, dry=False, subresource="", is_apply=False,
        strict=False, force=False,
    ):  # fmt: skip
        meta, before = new.setdefault(_META, {}), old[_META]
        given = meta.get("resourceVersion", before["resourceVersion"])
        if str(given) != before["resourceVersion"]:
            message = (
                f'Operation cannot be fulfilled on {kind.plural} "{before["name"]}": the object'
                " has been modified; please apply your changes to the latest version and try again"
            )
            raise Refused(409, "Conflict", message)
        for name in ("uid", "creationTimestamp", "generation", "resourceVersion", "managedFields"):
            if name in before:
                meta[name] = copy.deepcopy(before[name])
        self._judge(kind, new, strict=strict)
        if is_apply and not force:
            _raise_if_owned(new, old, manager)
        if _bare(new) == _bare(old):
            return copy.deepcopy(old)
        if kind.has_generation and not subresource:
            is_spec_new = _without(new, "status", _META) != _without(old, "status", _META)
            meta["generation"] = before["generation"] + is_spec_new
        _own(new, old, manager, "Apply" if is_apply else "Update", subresource)
        return self._store(kind, before.get("namespace", ""), new, "MODIFIED", dry=dry)

    def _judge(self, kind, value, *, strict):
        unknown = unknown_fields(kind, value, self.gateway_version)
        if unknown and strict:
            raise Refused(400, "BadRequest", f"strict decoding error: {'; '.join(unknown)}")
        if why := invalid(kind, value):
            raise Refused(422, "Invalid", f"{kind.kind} is invalid: {why}")

    def _store(self, kind, namespace, value, event, *, dry):
        if dry:
            return value
        self.latest = next(self._numbers)
        value[_META]["resourceVersion"] = str(self.latest)
        self.objects[kind.plural, namespace, value[_META]["name"]] = value
        self._tell(kind, event, value)
        self.controllers.wake()
        return copy.deepcopy(value)

    def _tell(self, kind, event, value):
        self.history.append((self.latest, kind.plural, event, copy.deepcopy(value)))
        del self.history[:-HISTORY_MAX]
        self.changed.notify_all()

    def events_after(self, plural, version):
        return [each for each in self.history if each[0] > version and each[1] == plural]

    @staticmethod
    def moment():
        """Seconds that the controllers' delays are measured in."""
        return monotonic_s()


def _now():
    return SystemClock().now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _patched(old, content_type, body):
    if (content_type == JSON_PATCH) is not isinstance(body, list):
        raise Refused(400, "BadRequest", "error decoding patch: json: cannot unmarshal")
    try:
        if content_type == JSON_PATCH:
            return patches.json_patch(old, body)
        work = {MERGE_PATCH: patches.merge_patch, APPLY_PATCH: patches.apply_patch}
        return work.get(content_type, patches.strategic_patch)(old, body)
    except patches.PatchError:
        # The server does not say which operation failed, nor that it was a test.
        message = "the server rejected our request due to an error in our request"
        raise Refused(422, "Invalid", message) from None


def _without(value, *names):
    return {name: each for name, each in value.items() if name not in names}


def _bare(value):
    meta = _without(value[_META], "resourceVersion", "managedFields", "generation")
    return {**value, _META: meta}


def _own(new, old, manager, operation, subresource=""):
    """Notes in managedFields who changed what; a changed field has one owner."""
    before = patches.leaves(_without(old, _META))
    after = patches.leaves(_without(new, _META, "apiVersion", "kind"))
    changed = {path for path, value in after.items() if before.get(path, patches) != value}
    entries = []
    for entry in new[_META].get("managedFields", ()):
        fields = _paths(entry["fieldsV1"])
        is_same = (entry["manager"], entry["operation"]) == (manager, operation)
        if is_same and entry.get("subresource", "") == subresource:
            changed |= fields & set(after)
            continue
        kept = fields - changed
        if kept:
            entries.append({**entry, "fieldsV1": _tree(kept)})
    if changed:
        mine = {
            "manager": manager,
            "operation": operation,
            "apiVersion": new.get("apiVersion", "v1"),
            "time": _now(),
            "fieldsType": "FieldsV1",
            "fieldsV1": _tree(changed),
        }
        entries.append(mine | ({"subresource": subresource} if subresource else {}))
    new[_META]["managedFields"] = entries


def _raise_if_owned(new, old, manager):
    before = patches.leaves(_without(old, _META))
    after = patches.leaves(_without(new, _META))
    changed = {path for path, value in after.items() if before.get(path) != value}
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{entry["manager"]}" using {entry["apiVersion"]}',
            "field": "." + ".".join(path),
        }
        for entry in old[_META].get("managedFields", ())
        if entry["manager"] != manager
        for path in sorted(_paths(entry["fieldsV1"]) & changed)
    ]
    if causes:
        first = f"{causes[0]['message']}: {causes[0]['field']}"
        message = f"Apply failed with {len(causes)} conflict: {first}"
        raise Refused(409, "Conflict", message, causes=causes)


def _tree(paths):
    tree = {}
    for path in sorted(paths):
        place = tree
        for part in path:
            place = place.setdefault(f"f:{part}", {})
    return tree


def _paths(tree, path=()):
    if not tree:
        return {path}
    found = set()
    for name, each in tree.items():
        found |= _paths(each, (*path, name.removeprefix("f:")))
    return found
