"""What a driver saw last, for those who look on: beside the journal, and not part of it.

A judgement that changes nothing is recorded every five minutes only; whoever looks on from
another terminal wants the numbers of now. So the driver leaves them in a small file a rollout,
written at once and without waiting for the disk. SAFETY: nothing is ever decided on it; it is
shown only where it belongs to exactly the journal's state; a file that is missing, old, torn
or forged costs nothing but a number on a screen.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from rolloutctl.core import events as ev
from rolloutctl.core.evolve import evolve
from rolloutctl.core.machine import judged, observed
from rolloutctl.core.state import RolloutState
from rolloutctl.errors import JournalUnavailable
from rolloutctl.store.codec import event_from_text, event_to_text, time_from_text
from rolloutctl.store.shape import format_time

#: A rollout's glance is written at most this often, in seconds.
WRITE_S = 1.0
#: A glance is never larger; one that is, is not read.
SIZE_MAX_BYTES = 1_000_000
_VERSION = 1
_SUFFIX = ".live"


@dataclass(slots=True)
class Glances:
    """The glances beside one journal.

    Args:
        journal: the journal's file.
    """

    journal: Path
    _written_at: dict[str, datetime] = field(default_factory=dict)

    def leave(self, state: RolloutState, now: datetime) -> None:
        """Writes what is known now; too soon after the last one, or not possible: nothing."""
        last = self._written_at.get(state.rollout_id)
        if last is not None and 0 <= (now - last).total_seconds() < WRITE_S:
            return
        self._written_at[state.rollout_id] = now
        path = self._path(state.rollout_id)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            draft.write_text(_text(state, now), "utf-8")
            draft.replace(path)

    def remove(self, rollout_id: str) -> None:
        """Nobody drives it from here any more."""
        self._written_at.pop(rollout_id, None)
        path = self._path(rollout_id)
        with suppress(OSError):
            path.unlink()
            path.parent.rmdir()  # as long as others are driven it is not empty, and stays

    def laid_over(self, state: RolloutState) -> tuple[RolloutState, datetime | None]:
        """The state with what its driver saw since, and when that was written.

        The state as it is, and None, where there is no glance of exactly this state.
        """
        try:
            with self._path(state.rollout_id).open(encoding="utf-8") as file:
                lines = file.read(SIZE_MAX_BYTES).splitlines()
            return _laid_over(state, lines)
        except (OSError, ValueError, KeyError, TypeError, JournalUnavailable):
            return state, None

    def _path(self, rollout_id: str) -> Path:
        folder = self.journal.with_name(f"{self.journal.name}{_SUFFIX}")
        return folder / f"{quote(rollout_id, safe='')}.json"


def _text(state: RolloutState, now: datetime) -> str:
    """A head, and a line a gate; evidence is for judging, not for looking."""
    head = {
        "version": _VERSION,
        "seq": state.seq,
        "epoch": state.epoch,
        "at": format_time(now),
        "observed": {
            target.name: format_time(target.observed_at)
            for target in state.targets.values()
            if target.observed_at is not None
        },
    }
    gates = [
        event_to_text(
            ev.GateJudged(
                gate=name,
                step=state.steps_left,
                record=evolve(record, evidence=None),
                readings=(),
            )
        )
        for name, record in state.gates.items()
    ]
    return "\n".join([json.dumps(head), *gates])


def _laid_over(state: RolloutState, lines: list[str]) -> tuple[RolloutState, datetime | None]:
    head = json.loads(lines[0]) if lines else {}
    is_of_this = (head["version"], head["seq"], head["epoch"]) == (
        _VERSION,
        state.seq,
        state.epoch,
    )
    if not is_of_this:
        return state, None
    events = [event_from_text(line) for line in lines[1:]]
    shown = judged(state, [one for one in events if isinstance(one, ev.GateJudged)])
    for name, at in head["observed"].items():
        if name in shown.targets:
            shown = observed(shown, name, time_from_text(at), is_seen=False)
    return shown, time_from_text(head["at"])
