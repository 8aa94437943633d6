"""Asks Unleash as an application does: the real UnleashClient against the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rolloutctl.clock import Deadline, SystemClock, monotonic_s
from rolloutctl.core.exposure import CANARY, CONTROL
from rolloutctl.core.observation import ArmCounts
from rolloutctl.core.target import Target
from rolloutctl.credentials import read_secret
from rolloutctl.errors import NotFound, Rejected, Unauthorized, Unavailable
from rolloutctl.http import HttpClient, HttpRequest, checked_header
from rolloutctl.providers.unleash.configuration import Configuration, Strategy
from rolloutctl.providers.unleash.place import TargetSpec, base_url, spec_of
from rolloutctl.providers.unleash.reading import FlagView, View, read_target
from rolloutctl.providers.unleash.sdk import Sdk, sdk_of

#: More units than this tell nothing that fewer do not.
UNITS_MAX = 1_000_000
#: The SDK has what was written after 2 s at most; a caching proxy (Edge) may add some more.
PROPAGATION_MAX_S = 20.0
#: Evaluations between two looks at the time.
UNITS_PER_LOOK = 500
_POLL_S = 0.02
#: SDKs fall back from one to the next (Unleash: stickiness `default`).
_DEFAULT_FIELDS = ("userId", "sessionId")
#: What no unit carries and no evaluation lacks: a fallback, and what the SDK fills in itself.
_GIVEN = frozenset({"default", "currentTime", "environment"})


def sample(target: Target, units: int, *, timeout_s: float) -> ArmCounts:
    """Evaluates the flag and its shadow flag for `units` made-up units.

    The units are named rolloutctl-unit-0, -1, … in every field that they are bucketed by;
    they carry nothing else, so they belong to no audience. Waits until the SDK has what the
    Admin API shows now.

    Raises:
        Rejected: the token cannot see this environment, or the number is out of range.
        Unavailable: the SDK did not get the current state, or the time is over.
    """
    if not 0 < units <= UNITS_MAX:
        raise Rejected(f"{units} units cannot be sampled", hint=f"ask for 1 to {UNITS_MAX}")
    deadline = Deadline(timeout_s)
    view = read_target(target)
    spec = spec_of(target)
    _check_token(spec, view, deadline)
    with sdk_of(spec) as sdk:
        waited_s = _wait(sdk, view, deadline)
        counts = _count(sdk.client, view, units, deadline)
        read = _read(sdk, view)
        shut = _shut_parents(sdk, view, min(units, UNITS_PER_LOOK))
    main = counts[0]
    arms = view.flags[0].arms
    names = {CONTROL: arms.control, CANARY: arms.canary}
    return ArmCounts(
        units=units,
        arms=tuple((arm, main[name]) for arm, name in names.items()),
        shadow=counts[1]["on"] if len(counts) > 1 else 0,
        other=sum(main.values()) - sum(main[name] for name in names.values()),
        propagation_s=waited_s,
        context=tuple(sorted(_named(read))),
        missing=tuple(sorted(read - set(_unit_fields(view)) - _GIVEN)),
        reasons=tuple(sorted(shut.items())),
    )


def _shut_parents(sdk: Sdk, view: View, units: int) -> Counter[str]:
    """Flags that ours depend on, and how many of the first units they keep out of ours."""
    shut: Counter[str] = Counter()
    fields = _unit_fields(view)
    for parent, is_on in sdk.parents([each.flag for each in view.flags]):
        for index in range(units):
            context = dict.fromkeys(fields, f"rolloutctl-unit-{index}")
            if sdk.client.is_enabled(parent, context) is not is_on:
                shut[f"it depends on {parent}, which is {'off' if is_on else 'on'} for"] += 1
    return shut


def _read(sdk: Sdk, view: View) -> set[str]:
    """The context fields that the flags read, as the SDK has them: with those of segments."""
    fields: set[str] = set()
    for each in view.flags:
        fields |= _fields(each.found)
        fields |= {str(one["contextName"]) for one in sdk.constraints(each.flag)}
    return fields - {"random"}


def _fields(found: Configuration) -> set[str]:
    fields: set[str] = set()
    for strategy in found.active:
        stickiness = strategy.parameters.get("stickiness", "default")
        variants = {str(each.rest.get("stickiness", "default")) for each in strategy.variants}
        fields |= {stickiness, *variants}
        fields |= {str(each.get("contextName")) for each in strategy.constraints}
    return fields


def _named(fields: set[str]) -> set[str]:
    """As people send them. The SDK itself knows the time."""
    named = {"default": "userId or sessionId"}
    return {named.get(field, field) for field in fields - {"currentTime"}}


def _check_token(spec: TargetSpec, view: View, deadline: Deadline) -> None:
    """Says what is wrong with the SDK's token before the SDK, which only logs it."""
    token = read_secret(spec.client_token).reveal()
    where, dot, _ = token.rpartition(".")
    environment = where.rpartition(":")[2]
    if dot and environment not in {"*", spec.environment}:
        raise Rejected(
            f"the token in {spec.client_token} is for the environment {environment!r},"
            f" not {spec.environment!r}",
            hint="make a backend token for that environment in Unleash (Admin, API access)",
        )
    for each in view.flags:
        request = HttpRequest(
            method="GET",
            url=f"{base_url(spec)}/api/client/features/{each.flag}",
            headers={"Authorization": checked_header("Authorization", spec.client_token)},
            writes=False,
        )
        try:
            HttpClient(spec.tls).send(request, timeout_s=deadline.remaining_s)
        except Unauthorized as error:
            raise Unauthorized(
                error.message, hint=f"{spec.client_token} must hold a backend (client) token"
            ) from error
        except NotFound as error:
            raise Rejected(
                f"SDKs do not see {each.flag} with the token in {spec.client_token}",
                hint=f"the token must be for project {spec.project}",
            ) from error


