"""Taking the old side away, in an order that no kill in between can turn into an outage.

1. The Deployments are read. 2. A note is written on the Service or route, by compare-and-set:
whoever changed it since is in force, and nothing happens. 3. The Deployments are scaled down
or deleted, by compare-and-set too. A kill that reads the note writes the Deployments first,
so step 3 is refused; a kill before the note moves the object, so step 2 is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rolloutctl.core.exposure import FULL_BP
from rolloutctl.core.target import Target
from rolloutctl.errors import Conflict, Rejected
from rolloutctl.providers.kubernetes.api import Api, Moved, Object
from rolloutctl.providers.kubernetes.place import format_address
from rolloutctl.providers.kubernetes.readiness import (
    CLEANED,
    REPLICAS_NOTE,
    apps,
    core,
    deployments_of,
    labels_of,
    ready_of,
    serving,
)
from rolloutctl.providers.kubernetes.strategy import Side, Strategy
from rolloutctl.providers.kubernetes.writing import tested

DELETE = "delete"


def clean_up(api: Api, target: Target, strategy: Strategy, action: str) -> str:
    """Scales the control's Deployments to zero, or deletes them; says which.

    Raises `Rejected` while anybody is sent there, and `Conflict` when that changed meanwhile.
    """
    path = strategy.path(api.spec)
    value = api.get(path)
    exposure = strategy.seen(value, target).exposure
    if exposure is None or exposure.canary_bp != FULL_BP or exposure.shadow_bp:
        raise Rejected(
            f"{format_address(target)}: not everybody is sent to the canary",
            hint="clean up after the step that switches everybody",
        )
    sides = strategy.to_zero(value, target).gets
    found = _once([each for side in sides for each in deployments_of(api, side)])
    _raise_if_needed(api, found, sides, value)
    try:
        api.patch(path, [*tested(value), *_note(value, target)])
        done = [_gone(api, each, action) for each in found]
    except Moved as moved:
        raise Conflict(
            f"{format_address(target)}: it was changed during the cleanup: {moved.message}",
            hint="look at it before anything else is taken away",
        ) from moved
    return "; ".join(done) or "no Deployment was left"


def _gone(api: Api, deployment: Object, action: str) -> str:
    meta, replicas = deployment["metadata"], int(deployment["spec"].get("replicas", 1))
    path = apps(meta["namespace"], meta["name"])
    if action == DELETE:
        # SAFETY: the version is tested by a write of its own; a deletion cannot test JSON.
        api.patch(path, [*tested(deployment), *_annotated(deployment, "0")])
        api.delete(path)
        return f"Deployment {meta['name']} deleted"
    if not replicas:
        return f"Deployment {meta['name']} had no replicas"
    scale = {"op": "add", "path": "/spec/replicas", "value": 0}
    api.patch(path, [*tested(deployment), *_annotated(deployment, str(replicas)), scale])
    return f"Deployment {meta['name']} scaled from {replicas} to 0"


def _annotated(value: Object, text: str) -> list[dict[str, Any]]:
    return _with_annotation(value, REPLICAS_NOTE, text)


def _note(value: Object, target: Target) -> list[dict[str, Any]]:
    return _with_annotation(value, CLEANED, target.control.value)


def _with_annotation(value: Object, name: str, text: str) -> list[dict[str, Any]]:
    made = []
    if not value["metadata"].get("annotations"):
        made.append({"op": "add", "path": "/metadata/annotations", "value": {}})
    path = "/metadata/annotations/" + name.replace("/", "~1")
    return [*made, {"op": "add", "path": path, "value": text}]


def _once(found: Sequence[Object]) -> list[Object]:
    return list({each["metadata"]["name"]: each for each in found}.values())


def _raise_if_needed(
    api: Api, found: Sequence[Object], sides: Sequence[Side], value: Object
) -> None:
    """SAFETY: no other Service may stand empty afterwards."""
    if not found:
        return
    going = {name for side in sides for name in ready_of(api, side)}
    own = {side.service for side in sides} | {api.spec.name if _is_service(value) else ""}
    namespace = api.spec.namespace
    for service in api.listed(core(namespace, "services")):
        name = service["metadata"]["name"]
        if name in own or not service["spec"].get("selector"):
            continue
        served = serving(api, namespace, name)
        if served and served <= going:
            labels = ", ".join(f"{key}={one}" for key, one in labels_of(api, sides[0]).items())
            raise Rejected(
                f"Service {name} would stand empty: only pods with {labels} serve it",
                hint="let it choose other pods first; a Service of the old side alone is named"
                " by side_services",
            )


def _is_service(value: Object) -> bool:
    return value.get("kind") == "Service"
