"""What each target is to serve, what it was seen to serve, and how sure that is; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.text import Text

from rolloutctl.core.effects import Expose, Restore, target_of
from rolloutctl.core.exposure import Exposure, describe
from rolloutctl.core.state import Phase, RolloutState, TargetState
from rolloutctl.core.units import format_duration
from rolloutctl.core.verdict import Outcome
from rolloutctl.core.view import View
from rolloutctl.ui.event_view import local_time, seen
from rolloutctl.ui.live_scene import (
    BAD,
    DONE,
    GAP,
    INDENT,
    NOT_YET,
    OPEN,
    SILENT,
    Mark,
    Scene,
    fitted,
    indented,
    line,
    padded,
)
from rolloutctl.ui.target_view import served_now, target_notes

_HEAD = ("TARGET", "INTENDED", "OBSERVED", "VERIFIED")
#: No name pushes the numbers off the screen.
_NAME_MAX = 24
_EXPOSURE_MAX = 30
#: Seconds become minutes: nothing beside them may move.
_VERIFIED_MIN = 20
#: A bar of the canary's share, where there is room for it.
_BAR = 20
#: Columns before it, where there is room.
_BAR_GAP = 8
_BAR_FROM_WIDTH = 90
_FULL_BP = 10_000
#: The kind of gates that ask the vendor's SDK what a target serves.
_SDK_GATES = "exposure"
#: Lines of what is wrong with a target.
_NOTE_ROWS = 3


class _Row(NamedTuple):
    """One target's cells."""

    name: str
    intended: str
    observed: str
    mark: Mark
    verified: str
    share: float


def target_lines(scene: Scene, width: int) -> list[Text]:
    """A head, a line a target, and under it what is wrong with it."""
    view = scene.standing.view
    rows = [_row(scene, target) for target in view.state.targets.values()]
    sizes = _sizes(rows)
    bar_at = min(_widest(rows, sizes) + _BAR_GAP, width - _BAR)
    if width < _BAR_FROM_WIDTH or bar_at < _widest(rows, sizes) + GAP:
        bar_at = 0
    lines = [_head(sizes, width, bar_at=bar_at)]
    for target, row in zip(view.state.targets.values(), rows, strict=True):
        lines.append(_drawn(row, sizes, width, bar_at=bar_at))
        notes = target_notes(view.state, target, scene.standing.history)
        for note in notes:
            said = indented(note, width, rows=_NOTE_ROWS, sign="  ! ")
            lines += [
                fitted(line((one[:INDENT], "bold yellow"), one[INDENT:]), width) for one in said
            ]
    return lines


def _row(scene: Scene, target: TargetState) -> _Row:
    view = scene.standing.view
    mark, verified = _verified(view, target)
    served = served_now(target)
    observed = _said(target)
    return _Row(
        name=target.name,
        intended=_intended(view, target),
        observed=observed,
        mark=mark,
        verified=verified,
        share=served.canary_bp / _FULL_BP if served is not None else 0.0,
    )


def _said(target: TargetState) -> str:
    if target.drift is not None:
        return seen(target.drift)
    return describe(target.exposure) if target.exposure is not None else "unknown"


def _intended(view: View, target: TargetState) -> str:
    """What it is to serve: what is being written, or is planned, or was written last."""
    state = view.state
    if state.phase in {Phase.KILLING, Phase.KILLED} or state.killed_at is not None:
        return "control only"
    if state.phase in _BACK or (state.phase is Phase.STUCK and state.rollback is not None):
        return "as before"
    wanted = _planned(view, target.name) or target.wanted or target.exposure
    return describe(wanted) if wanted is not None else "unknown"


_BACK = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK})


def _planned(view: View, name: str) -> Exposure | None:
    """What the step, or the write under way, makes of the target."""
    for intent in view.state.open.values():
        effect = intent.intended.effect
        if isinstance(effect, Expose) and effect.target == name:
            return effect.exposure
    for _, effect in reversed(view.plan):
        if isinstance(effect, Expose) and effect.target == name:
            return effect.exposure
    return None


