"""The four ways to patch an object, as an API server applies them."""

from __future__ import annotations

import copy

#: Lists that a strategic merge patch merges by a key, by (parent, field).
MERGE_KEYS = {
    "ports": ("containerPort", "port"),
    "containers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "conditions": ("type",),
    "imagePullSecrets": ("name",),
}


#: Atomic to apply patches and to field managers, of Services and Deployments alike.
SELECTOR = ("spec", "selector")


class PatchError(Exception):
    """A patch that cannot be applied: a failed test, a path that is not there."""


def merge_patch(old, patch):
    """RFC 7386: objects merge, null deletes, everything else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def apply_patch(old, patch):
    """As a strategic merge patch, but a selector is one field."""
    result = strategic_patch(old, patch)
    if selector := (patch.get("spec") or {}).get("selector"):
        result["spec"]["selector"] = copy.deepcopy(selector)
    return result


def strategic_patch(old, patch, field=""):
    """As a merge patch, but lists with a merge key merge item by item."""
    if isinstance(patch, list):
        return _merged_list(old if isinstance(old, list) else [], patch, field)
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = strategic_patch(result.get(name), value, name)
    return result


def _merged_list(old, patch, field):
    keys = [key for key in MERGE_KEYS.get(field, ()) if all(key in each for each in patch)]
    if not keys:
        return copy.deepcopy(patch)
    key = keys[0]
    result = [dict(each) for each in old]
    for item in patch:
        place = next((i for i, each in enumerate(result) if each.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            result = [each for each in result if each.get(key) != item[key]]
        elif place is None:
            result.append(copy.deepcopy(item))
        else:
            result[place] = strategic_patch(result[place], item)
    return result


def json_patch(old, operations):
    """RFC 6902. `replace` on a missing key of an object creates it, as the real server does."""
    result = copy.deepcopy(old)
    for operation in operations:
        kind, path = operation.get("op"), operation.get("path", "")
        if kind in {"move", "copy"}:
            source, last = _at(result, operation["from"])
            value = copy.deepcopy(_get(source, last))
            if kind == "move":
                _remove(source, last)
            holder, last = _at(result, path)
            _add(holder, last, value)
            continue
        holder, last = _at(result, path)
        if kind == "test":
            if _get(holder, last, missing=None) != operation.get("value"):
                raise PatchError(f"testing value {path} failed")
        elif kind == "add":
            _add(holder, last, operation["value"])
        elif kind == "replace":
            _replace(holder, last, operation["value"])
        elif kind == "remove":
            _remove(holder, last)
        else:
            raise PatchError(f"Unexpected kind: {kind}")
    return result


def _at(document, path):
    """The container that holds the last part of a JSON pointer, and that part."""
    parts = [each.replace("~1", "/").replace("~0", "~") for each in path.split("/")[1:]]
    if not parts:
        raise PatchError("the whole document cannot be patched")
    holder = document
    for part in parts[:-1]:
        holder = _get(holder, part)
    return holder, parts[-1]


_NO = object()


def _get(holder, part, missing=_NO):
    try:
        if isinstance(holder, list):
            return holder[int(part)]
        return holder[part]
    except (KeyError, IndexError, ValueError, TypeError):
        if missing is not _NO:
            return missing
        raise PatchError(f"missing path: {part}") from None


def _add(holder, part, value):
    if isinstance(holder, list):
        place = len(holder) if part == "-" else int(part)
        if not 0 <= place <= len(holder):
            raise PatchError(f"index out of bounds: {part}")
        holder.insert(place, copy.deepcopy(value))
    elif isinstance(holder, dict):
        holder[part] = copy.deepcopy(value)
    else:
        raise PatchError(f"missing container: {part}")


def _replace(holder, part, value):
    if isinstance(holder, list):
        _get(holder, part)
        holder[int(part)] = copy.deepcopy(value)
    elif isinstance(holder, dict):
        holder[part] = copy.deepcopy(value)
    else:
        raise PatchError(f"missing container: {part}")


def _remove(holder, part):
    _get(holder, part)
    del holder[int(part) if isinstance(holder, list) else part]


def leaves(value, path=()):
    """Every path of an object with what stands there; lists and selectors are one leaf each."""
    if not isinstance(value, dict) or not value or path == SELECTOR:
        return {path: value}
    found = {}
    for name, each in value.items():
        found |= leaves(each, (*path, name))
    return found
