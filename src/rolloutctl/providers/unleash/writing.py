"""From one configuration to another by the fewest calls, in an order that is safe.

SAFETY, each seen on server 8.2.0: `on` without an enabled strategy adds one at 100 %, so
strategies come first; a PUT clears what it leaves out, so changes are JSON patches; removing
or disabling the last enabled strategy turns the environment off, so new ones come first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rolloutctl.clock import Deadline
from rolloutctl.core.json_types import Json
from rolloutctl.errors import Rejected, RolloutctlError, Unavailable
from rolloutctl.providers.unleash.api import Api
from rolloutctl.providers.unleash.configuration import Configuration, Strategy

#: Nothing is sent in the last seconds of a write's time, so that it lands within it.
LANDING_S = 2.0
#: No flag of a sane rollout needs more calls in one write.
CALLS_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One write. `path` follows the flag's environment; `what` is for the audit trail."""

    method: str
    path: str
    body: Json = None
    what: str = ""


def calls_between(found: Configuration, wanted: Configuration) -> list[Call]:
    """The calls that make `found` into `wanted`; none if they are equal.

    Raises:
        Rejected: `wanted` is a state that Unleash cannot be brought to.
    """
    if wanted.enabled and not found.enabled and not wanted.active:
        raise Rejected(
            "an environment that is on without an enabled strategy cannot be written:"
            " Unleash adds one at 100% by itself",
            hint="turn the environment off by hand",
        )
    pairs, extra, missing = _matched(found.strategies, wanted.strategies)
    calls = [*_off(found, wanted)]
    if found.variants != wanted.variants:
        body: Json = [each.as_json() for each in wanted.variants]
        calls.append(Call(method="PUT", path="/variants", body=body, what="environment variants"))
    calls += [_creation(each) for each in missing]
    patches = [(old, new) for old, new in pairs if old.as_json() != new.as_json()]
    patches.sort(key=lambda pair: pair[1].disabled)  # those that stay enabled first
    for old, new in patches:
        calls += _changes(old, new)
    calls += [
        Call(method="DELETE", path=f"/strategies/{each.id}", what=f"strategy {each.label} removed")
        for each in extra
    ]
    calls += _on(found, wanted)
    if len(calls) > CALLS_MAX:
        raise Rejected(f"{len(calls)} calls would be needed; the limit is {CALLS_MAX}")
    return calls


def _off(found: Configuration, wanted: Configuration) -> Iterator[Call]:
    # First: while it is off, nothing that follows is served to anybody.
    if found.enabled and not wanted.enabled:
        yield Call(method="POST", path="/off", what="environment off")


def _on(found: Configuration, wanted: Configuration) -> Iterator[Call]:
    if wanted.enabled and not found.enabled:
        yield Call(method="POST", path="/on", what="environment on")


_Pairs = list[tuple[Strategy, Strategy]]


def _matched(
    found: Sequence[Strategy], wanted: Sequence[Strategy]
) -> tuple[_Pairs, list[Strategy], list[Strategy]]:
    """(same in both, only found, only wanted): by id, then by equal content."""
    left = list(found)
    pairs: _Pairs = []
    missing = []
    for new in wanted:
        old = next((each for each in left if each.id == new.id and new.id), None)
        if old is not None and old.name == new.name:
            left.remove(old)
            pairs.append((old, new))
        else:
            missing.append(new)
    for new in list(missing):
        twin = next((each for each in left if each.as_json() == new.as_json()), None)
        if twin is not None:
            left.remove(twin)
            missing.remove(new)
            pairs.append((twin, new))
    return pairs, left, missing


def _creation(strategy: Strategy) -> Call:
    return Call(
        method="POST",
        path="/strategies",
        body=strategy.as_json(),
        what=f"strategy {strategy.label} added",
    )


def _changes(old: Strategy, new: Strategy) -> Iterator[Call]:
    before, after = old.as_json(), new.as_json()
    fields = [name for name in after if name != "sortOrder" and before[name] != after[name]]
    if fields:
        operations: Json = [
            {
                "op": "replace" if name != "title" else "add",
                "path": f"/{name}",
                "value": after[name],
            }
            for name in fields
        ]
        yield Call(
            method="PATCH",
            path=f"/strategies/{old.id}",
            body=operations,
            what=f"strategy {old.label}: {_said(old, new)}",
        )
    if old.sort_order != new.sort_order:
        order: Json = [{"id": old.id, "sortOrder": new.sort_order}]
        yield Call(
            method="POST", path="/strategies/set-sort-order", body=order, what="strategies ordered"
        )


def _said(old: Strategy, new: Strategy) -> str:
    """The change in few words, for the audit trail."""
    said = []
    was, will = old.parameters.get("rollout"), new.parameters.get("rollout")
    if was != will:
        said.append(f"rollout {was} -> {will}")
    if old.variants != new.variants:
        weights = ", ".join(f"{each.name} {each.weight / 10:g}%" for each in new.variants)
        said.append(f"variants {weights}")
    if (old.constraints, old.segments) != (new.constraints, new.segments):
        said.append("constraints")
    if old.disabled != new.disabled:
        said.append("disabled" if new.disabled else "enabled")
    return ", ".join(said) or "changed"


def send(api: Api, flag: str, calls: Sequence[Call], *, deadline: Deadline) -> None:
    """Sends the calls in order; stops at the first that fails.

    Raises:
        Unavailable: with `may_have_landed` as soon as one of several calls has landed,
            whatever the error then was.
        Unauthorized, NotFound, Conflict, Rejected: nothing landed.
    """
    base = api.environment_path(flag)
    for index, call in enumerate(calls):
        # SAFETY (rule 3): never sent so late that it might land after its time.
        if deadline.remaining_s <= LANDING_S:
            raise Unavailable(
                f"{flag}: the time for this write is over; {index} of {len(calls)} calls were sent",
                may_have_landed=index > 0,
            )
        try:
            api.write(call.method, base + call.path, call.body, timeout_s=deadline.remaining_s)
        except RolloutctlError as error:
            if not index:
                raise
            raise Unavailable(
                f"{index} of {len(calls)} calls landed, then: {error.message}",
                hint=error.hint,
                may_have_landed=True,
            ) from error
