"""Who else writes an object: field managers, and controllers that would set it back."""

from __future__ import annotations

from typing import Any

from rolloutctl.providers.kubernetes.api import MANAGER, Object

#: (label or annotation, who writes it, what to do)
_IGNORE = "let it ignore the field"
_GITOPS = (
    ("argocd.argoproj.io/tracking-id", "Argo CD", f"{_IGNORE}: ignoreDifferences"),
    ("argocd.argoproj.io/instance", "Argo CD", f"{_IGNORE}: ignoreDifferences"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux", "suspend it: flux suspend kustomization"),
    ("helm.toolkit.fluxcd.io/name", "Flux", "suspend it: flux suspend helmrelease"),
    ("configsync.gke.io/resource-id", "Config Sync", "exclude the object from it"),
    ("objectset.rio.cattle.io/id", "Rancher Fleet", "exclude the object from it"),
    ("meta.helm.sh/release-name", "Helm", "its next upgrade sets the chart's values again"),
    ("applyset.kubernetes.io/part-of", "kubectl apply --prune", "leave the field out of it"),
)
_OWNERS = {"Canary": "Flagger", "Rollout": "Argo Rollouts"}
_ROLLOUTS_LABEL = "rollouts-pod-template-hash"


def last_editor(value: Object, path: tuple[str, ...]) -> str:
    """The field manager that wrote what stands at `path`, if it was not us; "" if unknown."""
    newest, editor = "", ""
    for entry in value["metadata"].get("managedFields") or ():
        at = str(entry.get("time", ""))
        if _holds(entry.get("fieldsV1"), path) and at >= newest:
            newest, editor = at, str(entry.get("manager", ""))
    return "" if editor == MANAGER else f"{editor} at {newest}" if editor else ""


def _holds(tree: Any, path: tuple[str, ...]) -> bool:
    for part in path:
        if not isinstance(tree, dict) or f"f:{part}" not in tree:
            return False
        tree = tree[f"f:{part}"]
    return True


def rivals(value: Object) -> list[tuple[str, str]]:
    """Controllers that would set the object back: (who, what to do) each."""
    meta = value["metadata"]
    marks = {**(meta.get("labels") or {}), **(meta.get("annotations") or {})}
    found = {who: hint for mark, who, hint in _GITOPS if mark in marks}
    for owner in meta.get("ownerReferences") or ():
        if who := _OWNERS.get(str(owner.get("kind"))):
            found[who] = f"{owner.get('kind')} {owner.get('name')} drives it: use one of the two"
    selector = value.get("spec", {}).get("selector")
    if isinstance(selector, dict) and _ROLLOUTS_LABEL in selector:
        found["Argo Rollouts"] = f"its selector has {_ROLLOUTS_LABEL}: use one of the two"
    return list(found.items())
