"""Planted faults, as people write them: `errors=3% at 25% after 10m for 5m on canary`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from rolloutctl.core.exposure import CANARY, CONTROL
from rolloutctl.core.units import parse_duration, parse_factor, parse_weight
from rolloutctl.errors import UsageError
from rolloutctl.simulation.numerals import parse_number

#: What stands for the requests themselves in place of a gate's name.
TRAFFIC = "traffic"
_FORM = "GATE=VALUE [at SHARE] [after TIME] [for TIME] [on canary|control|both]"
_EXAMPLE = '--fault "errors=3% at 25% after 10m"'
_CLAUSE = re.compile(r"\s+(at|after|for|on)\s+(\S+)")


class Silence(StrEnum):
    """A source that does not answer as it should."""

    NO_DATA = "no-data"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A number that changes on some arms for some time.

    Attributes:
        name: the gate whose number it is, or `traffic`.
        amount: the number, or with `is_factor` what the healthy one is multiplied with.
        silence: instead of a number: the gate's questions are not answered.
        at_bp: begins when the canary's share (or the mirrored one) first reaches this; 0
            is the beginning of the rollout, -1 the first exposure.
        after_s: so many seconds later.
        for_s: how long it lasts.
        arms: whose numbers change.
    """

    name: str
    amount: float = 1.0
    is_factor: bool = False
    silence: Silence | None = None
    at_bp: int = -1
    after_s: float = 0.0
    for_s: float = math.inf
    arms: tuple[str, ...] = (CANARY,)
    text: str = ""

    def changed(self, healthy: float) -> float:
        """The number under the fault."""
        return healthy * self.amount if self.is_factor else self.amount


def parse_fault(text: str, gates: Iterable[str]) -> Fault:
    """Parses one `--fault`.

    Raises:
        UsageError: it cannot be read, or names no gate of the playbook.
    """
    match = re.match(r"\s*([^\s=]+)\s*=\s*(\S+)", text)
    if match is None:
        raise _unreadable(text, "no NAME=VALUE at its beginning")
    name, value = match.groups()
    known = [*gates, TRAFFIC]
    if name not in known:
        raise UsageError(
            f"--fault {text!r}: no gate {name}; known: {', '.join(known)}", hint=f"e.g. {_EXAMPLE}"
        )
    rest = text[match.end() :]
    clauses = _CLAUSE.findall(rest)
    if _CLAUSE.sub("", rest).strip():
        raise _unreadable(text, f"cannot read {_CLAUSE.sub('', rest).strip()!r}")
    if len({word for word, _ in clauses}) < len(clauses):
        raise _unreadable(text, "a word is given twice")
    try:
        told = _value(value) | _told(dict(clauses))
        if name == TRAFFIC:
            told.setdefault("arms", (CONTROL, CANARY))
        return Fault(name=name, text=text.strip(), **told)  # type: ignore[arg-type]  # by name
    except ValueError as error:
        raise _unreadable(text, str(error)) from error


def _value(text: str) -> dict[str, object]:
    if text in tuple(Silence):
        return {"silence": Silence(text)}
    if text.endswith("x"):
        return {"amount": parse_factor(text), "is_factor": True}
    amount = parse_number(text.removesuffix("/s"))
    if amount < 0:
        raise ValueError(f"{text}: nothing is below 0")
    return {"amount": amount}


def _told(clauses: dict[str, str]) -> dict[str, object]:
    told: dict[str, object] = {}
    if "at" in clauses:
        told["at_bp"] = parse_weight(clauses["at"])
    if "after" in clauses:
        told["after_s"] = parse_duration(clauses["after"])
    if "for" in clauses:
        told["for_s"] = parse_duration(clauses["for"])
    if "on" in clauses:
        arms = {"canary": (CANARY,), "control": (CONTROL,), "both": (CONTROL, CANARY)}
        if clauses["on"] not in arms:
            raise ValueError(f"on {clauses['on']}: it is canary, control or both")
        told["arms"] = arms[clauses["on"]]
    return told


def _unreadable(text: str, why: str) -> UsageError:
    return UsageError(f"--fault {text!r}: {why}", hint=f"write {_FORM}, e.g. {_EXAMPLE}")
