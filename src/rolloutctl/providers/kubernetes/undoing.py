"""Taking a write back whose pods vanished between the last look and the patch."""

from __future__ import annotations

from rolloutctl.core.target import Target
from rolloutctl.errors import Unavailable
from rolloutctl.providers.kubernetes.api import Api, Moved, Object, Patch
from rolloutctl.providers.kubernetes.readiness import CLEANED, FENCE, ready_of
from rolloutctl.providers.kubernetes.strategy import Change, Seen, Strategy

#: Tries to go back against others who write the object meanwhile: its own controllers do.
BACK_TRIES_MAX = 20
#: Tries that demand that nothing at all was written; those after them, nothing that counts.
STRICT_TRIES = 4
_NOTES = "/metadata/annotations"


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
    for number in range(BACK_TRIES_MAX):
        # A kill that came after this write has its own fence, and looks after itself.
        if now.owned != after.owned or fence_of(now.value) != fence_of(after.value):
            return "somebody else changed it meanwhile"
        back = strategy.to_owned(now, target, before.owned)
        empty = [side.name for side in back.gets if not ready_of(api, side)]
        if empty:
            return f"nor has {' and '.join(empty)}, which served before"
        try:
            api.patch(path, [*unmoved(now.value, number), *back.patch])
        except Moved:
            now = strategy.seen(api.get(path), target)
        else:
            return f"it was taken back: {back.says}"
    return "others write it without pause"


def unmoved(value: Object, number: int) -> Patch:
    """Tests of a patch: the object is as it was read.

    A status that is reported without pause moves the version each time, so from the fifth try
    (`number` counts from 0) what counts is tested by itself: which object, its spec, our notes.
    """
    # SAFETY: tested and written in one step by the server; a lost update cannot happen.
    meta = value["metadata"]
    if number < STRICT_TRIES:
        version = meta["resourceVersion"]
        return [{"op": "test", "path": "/metadata/resourceVersion", "value": version}]
    tests = {"/metadata/uid": meta["uid"], "/spec": value["spec"]}
    notes = meta.get("annotations")
    # An absent key is equal to null: https://github.com/evanphx/json-patch, `test`.
    tests |= {f"{_NOTES}/{_escaped(name)}": (notes or {}).get(name) for name in (FENCE, CLEANED)}
    if not notes:
        tests = {path: each for path, each in tests.items() if not path.startswith(_NOTES)}
        tests[_NOTES] = notes
    return [{"op": "test", "path": path, "value": each} for path, each in tests.items()]


def _escaped(name: str) -> str:
    return name.replace("/", "~1")


def fence_of(value: Object) -> str:
    """Which kill was the last one."""
    return str((value["metadata"].get("annotations") or {}).get(FENCE, ""))
