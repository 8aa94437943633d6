"""Collects every problem of a document, so that one run tells them all."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from rolloutctl.core.document import Node
from rolloutctl.errors import InvalidPlaybook, Problem

#: Problems after which reading stops: nobody corrects more in one go.
PROBLEMS_MAX = 200
#: Characters of the document quoted in a problem.
OFFENDING_MAX_CHARS = 80
#: Known names listed in one message.
LISTED_MAX = 20
#: Longer words and longer lists get no suggestion: difflib is quadratic.
SUGGEST_MAX_CHARS = 64
SUGGEST_MAX_NAMES = 500


class Report:
    """The problems found so far in one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._problems: list[Problem] = []

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Errors and warnings in the order of the document, without repeats."""
        unique = dict.fromkeys(self._problems)
        return tuple(sorted(unique, key=lambda problem: (problem.line, problem.column)))

    @property
    def has_errors(self) -> bool:
        """Whether anything found makes the document unusable."""
        return any(problem.severity == "error" for problem in self._problems)

    def has_error_at(self, node: Node) -> bool:
        """Whether an error was told of this very place."""
        place = (node.line, node.column)
        return any(
            problem.severity == "error" and (problem.line, problem.column) == place
            for problem in self._problems
        )

    def error(self, at: Node, message: str, *, fix: str = "", offending: str | None = None) -> None:
        """Adds an error. Raises `InvalidPlaybook` at the `PROBLEMS_MAX`-th problem."""
        self._add(at, message, fix=fix, offending=offending, severity="error")

    def warning(self, at: Node, message: str, *, fix: str = "") -> None:
        """Adds a warning: the document can be used, but somebody should look."""
        self._add(at, message, fix=fix, offending=None, severity="warning")

    def _add(
        self, at: Node, message: str, *, fix: str, offending: str | None, severity: str
    ) -> None:
        text = at.text if offending is None else offending
        self._problems.append(
            Problem(
                file=self.file,
                line=at.line,
                column=at.column,
                message=message,
                offending=quoted(text),
                fix=fix,
                severity=severity,
            )
        )
        if len(self._problems) >= PROBLEMS_MAX:
            raise InvalidPlaybook(self.problems)


def quoted(text: str) -> str:
    """At most `OFFENDING_MAX_CHARS` characters of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= OFFENDING_MAX_CHARS else line[: OFFENDING_MAX_CHARS - 1] + "…"


def listed(names: Iterable[str]) -> str:
    """Known names for a message: "a, b, c", shortened after `LISTED_MAX`."""
    every = list(names)
    if not every:
        return "none"
    more = len(every) - LISTED_MAX
    return ", ".join(every[:LISTED_MAX]) + (f" and {more} more" if more > 0 else "")


def suggestion(text: str, known: Collection[str]) -> str:
    """The known name that `text` was probably meant to be, or ""."""
    if len(text) > SUGGEST_MAX_CHARS or len(known) > SUGGEST_MAX_NAMES:
        return ""
    close = difflib.get_close_matches(text, list(known), n=1)
    return close[0] if close else ""


def nearest(text: str, known: Collection[str], count: int) -> list[str]:
    """The `count` known names most like `text`, the most like it first."""
    if len(text) > SUGGEST_MAX_CHARS or len(known) > SUGGEST_MAX_NAMES:
        return list(known)[:count]
    return difflib.get_close_matches(text, list(known), n=count, cutoff=0.0)


def unknown_fix(text: str, known: Collection[str]) -> str:
    """The fix for an unknown name: the close one, else the list of those known."""
    close = suggestion(text, known)
    names = f"known: {listed(known)}"
    return f"did you mean {close}? ({names})" if close else names
