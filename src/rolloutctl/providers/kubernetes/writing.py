"""One object, read and written: compare-and-set, the fence of a kill, what must be ready.

Each patch tests the resourceVersion that was read, so the server itself refuses it when
anybody wrote in between. A status that a controller writes moves that version too; then the
object is read again, and written if what we own is as it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rolloutctl.clock import SystemClock, random_suffix
from rolloutctl.core.answers import Capabilities, Observation, Receipt
from rolloutctl.core.exposure import Exposure
from rolloutctl.core.json_types import Json
from rolloutctl.core.target import Target
from rolloutctl.errors import Conflict, Rejected, RolloutctlError, Unavailable
from rolloutctl.providers.kubernetes.api import Api, Moved, Object, Patch
from rolloutctl.providers.kubernetes.ownership import last_editor
from rolloutctl.providers.kubernetes.place import TargetSpec, format_address
from rolloutctl.providers.kubernetes.readiness import (
    CLEANED,
    FENCE,
    bring_up,
    raise_unless_healthy,
    raise_unless_ready,
    reclaim,
)
from rolloutctl.providers.kubernetes.strategy import Change, Permission, Seen, Strategy
from rolloutctl.providers.kubernetes.undoing import raise_if_gone, unmoved

if TYPE_CHECKING:
    from rolloutctl.core.observation import Finding

#: Tries against others who write the object meanwhile. Many, because a controller that reports
#: a status without pause is no reason to give up: the n-th look follows the failed patch at once.
TRIES_MAX = 20


class OneObject:
    """A strategy that writes one object, as the port's calls."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy

    def capabilities_for(self, target: Target) -> Capabilities:
        """The strategy's own."""
        del target
        return self._strategy.capabilities

    def observe(self, api: Api, target: Target) -> Observation:
        """One read."""
        return observe(api, target, self._strategy)

    def apply(self, api: Api, target: Target, exposure: Exposure, expect: str | None) -> Receipt:
        """See `write_exposure`."""
        return write_exposure(api, target, self._strategy, exposure, expect)

    def restore(self, api: Api, target: Target, snapshot: Json, expect: str | None) -> Receipt:
        """See `write_back`."""
        return write_back(api, target, self._strategy, snapshot, expect)

    def kill(self, api: Api, target: Target) -> Receipt:
        """See `write_zero`."""
        return write_zero(api, target, self._strategy)

    def clean_up(self, api: Api, target: Target, action: str) -> str:
        """See `cleaning.clean_up`."""
        from rolloutctl.providers.kubernetes import cleaning  # noqa: PLC0415 - not on kill

        return cleaning.clean_up(api, target, self._strategy, action)

    def permissions(self, spec: TargetSpec) -> Sequence[Permission]:
        """The strategy's own."""
        return self._strategy.permissions(spec)

    def findings(self, api: Api, target: Target) -> Iterable[Finding]:
        """See `probing.of_object`."""
        from rolloutctl.providers.kubernetes import probing  # noqa: PLC0415 - not on kill

        return probing.of_object(api, target, self._strategy)


def version_of(seen: Seen) -> str:
    """What compare-and-set compares: which object, which fence, what we own of it."""
    meta = seen.value["metadata"]
    fence = (meta.get("annotations") or {}).get(FENCE, "0")
    return f"{str(meta.get('uid', ''))[:8]}.{fence}.{fingerprint_of(seen)[:16]}"


def fingerprint_of(seen: Seen) -> str:
    """Hash of what we own."""
    return hashlib.sha256(json.dumps(seen.owned, sort_keys=True).encode()).hexdigest()


def observe(api: Api, target: Target, strategy: Strategy) -> Observation:
    """One read."""
    seen = strategy.seen(api.get(strategy.path(api.spec)), target)
    return Observation(
        at=SystemClock().now(),
        exposure=seen.exposure,
        version=version_of(seen),
        fingerprint=fingerprint_of(seen),
        snapshot={"owned": seen.owned},
        editor=last_editor(seen.value, strategy.owned_path),
        detail=seen.detail,
    )


def write_exposure(
    api: Api, target: Target, strategy: Strategy, exposure: Exposure, expect: str | None
) -> Receipt:
    """Forwards: whoever gets more traffic is ready and healthy first."""

    def change(seen: Seen) -> Change:
        return strategy.to_exposure(seen, target, exposure)

    def guard(change: Change, seen: Seen) -> str:
        needed = _needed(api, strategy, seen.value)
        for side in change.gets:
            raise_unless_ready(api, side, needed)
            raise_unless_healthy(api, side)
        return ""

    return _write(api, target, strategy, (change, guard), expect=expect)


def write_back(
    api: Api, target: Target, strategy: Strategy, snapshot: Json, expect: str | None
) -> Receipt:
    """To a restore point: the old side is brought up first if it has to be."""
    owned = snapshot.get("owned") if isinstance(snapshot, dict) else None
    if not isinstance(owned, dict):
        raise Rejected(
            f"{format_address(target)}: the restore point holds no state of it",
            hint="set it by hand: kubectl edit",
        )

    def change(seen: Seen) -> Change:
        return strategy.to_owned(seen, target, owned)

    def guard(change: Change, seen: Seen) -> str:
        return _bring_up(api, strategy, seen.value, change)

    return _write(api, target, strategy, (change, guard), expect=expect)


