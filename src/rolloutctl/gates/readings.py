"""Readings that cannot be judged: which verdict they make instead. Never a pass."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rolloutctl.core.measurement import DataState, QueryKind, Reading
from rolloutctl.core.verdict import Outcome, Verdict

#: Series in one answer; every one is remembered in the gate's evidence.
SERIES_MAX = 2_000

_SILENCE = {
    DataState.EMPTY: "no such series",
    DataState.NOT_A_NUMBER: "not a number (an idle service divides 0 by 0)",
    DataState.STALE: "stale",
}


def unusable(readings: Iterable[Reading]) -> Verdict | None:
    """The verdict that stands in for a judgement, or None if every reading is usable.

    ERROR comes before NO_DATA: it is the one a human can mend.
    """
    found = [
        verdict
        for reading in readings
        if not _is_plain(reading) and (verdict := _problem(reading)) is not None
    ]
    if not found:
        return None
    errors = [verdict for verdict in found if verdict.outcome is Outcome.ERROR]
    return next(iter(errors + found), None)


def is_empty(reading: Reading) -> bool:
    """Did the source answer that there is no such series?"""
    return reading.measurement is not None and reading.measurement.state is DataState.EMPTY


def error(because: str) -> Verdict:
    """An ERROR verdict."""
    return Verdict(outcome=Outcome.ERROR, because=because)


def no_data(because: str) -> Verdict:
    """A NO_DATA verdict."""
    return Verdict(outcome=Outcome.NO_DATA, because=because)


def _is_plain(reading: Reading) -> bool:
    """Is it one number that is fine for every kind of query? Nearly every answer is."""
    measurement = reading.measurement
    if reading.error or measurement is None or measurement.state is not DataState.OK:
        return False
    samples = measurement.samples
    return len(samples) == 1 and 0.0 <= samples[0].value < math.inf


def _problem(reading: Reading) -> Verdict | None:
    """What makes one reading unusable, or None."""
    text = reading.query.text
    measurement = reading.measurement
    if reading.error or measurement is None:
        said = reading.error or "the query was not answered"
        return error(said if text in said else f"{said}: {text}")
    detail = f", {measurement.detail}" if measurement.detail else ""
    if measurement.state is DataState.AMBIGUOUS:
        return error(f"several series where one number is needed{detail}; aggregate: {text}")
    if measurement.state is not DataState.OK:
        silence = _SILENCE[measurement.state]
        if measurement.detail.startswith(silence):  # a source that says more in the same words
            return no_data(f"{measurement.detail}: {text}")
        return no_data(f"{silence}{detail}: {text}")
    numbers = [sample.value for sample in measurement.samples]
    if not numbers:
        return no_data(f"{_SILENCE[DataState.EMPTY]}: {text}")
    if not all(map(math.isfinite, numbers)):
        return no_data(f"{_SILENCE[DataState.NOT_A_NUMBER]}: {text}")
    return _problem_of_numbers(reading, numbers)


def _problem_of_numbers(reading: Reading, numbers: list[float]) -> Verdict | None:
    """What makes finite numbers unusable for their kind of query, or None."""
    text = reading.query.text
    if reading.query.kind is QueryKind.EXPRESSION:
        if len(numbers) > 1:
            return error(f"{len(numbers)} series where one number is needed; aggregate: {text}")
        return None
    if len(numbers) > SERIES_MAX:
        return error(f"{len(numbers)} series, at most {SERIES_MAX}; narrow the selector: {text}")
    if min(numbers) < 0:
        return error(f"a counter of {min(numbers):g} is not a counter: {text}")
    return None
