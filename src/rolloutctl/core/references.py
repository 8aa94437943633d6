"""`${…}` references in texts: find them, replace them; nothing else is a template."""

from __future__ import annotations

import re
from collections.abc import Callable

#: `${name}`; a name is dotted words. `$$` is not special: PromQL and shells keep theirs.
_REFERENCE = re.compile(r"\$\{([^}]*)\}")


def references(text: str) -> list[str]:
    """The names referred to in `text`, in order, with repeats."""
    return [match.group(1).strip() for match in _REFERENCE.finditer(text[: _end(text)])]


def replace(text: str, lookup: Callable[[str], str | None]) -> str:
    """Replaces each reference by `lookup(name)`; a None leaves it as it stands."""

    def one(match: re.Match[str]) -> str:
        found = lookup(match.group(1).strip())
        return match.group(0) if found is None else found

    end = _end(text)
    return _REFERENCE.sub(one, text[:end]) + text[end:]


def _end(text: str) -> int:
    """The end of the last possible reference: thousands of unclosed `${` cost nothing."""
    return text.rfind("}") + 1


def quote_label(value: str) -> str:
    """Escapes a label value for use inside a double-quoted PromQL string."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
