"""Plain text tables that stay within the width they are given; pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

#: Spaces between columns.
GAP = 2
#: A column that must give way keeps at least this many characters.
COLUMN_MIN = 8
#: And room for its longest word, unless that is an address, which sticks out in any case.
WORD_MAX = 20


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    """Rows under headers; cells wrap, widest columns first, until the width is kept."""
    widths = _fitted(headers, rows, width)
    lines = [_line(headers, widths)]
    for row in rows:
        cells = [_wrapped(cell, size) for cell, size in zip(row, widths, strict=True)]
        height = max(len(cell) for cell in cells)
        lines += [
            _line([cell[i] if i < len(cell) else "" for cell in cells], widths)
            for i in range(height)
        ]
    return "\n".join(lines)


def wrapped(text: str, width: int, *, indent: str = "") -> str:
    """`text` folded to `width`, following lines under the first one's `indent`."""
    return "\n".join(
        textwrap.wrap(
            text,
            max(width, COLUMN_MIN),
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def _fitted(headers: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Widths that keep the table within `width`: first between words, then through them."""
    columns = list(zip(headers, *rows, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    words = [
        max(len(word) for cell in column for word in ("", *cell.split())) for column in columns
    ]
    room = width - GAP * (len(widths) - 1)
    kept = [max(min(size, WORD_MAX), COLUMN_MIN) for size in words]
    for floors in (kept, [COLUMN_MIN] * len(widths)):
        while sum(widths) > room:
            spare = [
                size if size > floor else 0 for size, floor in zip(widths, floors, strict=True)
            ]
            if not any(spare):
                break
            widths[spare.index(max(spare))] -= 1
    return widths


def _wrapped(cell: str, size: int) -> list[str]:
    # Addresses and names are copied from here: a long word sticks out rather than break.
    return textwrap.wrap(cell, size, break_on_hyphens=False, break_long_words=False) or [""]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(size) for cell, size in zip(cells, widths, strict=True)]
    return (" " * GAP).join(padded).rstrip()
