"""The floor for `rolloutctl kill`: a bare Typer command with the same file operations.

Reads a flag file, takes one flag's targeting away, replaces the file atomically with fsync
of file and folder, and reads it back. No checks, no lock, no messages.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def kill(path: Path, flag: str) -> None:
    """Brings one flag to its default variant."""
    document = json.loads(path.read_text("utf-8"))
    document["flags"][flag].pop("targeting", None)
    beside = path.with_name(f".{path.name}.new")
    with beside.open("w", encoding="utf-8") as stream:
        json.dump(document, stream, indent=2)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    if "targeting" in json.loads(path.read_text("utf-8"))["flags"][flag]:
        raise SystemExit(20)
    typer.echo(f"{flag} killed")


if __name__ == "__main__":
    app()
