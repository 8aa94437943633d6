"""Asks the flag file as an application does: the OpenFeature SDK with flagd's provider."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rolloutctl.clock import Deadline, monotonic_s
from rolloutctl.core.exposure import CANARY, CONTROL
from rolloutctl.core.json_types import Json
from rolloutctl.core.observation import ArmCounts
from rolloutctl.core.playbook import Target
from rolloutctl.errors import Rejected, Unavailable
from rolloutctl.providers.flagd_file.flag import SHADOW, Flag
from rolloutctl.providers.flagd_file.place import real_path
from rolloutctl.providers.flagd_file.reading import read_target, view_of
from rolloutctl.providers.flagd_file.targeting import Split, attributes_of

#: More units than this tell nothing that fewer do not.
UNITS_MAX = 1_000_000
#: Milliseconds between the SDK's looks at the file; its thread ends within one of them.
POLL_MS = 20
#: Evaluations between two looks at the time.
UNITS_PER_LOOK = 500
#: The SDK's thread sleeps POLL_MS at most before it sees that it should end.
THREAD_END_S = 1.0
#: The SDK's registry is global and never forgets a name: one name, one sample at a time.
_DOMAIN = "rolloutctl-sample"
_ONE_AT_A_TIME = threading.Lock()
#: Without a handler of its own, logging prints the SDK's errors on stderr.
_SILENCE = logging.NullHandler()

#: An OpenFeature client's method for one type of value; the SDK has no common type for them.
Evaluate = Callable[..., Any]


def sample(target: Target, units: int, *, timeout_s: float) -> ArmCounts:
    """Evaluates both flags for `units` made-up units.

    The units are named rolloutctl-unit-0, -1, …; the attributes that the flag's bucketing
    expression reads carry the same name. Raises `Rejected` if the SDK refuses the file,
    `Unavailable` if the time is over.
    """
    if not 0 < units <= UNITS_MAX:
        raise Rejected(f"{units} units cannot be sampled", hint=f"ask for 1 to {UNITS_MAX}")
    deadline = Deadline(timeout_s)
    view = view_of(read_target(target), target)
    flags = [view.flag, *([view.shadow] if view.shadow else [])]
    if not _ONE_AT_A_TIME.acquire(timeout=max(deadline.remaining_s, 0)):
        raise Unavailable(f"another sample took longer than {timeout_s:g} s")
    try:
        began_s = monotonic_s()
        with _client(real_path(target)) as client:
            loaded_s = monotonic_s() - began_s
            counts, errors = _count(client, flags, units, deadline)
    finally:
        _ONE_AT_A_TIME.release()
    main = counts[0]
    other = sum(main.values()) - main[view.arms.control] - main[view.arms.canary]
    return ArmCounts(
        units=units,
        arms=((CONTROL, main[view.arms.control]), (CANARY, main[view.arms.canary])),
        shadow=counts[1][SHADOW.canary] if view.shadow else 0,
        other=other,
        errors=errors,
        propagation_s=loaded_s,
        context=tuple(sorted({name for flag in flags for name in _needed(flag)})),
    )


def _count(
    client: Any,  # openfeature ships no types that mypy follows here
    flags: list[Flag],
    units: int,
    deadline: Deadline,
) -> tuple[list[Counter[str]], int]:
    from openfeature.evaluation_context import EvaluationContext  # noqa: PLC0415 - first use

    asked = [(flag.name, *_evaluation(client, flag)) for flag in flags]
    names = sorted({name for flag in flags for name in _attribute_names(flag)})
    counts: list[Counter[str]] = [Counter() for _ in flags]
    errors = 0
    for index in range(units):
        if index % UNITS_PER_LOOK == 0 and deadline.remaining_s <= 0:
            raise Unavailable(
                f"only {index} of {units} units were evaluated in time",
                hint="sample fewer units, or allow more time",
            )
        unit = f"rolloutctl-unit-{index}"
        context = EvaluationContext(targeting_key=unit, attributes=_attributes(names, unit))
        for counter, (name, evaluate, default) in zip(counts, asked, strict=True):
            details = evaluate(name, default, context)
            if details.error_code is not None:
                errors += 1
            else:
                counter[details.variant or ""] += 1
    return counts, errors


def _needed(flag: Flag) -> Iterator[str]:
    """What a unit must carry to be bucketed; a unit without it gets the defaultVariant."""
    rule = flag.targeting
    if isinstance(rule, Split) and rule.bucketing is None:
        yield "targetingKey"
    elif isinstance(rule, Split):
        yield from (name for name in attributes_of(rule.bucketing) if name and name[0] != "$")


def _attribute_names(flag: Flag) -> Iterator[str]:
    rule = flag.targeting
    if isinstance(rule, Split) and rule.bucketing is not None:
        for name in attributes_of(rule.bucketing):
            if name and name != "targetingKey" and not name.startswith("$flagd"):
                yield name


def _attributes(names: list[str], unit: str) -> dict[str, Any]:
    """`user.id` becomes {"user": {"id": unit}}, as JSONLogic's `var` reads it."""
    attributes: dict[str, Any] = {}
    for name in names:
        *path, leaf = name.split(".")
        place = attributes
        for part in path:
            place = place.setdefault(part, {})
        place[leaf] = unit
    return attributes


def _evaluation(client: Any, flag: Flag) -> tuple[Evaluate, Json]:  # Any: as in _count
    """The client's method for the flag's type of value, and a default of that type."""
    value = flag.variants.get(flag.default or "", next(iter(flag.variants.values()), ""))
    if isinstance(value, bool):
        return client.get_boolean_details, False
    if isinstance(value, int | float):
        return client.get_float_details, 0.0
    if isinstance(value, str):
        return client.get_string_details, ""
    return client.get_object_details, {}


@contextmanager
def _client(path: Path) -> Iterator[Any]:  # Any: as in _count
    """A client whose provider has read the file; its thread has ended afterwards."""
    from openfeature import api  # noqa: PLC0415 - first use
    from openfeature.contrib.provider.flagd import FlagdProvider  # noqa: PLC0415 - first use
    from openfeature.contrib.provider.flagd.config import ResolverType  # noqa: PLC0415 - first use
    from openfeature.exception import OpenFeatureError  # noqa: PLC0415 - first use
    from openfeature.provider.no_op_provider import NoOpProvider  # noqa: PLC0415 - first use

    logging.getLogger("openfeature").addHandler(_SILENCE)
    provider = FlagdProvider(
        resolver_type=ResolverType.FILE, offline_flag_source_path=str(path), deadline_ms=POLL_MS
    )
    try:
        try:
            api.set_provider_and_wait(provider, _DOMAIN)
        except OpenFeatureError as error:
            raise Rejected(
                f"the OpenFeature SDK refuses {path}: {error.__cause__ or error}",
                hint="correct the file; running applications keep the flags they read before",
            ) from error
        yield api.get_client(_DOMAIN)
    finally:
        provider.shutdown()
        api.set_provider_and_wait(NoOpProvider(), _DOMAIN)
        _join(provider)


def _join(provider: Any) -> None:  # Any: the thread is no part of the SDK's public types
    thread = getattr(getattr(provider.resolver, "connector", None), "thread", None)
    if isinstance(thread, threading.Thread):
        thread.join(timeout=THREAD_END_S)
