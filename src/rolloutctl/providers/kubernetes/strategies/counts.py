"""Counts of two Deployments: who grows is ready before the other shrinks, or all is taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rolloutctl.clock import random_suffix
from rolloutctl.errors import Conflict, RolloutctlError, Unavailable
from rolloutctl.providers.kubernetes.api import Api, Moved, Object
from rolloutctl.providers.kubernetes.readiness import FENCE, apps, core, is_ready, wait_until
from rolloutctl.providers.kubernetes.writing import TRIES_MAX, tested

#: What may end before the call's own limit, so that pods that do not start are taken back.
RESERVE_S = 2.0
#: A Deployment as it was read, its count then, and its count to be.
Move = tuple[Object, int, int]


class TakenBack(Unavailable):
    """Pods did not come up, and nothing is other than before."""


def carry_out(api: Api, moves: Sequence[Move], *, needed: int | None) -> None:
    """Growth first; nobody shrinks before whoever stays has `needed` ready pods, None for all.

    Raises `TakenBack`, `Conflict` where nothing was written, and `Unavailable` that may have
    landed for everything that befalls it after its first write.
    """
    is_written = False
    does_shrink = any(goal < was for _, was, goal in moves)
    # SAFETY: whoever grows or stays is sorted first, so there are never too few ready pods.
    for deployment, was, goal in sorted(moves, key=lambda one: one[2] < one[1]):
        try:
            written = deployment if was == goal else scale(api, deployment, goal)
            is_written |= was != goal
            if goal > was or (goal == was and does_shrink):
                _raise_unless_up(api, written, (was, goal), needed)
            elif goal < was:
                _raise_if_empty(api, moves, (written, was))
        except TakenBack:
            raise
        except RolloutctlError as error:
            if not is_written:
                raise
            raise Unavailable(error.message, hint=error.hint, may_have_landed=True) from error


def _raise_unless_up(
    api: Api, written: Object, counts: tuple[int, int], needed: int | None
) -> None:
    was, goal = counts
    wanted = goal if needed is None else min(goal, needed)
    if await_ready(api, written, wanted):
        return
    # SAFETY: half of a change is taken back: it would be a share that nobody stated.
    if was != goal:
        scale(api, written, was)
    raise TakenBack(
        f"Deployment {name_of(written)}: {wanted} pods were not ready in time; left at {was}",
        hint="pods that take longer to start belong behind a Service of their own",
    )


def _raise_if_empty(api: Api, moves: Sequence[Move], shrunk: tuple[Object, int]) -> None:
    """SAFETY: the pods that stay vanished between the look and the patch."""
    stay = [deployment for deployment, _, goal in moves if goal]
    if not stay or any(ready_count(api, each) for each in stay):
        return
    written, was = shrunk
    scale(api, written, was)
    raise Unavailable(
        f"{' and '.join(map(name_of, stay))} had no ready pod any more: {name_of(written)}"
        f" was scaled back to {was}",
        hint="look: kubectl get pods",
        may_have_landed=True,
    )


def scale(api: Api, deployment: Object, count: int, *, is_kill: bool = False) -> Object:
    """By compare-and-set of count and fence, but for a kill, which writes a fence of its own."""
    meta = deployment["metadata"]
    path = apps(meta["namespace"], meta["name"])
    if is_kill:
        # No test: whatever was written in between, the kill's count is in force after it.
        change: dict[str, Any] = {
            "metadata": {"annotations": {FENCE: random_suffix(10)}},
            "spec": {"replicas": count},
        }
        return api.merge(path, change)
    replicas = {"op": "add", "path": "/spec/replicas", "value": count}
    for _ in range(TRIES_MAX):
        try:
            return api.patch(path, [*tested(deployment), replicas])
        except Moved:
            # The status moves the version all the time; what counts is count and fence.
            now = api.get(path)
            if mark_of(now) != mark_of(deployment):
                break
            deployment = now
    raise Conflict(
        f"Deployment {meta['name']} was scaled or killed by somebody else meanwhile",
        hint="look who: kubectl get deployment --show-managed-fields --output yaml",
    )


def await_ready(api: Api, deployment: Object, count: int) -> bool:
    """Whether so many of its pods are ready in time."""
    limit_s = api.deadline.remaining_s - RESERVE_S
    return wait_until(api, lambda: ready_count(api, deployment) >= count, limit_s=limit_s)


def ready_count(api: Api, deployment: Object) -> int:
    """Its ready pods now."""
    namespace = deployment["metadata"]["namespace"]
    labels = deployment["spec"]["selector"].get("matchLabels") or {}
    return sum(map(is_ready, api.listed(core(namespace, "pods"), labels=labels)))


def count_of(deployment: Object) -> int:
    """Replicas wanted; the API's default is one."""
    return int(deployment["spec"].get("replicas", 1))


def name_of(deployment: Object) -> str:
    """Its name."""
    return str(deployment["metadata"]["name"])


def mark_of(deployment: Object) -> str:
    """What compare-and-set compares: which object, which kill, which count."""
    marks = deployment["metadata"].get("annotations") or {}
    return f"{deployment['metadata'].get('uid')}.{marks.get(FENCE, '')}.{count_of(deployment)}"
