"""Which rollout a word on the command line means: its id, the beginning of it, or no word.

As git does with commits: an id that is written out always wins, a beginning is enough where
it is that of one rollout only, and what is ambiguous is refused with the candidates. Open
rollouts come first: they are what a verb is about.
SAFETY: what goes back or kills is never guessed from no word at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rolloutctl.errors import NotFound, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from rolloutctl.core.ports import Journal, RolloutRow
    from rolloutctl.ui.console import Console

#: Candidates that are named; more are counted.
CANDIDATES_MAX = 10


def rollout_meant(
    word: str, ledger: Journal, console: Console, *, verb: str, may_omit: bool = True
) -> str:
    """The id of the one rollout that is meant; says which, where it was not written out.

    Args:
        word: an id or the beginning of one; "" is the only open rollout.
        ledger: where it is looked for.
        console: is told the id.
        verb: the command, for its messages.
        may_omit: False for what must not be guessed.

    Returns:
        The id. A word that no rollout begins with is returned as it is: opening it says so.

    Raises:
        NotFound: no word, and no rollout is open.
        UsageError: several rollouts are meant, or none may be guessed.
    """
    if word and word in ledger.heads():  # written out, and open: nearly always
        return word
    rows = ledger.rollouts(open_only=not word)
    if not word and not (may_omit and len(rows) == 1):
        raise _unnamed(verb, rows, may_omit=may_omit)
    meant = candidates(word, rows)
    if len(meant) > 1:
        raise ambiguous(word, meant, verb=verb)
    if not meant:
        return word
    rollout_id = meant[0].rollout_id
    if rollout_id != word:
        console.talk(f"rollout {rollout_id}")
    return rollout_id


def candidates(word: str, rows: Sequence[RolloutRow]) -> list[RolloutRow]:
    """The rollouts that `word` may mean: the one of that id, else open ones, else any."""
    exact = [row for row in rows if row.rollout_id == word]
    begun = [row for row in rows if row.rollout_id.startswith(word)]
    return exact or [row for row in begun if row.is_open] or begun


def ambiguous(word: str, meant: Sequence[RolloutRow], *, verb: str) -> UsageError:
    """The refusal of a beginning that several rollouts have."""
    return UsageError(
        f"{verb}: {len(meant)} rollouts begin with {word!r}",
        hint=f"write more of the id; {_named(meant)}",
    )


def _unnamed(verb: str, rows: Sequence[RolloutRow], *, may_omit: bool) -> NotFound | UsageError:
    if not rows:
        return NotFound(
            f"{verb}: no rollout is open",
            hint="rolloutctl list shows those that are over; name one by its id",
        )
    why = f"{len(rows)} are open" if may_omit else "it never guesses one"
    hint = f"rolloutctl {verb} {rows[0].rollout_id}" if len(rows) == 1 else _named(rows)
    return UsageError(f"{verb} needs the id of a rollout: {why}", hint=hint)


def _named(rows: Sequence[RolloutRow]) -> str:
    lines = [
        f"{row.rollout_id}  {'open' if row.is_open else 'over'}, started {_day(row.created_at)}"
        for row in rows[:CANDIDATES_MAX]
    ]
    if len(rows) > CANDIDATES_MAX:
        lines.append(f"and {len(rows) - CANDIDATES_MAX} older ones: rolloutctl list")
    return "\n".join(["one of:", *(f"    {line}" for line in lines)])


def _day(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M")
