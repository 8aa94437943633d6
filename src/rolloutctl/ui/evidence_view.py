"""The path of each statistical gate's evidence as a line of text; pure.

Drawn on a logarithmic scale from 1, where nothing speaks against the canary, to the limit at
which the gate fails: evidence multiplies from look to look. Recorded judgements only: a
verdict that stays the same is recorded every five minutes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rolloutctl.core import events as ev
from rolloutctl.ui.event_view import local_time
from rolloutctl.ui.table import table

#: From nothing to the limit.
BLOCKS = "▁▂▃▄▅▆▇█"
#: Columns of a drawn path; several judgements share one, and the highest is drawn.
PATH_COLUMNS = 32


class _Look(NamedTuple):
    """One recorded judgement of a gate that weighs evidence against a limit."""

    record: ev.Recorded
    evidence: float
    limit: float


def evidence_text(records: Iterable[ev.Recorded], width: int) -> str:
    """One row a gate with evidence: its path, and the highest value; "" without any."""
    looks: dict[str, list[_Look]] = {}
    for record in records:
        if isinstance(record.event, ev.GateJudged):
            look = _look(record, record.event)
            if look is not None:
                looks.setdefault(record.event.gate, []).append(look)
    if not looks:
        return ""
    rows = [(gate, path_of(found), _highest(found)) for gate, found in looks.items()]
    head = f"{BLOCKS[0]} is 1: nothing, {BLOCKS[-1]} the limit"
    return table(("EVIDENCE", head, "HIGHEST"), rows, width)


def path_of(looks: Sequence[_Look]) -> str:
    """At most `PATH_COLUMNS` blocks, the highest look of each part of the path."""
    columns = min(len(looks), PATH_COLUMNS)
    parts = [
        looks[index * len(looks) // columns : (index + 1) * len(looks) // columns]
        for index in range(columns)
    ]
    return "".join(BLOCKS[max(_level(look) for look in part)] for part in parts)


def _look(record: ev.Recorded, event: ev.GateJudged) -> _Look | None:
    numbers = dict(event.record.measured.numbers)
    evidence, limit = numbers.get("evidence"), numbers.get("limit")
    if evidence is None or limit is None or not limit > 1 or math.isnan(evidence):
        return None
    return _Look(record, evidence, limit)


def share_of_way(evidence: float, limit: float) -> float:
    """How far evidence is on its way to the limit: 0 at 1 and below, 1 from the limit on."""
    return 1.0 if evidence >= limit else math.log(max(evidence, 1.0)) / math.log(limit)


def block_of(share: float) -> str:
    """A block for a share of 0..1; the last one only from 1 on."""
    return BLOCKS[level_of(share)]


def level_of(share: float) -> int:
    """The number of the block for a share of 0..1."""
    highest = len(BLOCKS) - 1
    return highest if share >= 1 else min(highest - 1, max(0, int(share * highest)))


def _level(look: _Look) -> int:
    return level_of(share_of_way(look.evidence, look.limit))


def _highest(looks: Sequence[_Look]) -> str:
    highest = max(looks, key=lambda look: look.evidence)
    return f"{highest.evidence:.3g} of {highest.limit:g} at {local_time(highest.record.at)}"
