"""What a threshold gate carries from one judgement to the next, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from rolloutctl.core.json_types import Json
from rolloutctl.gates.counters import Counters
from rolloutctl.gates.window import Window

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """A failure that lasts: since when, and when it was last seen."""

    since: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Counters last seen, the window of deltas, and a failure that lasts.

    `asked` are the questions it answers. A guardrail outlives a step, and a later step
    may ask about other labels: evidence about those others is not carried over.
    """

    asked: str
    counters: Counters | None = None
    window: Window = field(default_factory=Window)
    failing: Streak | None = None

    def to_json(self) -> Json:
        """JSON with finite numbers and RFC 3339 times."""
        counters: dict[str, Any] | None = None  # Any: JSON of mixed depth
        if self.counters is not None:
            counters = {
                "read_at": self.counters.read_at.isoformat(),
                "last": dict(self.counters.last),
                "gone": {
                    series: [number, seen_at.isoformat()]
                    for series, (number, seen_at) in self.counters.gone.items()
                },
            }
        failing: list[str] | None = None
        if self.failing is not None:
            failing = [self.failing.since.isoformat(), self.failing.seen_at.isoformat()]
        return {
            "version": _VERSION,
            "asked": self.asked,
            "counters": counters,
            "ticks": self.window.to_json(),
            "failing": failing,
        }


def evidence_of(stored: Json, *, asked: str) -> Evidence:
    """The evidence carried over, or none if it answers other questions."""
    if not isinstance(stored, Mapping) or stored.get("version") != _VERSION:
        return Evidence(asked=asked)
    if stored.get("asked") != asked:
        return Evidence(asked=asked)
    row = cast("Mapping[str, Any]", stored)  # written by `to_json` of this version
    counters = row["counters"]
    failing = row["failing"]
    return Evidence(
        asked=asked,
        counters=counters and _counters_of(counters),
        window=Window.from_json(row["ticks"]),
        failing=failing
        and Streak(
            since=datetime.fromisoformat(failing[0]), seen_at=datetime.fromisoformat(failing[1])
        ),
    )


def _counters_of(row: Mapping[str, Any]) -> Counters:  # Any: JSON of mixed depth
    """The reverse of the counters' part of `to_json`."""
    return Counters(
        read_at=datetime.fromisoformat(row["read_at"]),
        last=row["last"],
        gone={
            series: (number, datetime.fromisoformat(seen_at))
            for series, (number, seen_at) in row["gone"].items()
        },
    )
