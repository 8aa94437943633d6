"""Taking a write back whose pods vanished between the last look and the patch."""

from __future__ import annotations

from rolloutctl.core.target import Target
from rolloutctl.errors import Unavailable
from rolloutctl.providers.kubernetes.api import Api, Moved, Object
from rolloutctl.providers.kubernetes.readiness import FENCE, ready_of
from rolloutctl.providers.kubernetes.strategy import Change, Seen, Strategy

#: Tries to go back against others who write the object meanwhile: its own controllers do.
BACK_TRIES_MAX = 20


def raise_if_gone(
    api: Api, target: Target, strategy: Strategy, *, before: Seen, after: Seen, change: Change
) -> None:
    """SAFETY: whoever got more traffic still has a ready pod, or it is as it was before.

    Raises `Unavailable` with what was done; `after` is what our patch left.
    """
    gone = [side.name for side in change.gets if not ready_of(api, side)]
    if gone:
        who = f"{' and '.join(gone)} has no ready pod any more"
        said = _taken_back(api, target, strategy, before, after)
        raise Unavailable(f"it was written, but {who}: {said}", may_have_landed=True)


def _taken_back(api: Api, target: Target, strategy: Strategy, before: Seen, after: Seen) -> str:
    path, now = strategy.path(api.spec), after
    for _ in range(BACK_TRIES_MAX):
        # A kill that came after this write has its own fence, and looks after itself.
        if now.owned != after.owned or fence_of(now.value) != fence_of(after.value):
            return "somebody else changed it meanwhile"
        back = strategy.to_owned(now, target, before.owned)
        empty = [side.name for side in back.gets if not ready_of(api, side)]
        if empty:
            return f"nor has {' and '.join(empty)}, which served before"
        version = now.value["metadata"]["resourceVersion"]
        test = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
        try:
            api.patch(path, [test, *back.patch])
        except Moved:
            now = strategy.seen(api.get(path), target)
        else:
            return f"it was taken back: {back.says}"
    return "others write it without pause"


def fence_of(value: Object) -> str:
    """Which kill was the last one."""
    return str((value["metadata"].get("annotations") or {}).get(FENCE, ""))
