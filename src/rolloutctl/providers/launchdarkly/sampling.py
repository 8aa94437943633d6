"""Asks LaunchDarkly as an application does: the real launchdarkly-server-sdk."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from rolloutctl.clock import Deadline, SystemClock, monotonic_s
from rolloutctl.core.exposure import CANARY, CONTROL
from rolloutctl.core.observation import ArmCounts
from rolloutctl.core.target import Target
from rolloutctl.errors import Rejected, Unauthorized, Unavailable
from rolloutctl.http import checked_header
from rolloutctl.providers.launchdarkly.configuration import (
    WEIGHT_TOTAL,
    Configuration,
    Flag,
    Serve,
)
from rolloutctl.providers.launchdarkly.place import Arms, TargetSpec, base_url, spec_of
from rolloutctl.providers.launchdarkly.reading import FlagView, View, read_target

#: More units than this tell nothing that fewer do not.
UNITS_MAX = 1_000_000
#: The stream tells of a change at once; a relay between may add some seconds.
PROPAGATION_MAX_S = 20.0
#: How long the SDK may take to get its first state.
START_MAX_S = 10.0
CONNECT_TIMEOUT_S = 5.0
#: The SDK's stream sends a sign of life every few minutes (vendor's documentation).
READ_TIMEOUT_S = 300.0
#: Evaluations between two looks at the time.
UNITS_PER_LOOK = 500
_POLL_S = 0.02
_TARGETS = ("targets", "contextTargets")
#: Without a handler of its own, logging prints the SDK's errors on stderr.
_SILENCE = logging.NullHandler()
#: Where SDKs speak to, by the host that people speak to (vendor's documentation).
_SDK_HOSTS = {
    "app.launchdarkly.com": ("https://sdk.launchdarkly.com", "https://stream.launchdarkly.com"),
    "app.eu.launchdarkly.com": (
        "https://sdk.eu.launchdarkly.com",
        "https://stream.eu.launchdarkly.com",
    ),
    "app.launchdarkly.us": ("https://sdk.launchdarkly.us", "https://stream.launchdarkly.us"),
}


def sample(target: Target, units: int, *, timeout_s: float) -> ArmCounts:
    """Evaluates the flag and its shadow flag for `units` made-up contexts.

    The contexts have the keys rolloutctl-unit-0, -1, … in every context kind that the flag
    buckets by; they carry nothing else, so they belong to no audience. Waits until the SDK
    has what the REST API shows now.

    Raises:
        Rejected: the key cannot see this environment, or the number is out of range.
        Unavailable: the SDK did not get the current state, or the time is over.
    """
    if not 0 < units <= UNITS_MAX:
        raise Rejected(f"{units} units cannot be sampled", hint=f"ask for 1 to {UNITS_MAX}")
    deadline = Deadline(timeout_s)
    view = read_target(target, needs_canary=True)
    with _client(spec_of(target), deadline) as sdk:
        waited_s = _wait(sdk, view, deadline)
        counts, reasons = _count(sdk.client, view, units, deadline)
    main, arms = counts[0], view.flags[0].arms
    read = {name for each in view.flags for name in needed(each)}
    found = ((CONTROL, main[_index(view.flags[0], arms.control)]), (CANARY, _canary(view, main)))
    other = sum(main.values()) - main[_ERROR] - sum(count for _, count in found)
    return ArmCounts(
        units=units,
        arms=found,
        shadow=counts[1][_index(view.flags[1], view.flags[1].arms.canary)] if counts[1:] else 0,
        other=other,
        errors=main[_ERROR],
        propagation_s=waited_s,
        context=tuple(sorted(read)),
        missing=tuple(sorted(read - _carried(view))),
        reasons=tuple(sorted(reasons.items())),
    )


#: Stands for an evaluation that the SDK could not do.
_ERROR = -1


def _index(view: FlagView, variation: str) -> int:
    return [each.id for each in view.flag.variations].index(variation)


def _canary(view: View, counts: Counter[int]) -> int:
    arms: Arms = view.flags[0].arms
    return counts[_index(view.flags[0], arms.canary)]


def needed(view: FlagView) -> set[str]:
    """The `kind.attribute`s that an evaluation must carry to get its share."""
    found: Configuration = view.flag.found
    names = {f"{view.maker.context_kind}.{view.maker.bucket_by or 'key'}"}
    for rule in found.rules:
        if not rule.disabled:
            names |= {
                f"{each.context_kind}.{'key' if each.op == 'segmentMatch' else each.attribute}"
                for each in rule.clauses
            }
    return names


class _Sdk(NamedTuple):
    """A client and the store that it keeps its flags in; `Any`: the SDK's types."""

    client: Any
    store: Any


