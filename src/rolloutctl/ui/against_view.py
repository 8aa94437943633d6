"""What a playbook and its targets changed since a rollout, as text and as a document; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rolloutctl.core.differences import Change, Difference
from rolloutctl.core.exposure import describe
from rolloutctl.ui.documents import exposure_json, time_json
from rolloutctl.ui.table import wrapped

if TYPE_CHECKING:
    from datetime import datetime

    from rolloutctl.core.json_types import Json
    from rolloutctl.core.observation import Observation
    from rolloutctl.core.state import Phase

#: Characters of a value that a line quotes.
VALUE_CHARS_MAX = 120
_MARKS = {Change.ADDED: "+", Change.REMOVED: "-", Change.CHANGED: "~"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """The comparison with a rollout.

    Attributes:
        then: by target, what was seen when that rollout began.
        now: by target, what is seen now; targets that cannot be observed are missing.
    """

    rollout_id: str
    phase: Phase
    began_at: datetime
    differences: Sequence[Difference]
    then: Mapping[str, Observation]
    now: Mapping[str, Observation]


def against_text(against: Against, width: int) -> str:
    """A line a difference; what is the same is one line."""
    began = f"{against.began_at.astimezone():%Y-%m-%d %H:%M:%S}"
    head = f"against {against.rollout_id} ({against.phase}, began {began})"
    lines = [_line(one, width) for one in against.differences] or ["  the same playbook"]
    lines += [_target(name, against, width) for name in against.then]
    return "\n".join([head, *lines])


def against_document(against: Against) -> Mapping[str, Json]:
    """The same for machines."""
    return {
        "rollout": against.rollout_id,
        "phase": against.phase.value,
        "began_at": time_json(against.began_at),
        "same_playbook": not against.differences,
        "differences": [
            {
                "where": one.where,
                "change": one.change.value,
                "before": one.before,
                "after": one.after,
            }
            for one in against.differences
        ],
        "targets": [
            {
                "name": name,
                # null: nothing is known of it now, which is neither the same nor different.
                "same": then.fingerprint == now.fingerprint if now is not None else None,
                "then": _exposure(then),
                "now": _exposure(now) if now is not None else None,
            }
            for name, then in against.then.items()
            for now in (against.now.get(name),)
        ],
    }


def _line(one: Difference, width: int) -> str:
    if one.change is Change.CHANGED:
        said = f"{_value(one.before)} -> {_value(one.after)}"
    else:
        said = _value(one.after if one.change is Change.ADDED else one.before)
    return wrapped(f"  {_MARKS[one.change]} {one.where}: {said}", width, indent="      ")


def _target(name: str, against: Against, width: int) -> str:
    then, now = against.then[name], against.now.get(name)
    if now is None:
        said = f"  ? target {name}: not a target of this playbook, or not readable now"
        return wrapped(said, width, indent="      ")
    if then.fingerprint == now.fingerprint:
        return wrapped(f"  = target {name} is configured as it was then", width, indent="      ")
    was, is_now = _served(then), _served(now)
    said = "its configuration differs" if was == is_now else f"{was} -> {is_now}"
    return wrapped(f"  ~ target {name}: {said}", width, indent="      ")


def _served(observation: Observation) -> str:
    if observation.exposure is None:
        return observation.detail or "neither control nor canary"
    return describe(observation.exposure)


def _exposure(observation: Observation) -> Json:
    return None if observation.exposure is None else exposure_json(observation.exposure)


def _value(value: Json) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_CHARS_MAX else f"{text[: VALUE_CHARS_MAX - 1]}…"
