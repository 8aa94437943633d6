"""What a threshold gate carries from one judgement to the next, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from rolloutctl.core.json_types import Json
from rolloutctl.gates.counters import Counters
from rolloutctl.gates.window import Window

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """A failure that lasts: since when, and when it was last seen; seconds since the epoch."""

    since_s: float
    seen_at_s: float


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
        """JSON with finite numbers only."""
        counters: Json = None
        if self.counters is not None:
            counters = [self.counters.read_at_s, self.counters.last, self.counters.gone]
        failing: Json = None
        if self.failing is not None:
            failing = [self.failing.since_s, self.failing.seen_at_s]
        carried = _Carried(
            {
                "version": _VERSION,
                "asked": self.asked,
                "counters": counters,
                "ticks": self.window.to_json(),
                "failing": failing,
            }
        )
        carried.evidence = self
        return carried


class _Carried(dict[str, Any]):  # Any: JSON of mixed type
    """Evidence as JSON that remembers what it was written from.

    Within a process the next judgement then reads nothing back. It is never changed, so
    both stay equal; from the journal comes a plain mapping, which is read.
    """

    __slots__ = ("evidence",)

    evidence: Evidence


def evidence_of(stored: Json, *, asked: str) -> Evidence:
    """The evidence carried over, or none if it answers other questions."""
    if isinstance(stored, _Carried):
        return stored.evidence if stored.evidence.asked == asked else Evidence(asked=asked)
    if not isinstance(stored, Mapping) or stored.get("version") != _VERSION:
        return Evidence(asked=asked)
    if stored.get("asked") != asked:
        return Evidence(asked=asked)
    row = cast("Mapping[str, Any]", stored)  # written by `to_json` of this version
    counters, failing = row["counters"], row["failing"]
    return Evidence(
        asked=asked,
        counters=counters and _counters_of(*counters),
        window=Window.from_json(row["ticks"]),
        failing=failing and Streak(since_s=failing[0], seen_at_s=failing[1]),
    )


def _counters_of(
    read_at_s: float, last: Mapping[str, float], gone: Mapping[str, tuple[float, float]]
) -> Counters:
    """The reverse of the counters' part of `to_json`."""
    return Counters(read_at_s=read_at_s, last=last, gone=gone)