@contextmanager
def _client(spec: TargetSpec, deadline: Deadline) -> Iterator[_Sdk]:
    """A client that sends no events, so that nobody bills or counts made-up contexts."""
    import ldclient  # noqa: PLC0415 - first use
    from ldclient.config import Config, HTTPConfig  # noqa: PLC0415 - first use
    from ldclient.feature_store import InMemoryFeatureStore  # noqa: PLC0415 - first use

    logging.getLogger("ldclient").addHandler(_SILENCE)
    logging.getLogger("ldclient").propagate = False
    base, stream = _hosts(spec)
    store = InMemoryFeatureStore()  # type: ignore[no-untyped-call,unused-ignore]  # the SDK is half typed
    config = Config(
        sdk_key=checked_header("Authorization", spec.sdk_key),
        base_uri=base,
        stream_uri=stream,
        events_uri=base,
        send_events=False,
        diagnostic_opt_out=True,
        initial_reconnect_delay=1,
        feature_store=store,
        http=HTTPConfig(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            ca_certs=spec.tls.ca_file or None,
            disable_ssl_verification=spec.tls.insecure_skip_verify,
        ),
    )
    start_s = max(0.0, min(START_MAX_S, deadline.remaining_s))
    client = ldclient.LDClient(config=config, start_wait=start_s)
    try:
        if not client.is_initialized():
            raise Unauthorized(
                f"the SDK got no state from {stream} within {start_s:g} s with the key in"
                f" {spec.sdk_key}",
                hint=f"it must hold the SDK key of {spec.environment} (not the API access token)",
            )
        yield _Sdk(client, store)
    finally:
        client.close()  # type: ignore[no-untyped-call,unused-ignore]  # same


def _hosts(spec: TargetSpec) -> tuple[str, str]:
    host = (urlsplit(spec.url).hostname or "").lower()
    base, stream = _SDK_HOSTS.get(host, (base_url(spec), base_url(spec)))
    return base, (spec.stream_url.rstrip("/") or stream)


def _wait(sdk: _Sdk, view: View, deadline: Deadline) -> float:
    """Seconds until the SDK had what the REST API shows."""
    from ldclient.versioned_data_kind import FEATURES  # noqa: PLC0415 - first use

    began_s = monotonic_s()
    limit_s = min(PROPAGATION_MAX_S, deadline.remaining_s)

    def has_arrived(each: FlagView) -> bool:
        seen = sdk.store.get(FEATURES, each.flag.key, lambda flag: flag)
        return seen is not None and _is_same(seen.to_json_dict(), each.flag)

    while not all(map(has_arrived, view.flags)):
        if monotonic_s() - began_s > limit_s:
            raise Unavailable(
                f"the SDK still had an older state, or no such flag, after {limit_s:g} s",
                hint="is the SDK key that of the target's environment? else look for a relay"
                " between SDKs and LaunchDarkly",
            )
        SystemClock().sleep(_POLL_S)
    return monotonic_s() - began_s


def _is_same(seen: Mapping[str, Any], flag: Flag) -> bool:
    """By content: nobody says that SDKs count versions as the REST API does."""
    ids = [each.id for each in flag.variations]
    off = seen.get("offVariation")
    live = [rule for rule in flag.found.rules if not rule.disabled]
    targeted = sum(len(each["values"]) for part in _TARGETS for each in seen.get(part) or ())
    return (
        seen.get("on") == flag.found.on
        and ("" if off is None else ids[off]) == flag.found.off_variation
        and _served(seen["fallthrough"], ids) == _plain(flag.found.fallthrough)
        and [_served(each, ids) for each in seen["rules"]] == [_plain(r.serve) for r in live]
        and targeted == sum(len(each.keys) for each in flag.found.targets)
    )


def _served(place: Mapping[str, Any], ids: list[str]) -> list[tuple[str, int]]:
    if place.get("variation") is not None:
        return [(ids[place["variation"]], WEIGHT_TOTAL)]
    return [(ids[each["variation"]], each["weight"]) for each in place["rollout"]["variations"]]


def _plain(serve: Serve) -> list[tuple[str, int]]:
    return [(serve.variation, WEIGHT_TOTAL)] if serve.variation else list(serve.weights)


def _count(
    client: Any,  # Any: as in _Sdk
    view: View,
    units: int,
    deadline: Deadline,
) -> tuple[list[Counter[int]], Counter[str]]:
    """Variations by flag, and why the first flag served them."""
    counts: list[Counter[int]] = [Counter() for _ in view.flags]
    reasons: Counter[str] = Counter()
    for index in range(units):
        if index % UNITS_PER_LOOK == 0 and deadline.remaining_s <= 0:
            raise Unavailable(
                f"only {index} of {units} units were evaluated in time",
                hint="sample fewer units, or allow more time",
            )
        context = _context(f"rolloutctl-unit-{index}", view)
        for counter, each in zip(counts, view.flags, strict=True):
            found = client.variation_detail(each.flag.key, context, None)
            chosen = found.variation_index
            counter[_ERROR if chosen is None else chosen] += 1
            if counter is counts[0]:
                reasons[_said(found.reason)] += 1
    return counts, reasons


def _said(reason: Mapping[str, Any]) -> str:
    """The SDK's reason in its own words: FALLTHROUGH, RULE_MATCH 2, PREREQUISITE_FAILED llm-on."""
    details = (reason.get(name) for name in ("ruleIndex", "prerequisiteKey", "errorKind"))
    return " ".join([str(reason["kind"]), *(str(each) for each in details if each is not None)])


def _carried(view: View) -> set[str]:
    """What the made-up contexts have; see `_context`."""
    maker = view.flags[0].maker
    return {f"{maker.context_kind}.{name}" for name in ("key", maker.bucket_by or "key")}


def _context(key: str, view: View) -> Any:  # Any: as in _Sdk
    from ldclient import Context  # noqa: PLC0415 - loaded by the client

    maker = view.flags[0].maker
    builder = Context.builder(key).kind(maker.context_kind)
    if maker.bucket_by and maker.bucket_by != "key":
        builder.set(maker.bucket_by, key)
    return builder.build()
