"""Turns an error into words: what happened, where, why, and what to do next; pure.

The lines of a playbook that an error points at are handed in by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from rolloutctl.core.json_types import Json
from rolloutctl.errors import ExitCode, InvalidPlaybook, Problem, RolloutctlError
from rolloutctl.ui.hints import with_store

#: Longest source line shown whole; of longer ones only the part around the caret.
EXCERPT_MAX = 100
#: Characters kept before the caret of a longer line.
EXCERPT_LEAD = 40
#: Version of every JSON document this program writes.
API_VERSION = "rolloutctl/v1"

#: What stands for a text that is never repeated.
MASKED = "***"
#: A key that means a secret with something other than a reference behind it, or a URL with
#: a user in it.
_SECRET_LIKE = re.compile(
    r"(token|secret|passw|credential|api[-_]?key|authori[sz]ation|bearer)\w*[\"']?\s*:"
    r"\s*[\"']?(?!\$\{|\{|[\"']|$)\S|://[^/\s]*@",
    re.IGNORECASE,
)

#: Answers the text of line `n` of a file, or None if it cannot be read.
LineOf = Callable[[str, int], str | None]


def error_text(error: RolloutctlError, line_of: LineOf) -> str:
    """What a person reads on stderr."""
    parts = []
    if isinstance(error, InvalidPlaybook):
        shown = without_secrets(line_of, error.problems)
        parts += [problem_text(problem, shown) for problem in error.problems]
    parts.append(f"error: {error.message}")
    if error.hint:
        parts.append(f"  hint: {error.hint}")
    return "\n".join(parts)


def without_secrets(line_of: LineOf, problems: Sequence[Problem]) -> LineOf:
    """`line_of` that shows no line on which somebody may have written a secret itself.

    Such a line carries a problem whose text is masked, or looks like a secret under a key
    that nobody knows (a misspelt `bearer_tokn: …`).
    """
    hidden = {(one.file, one.line) for one in problems if one.offending == MASKED}

    def shown(file: str, number: int) -> str | None:
        line = None if (file, number) in hidden else line_of(file, number)
        return None if line is None or _SECRET_LIKE.search(line) else line

    return shown


def problem_text(problem: Problem, line_of: LineOf) -> str:
    """One problem of a document: position, what is wrong, the line, a caret, the fix."""
    place = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
    lines = [f"{place}: {problem.severity}: {problem.message}"]
    source = line_of(problem.file, problem.line)
    if source is not None and source.strip():
        lines += _excerpt(source.rstrip(), problem)
    if problem.fix:
        lines.append(f"  fix: {problem.fix}")
    return "\n".join(lines)


def error_document(error: RolloutctlError) -> Mapping[str, Json]:
    """What a machine reads on stdout."""
    body: dict[str, Json] = {
        "type": type(error).__name__,
        "exit_code": int(error.exit_code),
        "message": error.message,
        "hint": with_store(error.hint),
    }
    if isinstance(error, InvalidPlaybook):
        body["problems"] = problems_json(error.problems)
    return {"apiVersion": API_VERSION, "kind": "Error", "error": body}


def problems_json(problems: Sequence[Problem]) -> list[Json]:
    """Problems as JSON, in the order given."""
    return [
        {
            "file": problem.file,
            "line": problem.line,
            "column": problem.column,
            "severity": problem.severity,
            "message": problem.message,
            "offending": problem.offending,
            "fix": problem.fix,
        }
        for problem in problems
    ]


def bug_text(error: BaseException) -> str:
    """What a person reads when the program itself is wrong."""
    return (
        f"error: this is a bug in rolloutctl: {type(error).__name__}: {error}\n"
        "  hint: run again with ROLLOUTCTL_DEBUG=1 and report the output to the project's "
        "issue tracker"
    )


def bug_document(error: BaseException) -> Mapping[str, Json]:
    """What a machine reads when the program itself is wrong."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Error",
        "error": {
            "type": "Bug",
            "exit_code": int(ExitCode.BUG),
            "message": f"{type(error).__name__}: {error}",
            "hint": "run again with ROLLOUTCTL_DEBUG=1 and report the output",
        },
    }


def _excerpt(source: str, problem: Problem) -> list[str]:
    start = max(0, problem.column - 1)
    cut = max(0, start - EXCERPT_LEAD) if len(source) > EXCERPT_MAX else 0
    shown = source[cut : cut + EXCERPT_MAX]
    offending = problem.offending.partition("\n")[0]
    room = max(1, len(shown) - (start - cut))
    carets = "^" * min(max(1, len(offending)), room)
    gutter = f"{problem.line:>5} | "
    pad = " " * len(gutter[:-2]) + "| "
    indent = "".join("\t" if char == "\t" else " " for char in shown[: start - cut])
    return [f"{gutter}{shown}", f"{pad}{indent}{carets}"]
