"""Answers a shell that completes a line: what the value under the cursor can be.

Asked as `rolloutctl __complete KIND CURRENT WORD…` at each TAB: it prints `value<TAB>meaning`
lines and nothing else, whatever goes wrong, and imports as little as it can.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

#: Rollouts offered, the newest first.
ROLLOUTS_MAX = 50
#: A journal that others lock is not waited for longer, in seconds.
BUSY_S = 0.2
_PLAYBOOK_SUFFIXES = (".yaml", ".yml")

#: A value and what it means, "" if it needs no words.
Value = tuple[str, str]
#: The part of a playbook that a shell can use; whatever stands in the file.
Document = Mapping[str, Any]


def answer(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Prints the values of `KIND CURRENT WORD…`. Raises whatever a journal or file raises."""
    kind, current, *words = [*arguments, "", ""][: max(2, len(arguments))]
    lines = list(_lines(kind, current, words, environ))
    if lines:
        sys.stdout.write("\n".join(lines) + "\n")


def _lines(
    kind: str, current: str, words: Sequence[str], environ: Mapping[str, str]
) -> Iterator[str]:
    values = _KINDS.get(kind)
    if values is None:
        return
    for value, meaning in values(words, environ):
        if value.startswith(current) and value.isprintable():
            said = " ".join(meaning.split())
            yield f"{value}\t{said}" if said else value


# -- from the journal ---------------------------------------------------------


def _rollouts(words: Sequence[str], environ: Mapping[str, str]) -> Iterator[Value]:
    from rolloutctl.cli import wiring  # noqa: PLC0415 - SQLite, for these values only

    ledger = wiring.journal(_after("--store", words), environ, read_only=True, busy_limit_s=BUSY_S)
    rows = ledger.rollouts()
    for row in sorted(rows[:ROLLOUTS_MAX], key=lambda one: not one.is_open):
        yield row.rollout_id, f"{row.name}, {'open' if row.is_open else 'over'}"


def _addresses(words: Sequence[str], environ: Mapping[str, str]) -> Iterator[Value]:
    from rolloutctl.cli import wiring  # noqa: PLC0415 - as above
    from rolloutctl.core.events import Started  # noqa: PLC0415 - as above

    ledger = wiring.journal(_after("--store", words), environ, read_only=True, busy_limit_s=BUSY_S)
    seen = set()
    for row in ledger.rollouts()[:ROLLOUTS_MAX]:
        first = ledger.read(row.rollout_id)[0].event
        points = first.restore_points if isinstance(first, Started) else ()
        for point in points:
            if point.address not in seen:
                seen.add(point.address)
                yield point.address, f"{point.target} of {row.name}"


def _subjects(words: Sequence[str], environ: Mapping[str, str]) -> Iterator[Value]:
    yield from _rollouts(words, environ)
    yield from _addresses(words, environ)


# -- from a playbook, of a file on the line or of a rollout on it -----------------


def _document(words: Sequence[str], environ: Mapping[str, str]) -> Document:
    for word in reversed(words):
        if word.endswith(_PLAYBOOK_SUFFIXES) and Path(word).is_file():
            import yaml  # noqa: PLC0415 - as above

            found = yaml.safe_load(Path(word).read_bytes())
            return found if isinstance(found, dict) else {}
    return _document_of_rollout(words, environ)


def _document_of_rollout(words: Sequence[str], environ: Mapping[str, str]) -> Document:
    import json  # noqa: PLC0415 - as above

    from rolloutctl.cli import wiring  # noqa: PLC0415 - as above
    from rolloutctl.core.events import Started  # noqa: PLC0415 - as above

    ledger = wiring.journal(_after("--store", words), environ, read_only=True, busy_limit_s=BUSY_S)
    ids = {row.rollout_id for row in ledger.rollouts()}
    for word in reversed(words):
        if word in ids:
            first = ledger.read(word)[0].event
            found = json.loads(first.document) if isinstance(first, Started) else {}
            return found if isinstance(found, dict) else {}
    return {}


def _section(document: Document, name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _gates(words: Sequence[str], environ: Mapping[str, str]) -> Iterator[Value]:
    for name, gate in _section(_document(words, environ), "gates").items():
        yield str(name), str(gate.get("kind", "")) if isinstance(gate, dict) else ""


def _gate_values(words: Sequence[str], environ: Mapping[str, str]) -> Iterator[Value]:
    for name, meaning in _gates(words, environ):
        yield f"{name}=", meaning


def _sources(words: Sequence[str], environ: Mapping[str, str]) -> Iterator[Value]:
    for name in _section(_document(words, environ), "sources"):
        yield str(name), ""


def _inputs(words: Sequence[str], environ: Mapping[str, str]) -> Iterator[Value]:
    for name, one in _section(_document(words, environ), "inputs").items():
        default = one.get("default", "") if isinstance(one, dict) else one
        yield f"{name}=", f"default {default}" if default != "" else "must be given"


def _targets(words: Sequence[str], environ: Mapping[str, str]) -> Iterator[Value]:
    targets = _section(_document(words, environ), "targets")
    for name, one in targets.items():
        yield str(name), str(one.get("provider", "")) if isinstance(one, dict) else ""
    if not targets:
        yield from _addresses(words, environ)


def _arms(words: Sequence[str], environ: Mapping[str, str]) -> Iterator[Value]:
    for name, target in _section(_document(words, environ), "targets").items():
        for arm in ("control", "canary") if isinstance(target, dict) else ():
            value = target.get(arm)
            value = value.get("is") if isinstance(value, dict) else value
            if value is not None:
                yield str(value), f"{arm} of {name}"


_KINDS: Mapping[str, Callable[[Sequence[str], Mapping[str, str]], Iterator[Value]]] = {
    "rollout": _rollouts,
    "subject": _subjects,
    "gate": _gates,
    "gate-value": _gate_values,
    "input": _inputs,
    "target": _targets,
    "arm": _arms,
    "source": _sources,
}


def _after(option: str, words: Sequence[str]) -> str:
    """The value of an option that stands on the line; "" if it does not."""
    for word, following in zip(words, [*words, ""][1:], strict=False):
        if word == option:
            return os.path.expanduser(following)  # noqa: PTH111 - the store is a text here
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
    return ""
