"""A ready playbook of hours and days, in seconds: the same gates on faster numbers."""

from __future__ import annotations

import re

_QUICK = (
    (r"interval: \d+[sm]", "interval: 250ms"),
    (r"extend-once", "wait"),
    (r"warm_up: \d+[sm]", "warm_up: 1500ms"),
    (r"window: \d+m", "window: 3s"),
    (r"for: 2m", "for: 500ms"),
    (r"min_sample: \d+", "min_sample: 20"),
    (r"(margin: \S+)(.*)", r"\1\2\n    min_sample: 20"),
    # 30 points apart, so that few units tell the arms apart always.
    (r"effect: \+5pp", "effect: +20pp"),
)
_ASKED = r"    confirm: true.*\n"


def in_seconds(text: str, *, hold: str, asks: bool = False) -> str:
    """The playbook with every step held for `hold`; `asks` leaves a person's part in it."""
    for wanted, quick in (*_QUICK, (r"hold: \d+[mhd]", f"hold: {hold}")):
        text = re.sub(wanted, quick, text)
    return text if asks else re.sub(_ASKED, "", text)
