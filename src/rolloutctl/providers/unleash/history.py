"""Who edited a flag last, and what: one line from Unleash's event log, for drift messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rolloutctl.clock import Deadline
from rolloutctl.credentials import redact
from rolloutctl.errors import RolloutctlError
from rolloutctl.providers.unleash.api import Api
from rolloutctl.providers.unleash.place import TargetSpec

#: Newest events looked at; those of other environments are skipped.
EVENTS_MAX = 20
#: A name is worth this much waiting, not more.
TIMEOUT_S = 2.0
_CHARS_MAX = 200


def last_editor(spec: TargetSpec, flags: Sequence[str]) -> str:
    """`admin at 2026-01-31T12:00:00Z (llm: rollout 5 -> 30)`; empty if Unleash does not tell.

    A name is a courtesy: no error of the event log stops a rollout, because an observation
    without a name is as true as one with it.
    """
    deadline = Deadline(TIMEOUT_S)
    newest: tuple[str, str] = ("", "")
    for flag in flags:
        try:
            event = _newest(spec, flag, timeout_s=deadline.remaining_s)
        except RolloutctlError:
            continue
        if event is not None:
            newest = max(newest, (str(event.get("createdAt", "")), _sentence(flag, event)))
    return newest[1]


def _newest(spec: TargetSpec, flag: str, *, timeout_s: float) -> Mapping[str, object] | None:
    # Without the operator `IS:` the server answers 400.
    query = {"feature": f"IS:{flag}", "limit": str(EVENTS_MAX), "offset": "0"}
    found = Api(spec).get("/search/events", query, timeout_s=timeout_s)
    events = found.get("events") if isinstance(found, Mapping) else None
    for event in events if isinstance(events, list) else []:
        if isinstance(event, Mapping) and event.get("environment") in {None, spec.environment}:
            return event
    return None


def _sentence(flag: str, event: Mapping[str, object]) -> str:
    at = str(event.get("createdAt", "")).partition(".")[0]
    what = _change(event) or str(event.get("label") or event.get("type") or "an edit")
    text = f"{event.get('createdBy')} at {at}Z ({flag}: {what})"
    line = redact("".join(c if c.isprintable() else " " for c in text))
    return line if len(line) <= _CHARS_MAX else f"{line[:_CHARS_MAX]}…"


def _change(event: Mapping[str, object]) -> str:
    """What is different between the event's two states of a strategy, in few words."""
    before, after = event.get("preData"), event.get("data")
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return ""
    said = []
    was, now = _rollout(before), _rollout(after)
    if was != now:
        said.append(f"rollout {was} -> {now}")
    if _weights(before) != _weights(after):
        said.append(f"variants {_weights(before) or 'none'} -> {_weights(after) or 'none'}")
    others = ("constraints", "segments", "disabled", "title")
    said += [f"{name} changed" for name in others if before.get(name) != after.get(name)]
    return ", ".join(said)


def _rollout(strategy: Mapping[str, object]) -> str:
    parameters = strategy.get("parameters")
    return str(parameters.get("rollout", "none")) if isinstance(parameters, Mapping) else "none"


def _weights(strategy: Mapping[str, object]) -> str:
    variants = strategy.get("variants")
    found = variants if isinstance(variants, list) else []
    pairs = [(e.get("name"), e.get("weight")) for e in found if isinstance(e, Mapping)]
    return ", ".join(f"{name} {weight}" for name, weight in pairs)
