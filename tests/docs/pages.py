"""Finds the pages of the documentation, and the blocks of code in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block: `language` is empty if none was named."""

    page: Path
    language: str
    text: str

    @property
    def title(self) -> str:
        """Page and first line, for the name of a test."""
        return f"{self.page.name}: {self.text.splitlines()[0][:40] if self.text else ''}"


def pages() -> list[Path]:
    """Every page that a user reads."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "playbooks/README.md")]
    return [*top, *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """The blocks of a page, all or those of one language."""
    found = [
        Block(page=page, language=match.group(1), text=match.group(2))
        for match in _BLOCK.finditer(page.read_text("utf-8"))
    ]
    return [block for block in found if language in (None, block.language)]
