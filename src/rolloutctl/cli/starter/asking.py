"""Questions with a default, asked of a person at a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from rolloutctl.errors import UsageError

if TYPE_CHECKING:
    from rolloutctl.ui.console import Console

#: How often somebody is asked whose answer is none.
TRIES = 3

Choice = TypeVar("Choice", bound=StrEnum)


def ask(console: Console, question: str, default: str) -> str:
    """One line; an empty one, or a closed terminal, is the default."""
    console.talk(f"{question} [{default}]: ")
    return console.answer().strip() or default


def ask_choice(
    console: Console, question: str, choices: Sequence[tuple[Choice, str]], default: Choice
) -> Choice:
    """One of several, by its name, the beginning of it, or its number.

    Raises `UsageError` after three answers that name none.
    """
    lines = [f"  {n} {one.value:<18} {meaning}" for n, (one, meaning) in enumerate(choices, 1)]
    console.talk("\n".join([question, *lines]))
    for _ in range(TRIES):
        word = ask(console, "which one?", default.value).lower()
        found = [
            one
            for n, (one, _) in enumerate(choices, 1)
            if word in (str(n), one.value) or one.value.startswith(word)
        ]
        exact = [one for one in found if one.value == word]
        if len(exact or found) == 1:
            return (exact or found)[0]
        console.talk(f"{word!r} is none of them, or more than one")
    raise UsageError(
        f"no answer to: {question}",
        hint=f"one of {', '.join(one.value for one, _ in choices)}",
    )
