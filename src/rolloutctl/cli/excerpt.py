"""Reads the line of a playbook that an error points at."""

from __future__ import annotations

from pathlib import Path

#: Larger playbooks are refused anyway; excerpts are not read from them.
EXCERPT_FILE_MAX_BYTES = 4 * 2**20


def line_of(file: str, number: int) -> str | None:
    """Line `number` (from 1) of a file; None where it cannot be read, or there is none."""
    if number < 1:
        return None  # what stands in a journal has a name, and no file of that name
    try:
        with Path(file).open("rb") as stream:
            content = stream.read(EXCERPT_FILE_MAX_BYTES)
    except (OSError, ValueError):
        return None
    if b"\0" in content:
        return None  # a program or an archive; its bytes tell nobody anything
    text = content.decode("utf-8", "replace")
    lines = text.split("\n")
    return lines[number - 1] if number <= len(lines) else None