def _wait(sdk: Sdk, view: View, deadline: Deadline) -> float:
    """Seconds until the SDK had loaded what the Admin API shows."""
    began_s = monotonic_s()
    limit_s = min(PROPAGATION_MAX_S, deadline.remaining_s)
    while not all(_has_arrived(sdk, each) for each in view.flags):
        if monotonic_s() - began_s > limit_s:
            raise Unavailable(
                f"the SDK still had an older state after {limit_s:g} s",
                hint="look for a proxy (Unleash Edge) between SDKs and server, or edits meanwhile",
            )
        SystemClock().sleep(_POLL_S)
    return monotonic_s() - began_s


def _has_arrived(sdk: Sdk, view: FlagView) -> bool:
    with sdk.lock:
        feature = sdk.features.get(view.flag)
    if feature is None or feature.get("enabled") != view.found.enabled:
        return False
    if not view.found.enabled:
        return True
    seen = feature.get("strategies", [])
    legacy = [(each["name"], each["weight"]) for each in feature.get("variants") or []]
    return (
        len(seen) == len(view.found.active)
        and all(map(_is_same, seen, view.found.active))
        and legacy == [(each.name, each.weight) for each in view.found.variants]
    )


def _is_same(seen: Mapping[str, Any], strategy: Strategy) -> bool:
    document = strategy.as_json()
    fields = ["name", "parameters", "variants"]
    if not strategy.segments:  # the server writes a segment's constraints among these
        fields.append("constraints")
    return all((seen.get(name) or document[name]) == document[name] for name in fields)


def _count(
    client: Any,  # Any: as in Sdk
    view: View,
    units: int,
    deadline: Deadline,
) -> list[Counter[str]]:
    counts: list[Counter[str]] = [Counter() for _ in view.flags]
    fields = _unit_fields(view)
    for index in range(units):
        if index % UNITS_PER_LOOK == 0 and deadline.remaining_s <= 0:
            raise Unavailable(
                f"only {index} of {units} units were evaluated in time",
                hint="sample fewer units, or allow more time",
            )
        context = dict.fromkeys(fields, f"rolloutctl-unit-{index}")
        for counter, each in zip(counts, view.flags, strict=True):
            if each.arms.is_switch:
                counter["on" if client.is_enabled(each.flag, context) else "off"] += 1
            else:
                counter[client.get_variant(each.flag, context)["name"]] += 1
    return counts


def _unit_fields(view: View) -> list[str]:
    """The fields that hold a unit's id."""
    fields = set(_DEFAULT_FIELDS)
    for each in view.flags:
        for strategy in each.found.active:
            fields.add(strategy.parameters.get("stickiness", "default"))
            fields |= {str(v.rest.get("stickiness", "default")) for v in strategy.variants}
    return sorted(fields - {"default", "random"})
