"""The story of a rollout as Markdown, to quote in a postmortem; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rolloutctl.ui.event_view import local_time
from rolloutctl.ui.explain_view import (
    drawn,
    is_told_in_full,
    numbers_text,
    readings_texts,
    told_lines,
)
from rolloutctl.ui.report.markdown import code, escaped
from rolloutctl.ui.report.telling import who_else

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rolloutctl.core import events as ev
    from rolloutctl.ui.explain_view import Explanation

#: Columns of a drawing: what a page shows without scrolling.
_WIDTH = 80


def explain_markdown(explanation: Explanation) -> str:
    """Each decision with what it followed from, queries and raw numbers; ends in a line break."""
    lines = [f"# Decisions of {escaped(explanation.rollout_id)}", ""]
    for recorded, indent, text in told_lines(explanation):
        lines += _told(explanation, recorded, text, is_inner=bool(indent))
    if explanation.gate:
        lines += ["", "```text", drawn(explanation, _WIDTH).replace("`", "'"), "```"]
    chain = f"BROKEN: {explanation.chain_break}" if explanation.chain_break else "unbroken"
    zone = f"{explanation.records[0].at.astimezone():%Z, from %Y-%m-%d}"
    lines += ["", f"Times are {zone}; the journal's hash chain is {escaped(chain)}."]
    if explanation.is_replayed:
        differ = sum(not one.is_identical for one in explanation.replayed)
        count = len(explanation.replayed)
        lines.append(f"{count} verdicts were computed again; {differ} came out different.")
    return "\n".join(lines) + "\n"


def _told(
    explanation: Explanation, recorded: ev.Recorded, text: str, *, is_inner: bool
) -> Iterator[str]:
    who = who_else(recorded.event, text)
    said = f"{escaped(text)} (event {recorded.seq}{f', {escaped(who)}' if who else ''})"
    at = local_time(recorded.at)
    yield f"  - {at} {said}" if is_inner else f"- **{at}** {said}"
    event = recorded.event
    if is_told_in_full(event, explanation) and "replayed: " not in text:
        numbers = numbers_text(event)
        if numbers:
            yield f"    - numbers: {escaped(numbers)}"
        for query, answer in readings_texts(event):
            yield f"    - asked {code(query)}: {escaped(answer)}"
