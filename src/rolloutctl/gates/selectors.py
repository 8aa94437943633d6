"""What can be said of two series selectors by their text alone."""

from __future__ import annotations

from rolloutctl.core.references import replace
from rolloutctl.core.selector import SelectorError, parse_selector


def problem_of_selector(text: str) -> str:
    """Why a text with references is no selector of raw counters; empty if it is one.

    `rate(x[5m])` where raw counters are wanted would be differenced once more and mean
    nothing, so this is found before anything runs.
    """
    try:
        parse_selector(replace(text, lambda _: "x"))
    except SelectorError as error:
        return str(error)
    return ""


def narrows(inner: str, outer: str) -> bool:
    """Does `inner` select from the series of `outer`: same metric, all its matchers and more?

    False also where a text is not understood.
    """
    try:
        narrow, wide = parse_selector(inner), parse_selector(outer)
    except SelectorError:
        return False
    inner_matchers = {(one.label, one.operator, one.value) for one in narrow.matchers}
    outer_matchers = {(one.label, one.operator, one.value) for one in wide.matchers}
    return narrow.metric == wide.metric and outer_matchers < inner_matchers