def write_zero(api: Api, target: Target, strategy: Strategy) -> Receipt:
    """The kill: from any state, no look at versions, a new fence."""
    path = strategy.path(api.spec)
    judged: object = None
    begun = ""
    for number in range(TRIES_MAX):
        value = api.get(path)
        change = strategy.to_zero(value, target)
        if change.patch and judged != (change, _unnoted(value)):
            begun = _bring_up(api, strategy, value, change) or begun
            judged = (change, _unnoted(value))
        patch = [*unmoved(value, number), *_fence(value), *_unnoted(value), *change.patch]
        try:
            written = api.patch(path, patch)
        except Moved as moved:
            _raise_if_same(api, path, value, moved)
            continue
        if not change.patch:
            # It pointed there before: nothing is lost by waiting with the fence written.
            begun = _bring_up(api, strategy, value, change) or begun
        _confirm(api, strategy, written, change)
        said = change.says or "a new fence; it was at control already"
        return Receipt(changed="; ".join(filter(None, (begun, said))))
    raise Conflict(f"{format_address(target)}: others write it without pause", hint="kill again")


def _write(
    api: Api,
    target: Target,
    strategy: Strategy,
    work: tuple[Callable[[Seen], Change], Callable[[Change, Seen], str]],
    *,
    expect: str | None,
) -> Receipt:
    change_of, guard = work
    path = strategy.path(api.spec)
    judged = begun = ""
    for number in range(TRIES_MAX):
        seen = strategy.seen(api.get(path), target)
        _raise_if_moved(seen, target, expect)
        change = change_of(seen)
        if not change.patch:
            _confirm(api, strategy, seen.value, change)
            return Receipt(version=version_of(seen))
        if judged != version_of(seen):
            # Once for what we own: looking at every pod again would let a busy status win.
            begun = guard(change, seen) or begun
            judged = version_of(seen)
        try:
            patch = [*unmoved(seen.value, number), *_unnoted(seen.value), *change.patch]
            written = api.patch(path, patch)
        except Moved as moved:
            _raise_if_same(api, path, seen.value, moved)
            continue
        after = strategy.seen(written, target)
        _confirm(api, strategy, written, change)
        with _after_the_patch():
            raise_if_gone(api, target, strategy, before=seen, after=after, change=change)
        said = "; ".join(filter(None, (begun, change.says)))
        return Receipt(version=version_of(after), changed=said)
    raise Conflict(
        f"{format_address(target)}: others write it without pause; nothing was written",
        hint="look who: kubectl get --show-managed-fields --output yaml",
    )


def _raise_if_moved(seen: Seen, target: Target, expect: str | None) -> None:
    if expect is not None and expect != version_of(seen):
        raise Conflict(
            f"{format_address(target)}: it was changed since it was read; nothing was written",
            hint="look at it; rolloutctl reads the target again before its next write",
        )


def _raise_if_same(api: Api, path: str, value: Object, moved: Moved) -> None:
    """A test that failed although nothing moved: the patch itself is refused."""
    now = api.get(path)["metadata"]["resourceVersion"]
    if now == value["metadata"]["resourceVersion"]:
        if ": 409:" in moved.message:
            raise moved
        raise Rejected(moved.message, hint="the API server refuses the patch as it stands")


def tested(value: Object) -> Patch:
    """The guard of every patch: the object is as it was read."""
    # SAFETY: tested and written in one step by the server; a lost update cannot happen.
    version = value["metadata"]["resourceVersion"]
    return [{"op": "test", "path": "/metadata/resourceVersion", "value": version}]


def _bring_up(api: Api, strategy: Strategy, value: Object, change: Change) -> str:
    """On the way back: the sides that get traffic can take it. Says what was started for it."""
    served = strategy.served(api, value)
    said = []
    for side in change.gets:
        if CLEANED in (value["metadata"].get("annotations") or {}):
            reclaim(api, side)
        said.append(bring_up(api, side, served))
    return "; ".join(filter(None, said))


def _unnoted(value: Object) -> Patch:
    """Whoever sends traffic to the control again takes the note of its cleanup away."""
    if CLEANED not in (value["metadata"].get("annotations") or {}):
        return []
    return [{"op": "remove", "path": "/metadata/annotations/" + CLEANED.replace("/", "~1")}]


def _fence(value: Object) -> Patch:
    made: list[dict[str, Any]] = []
    if not value["metadata"].get("annotations"):
        made.append({"op": "add", "path": "/metadata/annotations", "value": {}})
    place = "/metadata/annotations/" + FENCE.replace("/", "~1")
    return [*made, {"op": "add", "path": place, "value": random_suffix(10)}]


@contextmanager
def _after_the_patch() -> Iterator[None]:
    """What befalls a look that follows our own patch."""
    try:
        yield
    except RolloutctlError as error:
        if isinstance(error, Unavailable) and error.may_have_landed:
            raise
        # SAFETY: the patch landed, whatever befell the looks after it; an error of a look alone
        # would say that nothing was written, and our own write would pass for a foreign edit.
        message = f"it was written, but not seen to be in force: {error.message}"
        raise Unavailable(message, hint=error.hint, may_have_landed=True) from error


def _confirm(api: Api, strategy: Strategy, written: Object, change: Change) -> None:
    with _after_the_patch():
        trouble = strategy.confirm(api, written, change)
    if trouble:
        raise Unavailable(f"it was written, but {trouble}", may_have_landed=True)


def _needed(api: Api, strategy: Strategy, value: Object) -> int:
    """Ready pods that the side which gets traffic must have."""
    if api.spec.ready:
        return api.spec.ready
    return strategy.served(api, value) if strategy.needs_as_many else 1
