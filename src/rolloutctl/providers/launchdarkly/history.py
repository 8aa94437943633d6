"""Who edited a flag last, and what: one line from the audit log, for drift messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from rolloutctl.clock import Deadline
from rolloutctl.credentials import redact
from rolloutctl.errors import RolloutctlError
from rolloutctl.providers.launchdarkly.api import Api
from rolloutctl.providers.launchdarkly.place import TargetSpec

#: A name is worth this much waiting, not more.
TIMEOUT_S = 2.0
_CHARS_MAX = 200


def last_editor(spec: TargetSpec, flags: Sequence[str]) -> str:
    """`ada@example.com at 2026-01-31T12:00:00Z (llm: updated …)`; empty if nobody tells.

    A name is a courtesy: no error of the audit log stops a rollout, because an observation
    without a name is as true as one with it.
    """
    deadline = Deadline(TIMEOUT_S)
    newest: tuple[int, str] = (0, "")
    for flag in flags:
        try:
            entry = _newest(spec, flag, timeout_s=deadline.remaining_s)
        except RolloutctlError:
            continue
        date = entry.get("date")
        if isinstance(date, int):
            newest = max(newest, (date, _sentence(flag, entry, date)))
    return newest[1]


def _newest(spec: TargetSpec, flag: str, *, timeout_s: float) -> Mapping[str, object]:
    query = {"spec": f"proj/{spec.project}:env/{spec.environment}:flag/{flag}", "limit": "1"}
    found = Api(spec).get("/auditlog", query, timeout_s=timeout_s)
    items = found.get("items") if isinstance(found, Mapping) else None
    for entry in items if isinstance(items, list) else []:
        if isinstance(entry, Mapping):
            return entry
    return {}


def _sentence(flag: str, entry: Mapping[str, object], date_ms: int) -> str:
    try:
        at = datetime.fromtimestamp(date_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        at = "an unknown time"
    what = entry.get("titleVerb") or entry.get("shortDescription") or entry.get("description")
    comment = entry.get("comment")
    said = ", ".join(str(each) for each in (what, comment and f"“{comment}”") if each)
    text = f"{_who(entry)} at {at} ({flag}: {said or 'an edit'})"
    line = redact("".join(c if c.isprintable() else " " for c in text))
    return line if len(line) <= _CHARS_MAX else f"{line[:_CHARS_MAX]}…"


def _who(entry: Mapping[str, object]) -> str:
    """The member, or the token or application that acted for nobody in particular."""
    for part, fields in (
        ("member", ("email", "firstName", "_id")),
        ("token", ("name", "_id")),
        ("app", ("name", "_id")),
        ("subject", ("name",)),
    ):
        found = entry.get(part)
        names = [found.get(name) for name in fields] if isinstance(found, Mapping) else []
        known = next((str(name) for name in names if name), "")
        if known:
            return known if part in {"member", "subject"} else f"{part} {known}"
    return "somebody"
