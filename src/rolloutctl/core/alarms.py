"""How a source tells of the alarms of its service, and how a query names them; pure.

Unlike alerts (`core.alerts`), alarms have no labels, and a state of their own for too little data.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

#: The query of all alarms whose names begin so; of one alarm it is its name.
_BEGINS = "begins with "
#: Names of CloudWatch alarms have 1 to 255 characters.
NAME_CHARS_MAX = 255


class AlarmState(IntEnum):
    """The value of a sample that stands for an alarm; the worst is the highest."""

    OK = 0
    INSUFFICIENT = 1
    ALARM = 2


class AlarmLabel(StrEnum):
    """Labels of such a sample; one that does not apply is left out."""

    NAME = "alarm"
    SINCE = "since"  # RFC 3339
    REASON = "reason"  # in the service's words
    SEES = "sees"  # a duration: something bad lasts so long before it can be in ALARM
    ACTIONS = "actions"  # "disabled"
    KIND = "kind"  # "composite"
    REGION = "region"


def query_of_prefix(prefix: str) -> str:
    """The text of a query for all alarms whose names begin so."""
    return f"{_BEGINS}{prefix}"


def names_by_prefix(text: str) -> str | None:
    """The prefix that a query's text asks for; None where it names one alarm."""
    return text.removeprefix(_BEGINS) if text.startswith(_BEGINS) else None
