"""How a source tells of the alarms of its service, and how a query names them; pure.

Unlike alerts (`core.alerts`), alarms have no labels, and a state of their own for too little data.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

#: What ends a text that means all alarms whose names begin so.
EVERY = "*"
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


def prefix_of(text: str) -> str | None:
    """The beginning of names that a text means, `chat-*`; None where it names one alarm."""
    return text.removesuffix(EVERY) if text.endswith(EVERY) else None
