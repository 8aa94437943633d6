"""Commands in what is said carry the `--store` that this process was given.

Whoever copies a hint would otherwise ask another journal. What the environment says goes
for the next command too and is not repeated.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Commands that take `--store`; a test keeps it equal to the command line.
WITH_STORE = (
    "doctor",
    "plan",
    "start",
    "status",
    "watch",
    "list",
    "wait",
    "approve",
    "reject",
    "promote",
    "pause",
    "resume",
    "rollback",
    "abort",
    "explain",
    "report",
    "kill",
    "tick",
    "agent",
)


@dataclass(slots=True)
class _Named:
    """The `--store` of this process; "" if it was given none."""

    option: str = ""


_named = _Named()


def name_store(path: str) -> None:
    """From now on hints name this journal; "" names none."""
    if not path:
        _named.option = ""
        return
    import shlex  # noqa: PLC0415 - with --store only

    _named.option = f" --store {shlex.quote(path)}"


def with_store(text: str) -> str:
    """`text`, in which every `rolloutctl VERB` has the option behind the verb."""
    if not _named.option or "rolloutctl " not in text:
        return text
    import re  # noqa: PLC0415 - with --store only

    verbs = "|".join(WITH_STORE)
    # Not within a path or a name, and not a second time.
    pattern = rf"(?<![\w/.-])(rolloutctl (?:{verbs}))(?![\w-])(?!\s+--store)"
    return re.sub(pattern, lambda found: f"{found[1]}{_named.option}", text)