def _verified(view: View, target: TargetState) -> tuple[Mark, str]:
    state = view.state
    kill = state.kills.get(target.name)
    if kill is not None:
        return (DONE, "zero, confirmed") if kill.confirmed else (BAD, "NOT confirmed")
    if target.drift is not None:
        return BAD, f"edited by {target.drift.editor or 'another hand'}"
    if target.name in state.stuck_targets:
        return BAD, "NOT confirmed"
    if state.phase in _BACK and target.is_settled:
        return DONE, "as before, confirmed"
    if _is_writing(state, target.name):
        return OPEN, "writing"
    if target.last_error:
        return SILENT, "cannot be confirmed now"
    if state.phase in _BACK and target.restored_at is not None:
        return OPEN, f"seen {local_time(target.restored_at)}, settling"
    if target.is_outside_killed:
        return DONE, "zero by another hand, kept"
    return _read_back(view, target)


def _read_back(view: View, target: TargetState) -> tuple[Mark, str]:
    """When it was last read; only the driver itself knows of looks that changed nothing."""
    if not target.is_written:
        return NOT_YET, "not written yet"
    if _missing(view, target.name):
        return OPEN, "not in force yet"
    if target.observed_at is None:
        said = "read back as intended"
    else:
        age_s = (view.now - target.observed_at).total_seconds()
        said = f"read back {format_duration(max(1.0, age_s))} ago"
    return _by_sdk(view, target.name, said)


def _by_sdk(view: View, name: str, said: str) -> tuple[Mark, str]:
    """With what the vendor's SDK says of the target, where the playbook has it asked."""
    for gate in view.step_gates:
        record = view.record(gate) if (gate.kind, gate.target) == (_SDK_GATES, name) else None
        if record is None:
            continue
        outcome = record.verdict.outcome
        match outcome:
            case Outcome.PASS:
                return DONE, f"{said}, the SDK agrees"
            case Outcome.FAIL:
                return BAD, "the SDK serves another share"
            case _:
                return OPEN, f"{said}, by SDK: {outcome}"
    return DONE, said


def _missing(view: View, name: str) -> bool:
    """The step has a write on this target that nobody has seen in force."""
    progress = view.state.step
    if progress is None or view.state.phase not in {Phase.RUNNING, Phase.PAUSED}:
        return False
    return any(target_of(e) == name and key not in progress.done for key, e in view.plan)


def _is_writing(state: RolloutState, name: str) -> bool:
    effects = [intent.intended.effect for intent in state.open.values()]
    return any(isinstance(e, Expose | Restore) and e.target == name for e in effects)


def _sizes(rows: Sequence[_Row]) -> tuple[int, int, int]:
    names = [len(_HEAD[0]), *(len(row.name) for row in rows)]
    intended = [len(_HEAD[1]), *(len(row.intended) for row in rows)]
    observed = [len(_HEAD[2]), *(len(row.observed) for row in rows)]
    return (
        min(_NAME_MAX, max(names)),
        min(_EXPOSURE_MAX, max(intended)),
        min(_EXPOSURE_MAX, max(observed)),
    )


def _widest(rows: Sequence[_Row], sizes: tuple[int, int, int]) -> int:
    return GAP * 4 + sum(sizes) + max(_VERIFIED_MIN, *(len(row.verified) for row in rows))


def _head(sizes: tuple[int, int, int], width: int, *, bar_at: int) -> Text:
    cells = [padded(word, size + GAP) for word, size in zip(_HEAD, sizes, strict=False)]
    text = line(("  ", ""), ("".join(cells) + _HEAD[3], "dim"))
    if bar_at:
        text.append(" " * (bar_at - text.cell_len))
        text.append(f"{'CANARY 0%':<{_BAR - 4}}100%", style="dim")
    return fitted(text, width)


def _drawn(row: _Row, sizes: tuple[int, int, int], width: int, *, bar_at: int) -> Text:
    is_as_intended = row.observed == row.intended or row.mark is DONE
    text = line(
        (f"{row.mark.sign} ", row.mark.style),
        (padded(row.name, sizes[0] + GAP), "bold"),
        padded(row.intended, sizes[1] + GAP),
        (padded(row.observed, sizes[2] + GAP), "" if is_as_intended else "bold yellow"),
        (row.verified, "" if row.mark is DONE else row.mark.style),
    )
    if bar_at:
        filled = max(1, round(row.share * _BAR)) if row.share > 0 else 0
        text.append(" " * (bar_at - text.cell_len))
        text.append("━" * filled, style="cyan")
        text.append("─" * (_BAR - filled), style="dim")
    return fitted(text, width)
