"""The selector of a Service, and the one patch that may change it.

Pure: knows neither the client nor the network. An API server accepts a
selector that matches nothing and so empties the Service. No patch is
therefore built without the number of ready pods behind the new selector.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rolloutctl.errors import Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectorSeen:
    """The selector of a Service as it was read, with the version it had."""

    service: str
    resource_version: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """The label to change, its new value, and what stands ready behind it.

    `ready` counts ready pods that match the whole new selector.
    """

    key: str
    to: str
    ready: int
    ready_min: int


def build_switch_patch(seen: SelectorSeen, switch: Switch) -> list[dict[str, object]]:
    """Build the JSON patch that changes one label, or nothing if it stands.

    Raises:
        Rejected: the selector lacks the label, or too few pods are ready.

    """
    if switch.key not in seen.labels:
        # A JSON patch `replace` on a missing key creates it: not our selector.
        message = f"Service {seen.service} has no label {switch.key} in its selector"
        known = ", ".join(sorted(seen.labels)) or "none"
        raise Rejected(message, hint=f"Its selector has: {known}.")
    needed = max(1, switch.ready_min)
    if switch.ready < needed:
        message = (
            f"Service {seen.service} is not switched to {switch.key}={switch.to}: "
            f"{switch.ready} ready pods < {needed} needed"
        )
        raise Rejected(message, hint="Scale it up and wait until its pods are ready.")
    if seen.labels[switch.key] == switch.to:
        return []
    # SAFETY: the server tests and writes at once. Whoever changed the Service
    # since it was read makes the tests fail (422) and nothing is written.
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": seen.resource_version},
        {"op": "test", "path": "/spec/selector", "value": dict(seen.labels)},
        {"op": "replace", "path": f"/spec/selector/{_escape(switch.key)}", "value": switch.to},
    ]


def _escape(key: str) -> str:
    """Escape a key for a JSON pointer (RFC 6901): label keys hold slashes."""
    return key.replace("~", "~0").replace("/", "~1")
