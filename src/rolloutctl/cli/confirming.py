"""A question before a write: `yes` goes on, `no` ends, anything else is asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rolloutctl.ui.console import Console

#: How often somebody is asked who answers neither yes nor no.
TRIES = 3
_NO = frozenset({"no", "n"})


def is_confirmed(console: Console, question: str) -> bool:
    """Whether the person at the terminal typed `yes`; a closed terminal says no.

    A single letter is never enough for a write in production, but it is no refusal either.
    """
    console.talk(f"{question} Only `yes` is accepted: ")
    for tries_left in range(TRIES - 1, -1, -1):
        line = console.answer()
        word = line.strip().lower()
        if word == "yes" or not line or word in _NO:
            return word == "yes"
        if tries_left:
            console.talk(f"{line.strip()!r} is neither; type `yes` in full to go on, `no` to end: ")
    return False
