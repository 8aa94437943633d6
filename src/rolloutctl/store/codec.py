"""Events as versioned JSON: what stands in a journal and what `explain` prints.

An event is `{"kind": CLASS, "v": VERSION, ...fields}`. Adding a field with a default
needs no new version to be read here, but older programs refuse it: unknown fields,
kinds and versions mean "written by a newer rolloutctl", never "ignore what you do not
know", because a fold that skips an event drives the wrong weight.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, get_args

from rolloutctl.core.events import Event, Recorded
from rolloutctl.errors import JournalUnavailable
from rolloutctl.store.shape import TAG, NewerFormat, format_time, parse_time, shape_of

#: `Any` is parsed JSON of an older version, given and returned.
Upgrade = Callable[[dict[str, Any]], dict[str, Any]]

#: Event class -> what turns version n into n + 1, the first entry from 1 to 2. An event's
#: current version is one more than it has entries.
UPGRADES: Mapping[str, tuple[Upgrade, ...]] = {}

#: Every event class by the name that the journal knows it by.
EVENTS: Mapping[str, type] = {cls.__name__: cls for cls in get_args(Event)}

_VERSION = "v"
#: One encoder for all, because `json.dumps` with options builds one per call. Keys keep
#: their order: the classes fix it, and a snapshot must come back as it was.
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"), check_circular=False)


def version_of(kind: str, *, upgrades: Mapping[str, tuple[Upgrade, ...]] = UPGRADES) -> int:
    """The version in which events of this class are written."""
    return len(upgrades.get(kind, ())) + 1


def event_to_json(
    event: Event, *, upgrades: Mapping[str, tuple[Upgrade, ...]] = UPGRADES
) -> dict[str, Any]:
    """JSON of an event. Raises `ValueError`, naming the field, for what JSON cannot say.

    NaN and infinities are refused: a number that is none must not pass for one later.
    """
    kind = type(event).__name__
    if EVENTS.get(kind) is not type(event):
        raise ValueError(f"{kind} is not an event of rolloutctl.core.events")
    head = {TAG: kind, _VERSION: version_of(kind, upgrades=upgrades)}
    return {**head, **shape_of(EVENTS[kind]).encode(event)}


def event_from_json(
    data: Mapping[str, Any], *, upgrades: Mapping[str, tuple[Upgrade, ...]] = UPGRADES
) -> Event:
    """The event that some version wrote, older ones upgraded.

    Raises `JournalUnavailable` when a newer version wrote it, or it is damaged.
    """
    try:
        return _decode(dict(data), upgrades)
    except NewerFormat as error:
        raise JournalUnavailable(
            f"an event was written by a newer rolloutctl: {error}",
            hint="run the version that wrote it, or upgrade this one; nothing was changed",
        ) from error
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise JournalUnavailable(
            f"an event in the journal is damaged: {error}",
            hint="restore the journal from a backup; nothing was changed",
        ) from error


def _decode(data: dict[str, Any], upgrades: Mapping[str, tuple[Upgrade, ...]]) -> Event:
    kind, version = data.pop(TAG), data.pop(_VERSION)
    if kind not in EVENTS:
        raise NewerFormat(f"unknown event {kind!r:.80}")
    current = version_of(kind, upgrades=upgrades)
    if type(version) is not int or version < 1:
        raise ValueError(f"{kind} has version {version!r:.80}")
    if version > current:
        raise NewerFormat(f"{kind} has version {version}, this program knows {current}")
    for upgrade in upgrades.get(kind, ())[version - 1 :]:
        data = upgrade(data)
    event: Event = shape_of(EVENTS[kind]).decode(data)
    return event


def event_to_text(event: Event) -> str:
    """Compact ASCII JSON, the same for equal events; what the hash chain covers."""
    return _ENCODER.encode(event_to_json(event))


def event_from_text(text: str) -> Event:
    """The reverse of `event_to_text`. Raises `JournalUnavailable`."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise JournalUnavailable(
            f"an event in the journal is not JSON: {error}",
            hint="restore the journal from a backup; nothing was changed",
        ) from error
    return event_from_json(data if isinstance(data, dict) else {})


def time_from_text(text: str) -> datetime:
    """A time that stands in the journal. Raises `JournalUnavailable` if it is damaged."""
    try:
        return parse_time(text)
    except ValueError as error:
        raise JournalUnavailable(
            f"a time in the journal is damaged: {error}",
            hint="restore the journal from a backup; nothing was changed",
        ) from error


def recorded_to_json(recorded: Recorded) -> dict[str, Any]:
    """An event in its place: `{"seq": 7, "at": "…Z", "event": {…}}`."""
    return {
        "seq": recorded.seq,
        "at": format_time(recorded.at),
        "event": event_to_json(recorded.event),
    }
