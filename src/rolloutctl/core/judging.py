"""One measured verdict plus the gate's limits and past makes the verdict that counts.

Every kind of gate goes through here, so warm-up, failure limit, passes in a row and
minimum sample mean the same for all of them. What a verdict leads to is not decided here.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple, assert_never

from rolloutctl.core.events import GateRecord
from rolloutctl.core.json_types import Json
from rolloutctl.core.playbook import GateLimits, OnSilence
from rolloutctl.core.verdict import Outcome, Verdict

#: Intervals without a judgement after which "in a row" is over: the process was away.
GAP_INTERVALS = 3.0


class _Tally(NamedTuple):
    """What is counted within one step. Failures add up; the others are in a row.

    NO_DATA and ERROR do not end each other's row: with both alternating nothing is known.
    """

    failures: int = 0
    silences: int = 0
    errors: int = 0
    passes_in_row: int = 0


def next_record(
    previous: GateRecord | None,
    measured: Verdict,
    evidence: Json,
    *,
    limits: GateLimits,
    now: datetime,
    since: datetime | None,
) -> GateRecord:
    """Builds the gate's standing after one more measurement.

    A FAIL stays, with its first reason, until the caller drops the record. PASS comes
    only from a measured PASS.

    Args:
        previous: the standing before; None at the gate's first judgement in a step.
        measured: what the gate kind said of this measurement alone.
        evidence: what the gate kind wants to see again next time.
        limits: the gate's limits.
        now: when the measurement was judged.
        since: when the exposure under judgement was in force; None while it is not.
    """
    tally = _tally_of(previous, limits=limits, now=now)
    judged = _with_minimum_sample(measured, limits.min_sample)
    warm_at = None if since is None else since + timedelta(seconds=limits.warm_up_s)
    if warm_at is None or now < warm_at:
        verdict = _warming(measured, warm_at)
    else:
        tally = _count(tally, judged.outcome)
        verdict = _within_limits(judged, tally, limits=limits, now=now)
    if previous is not None and previous.verdict.outcome is Outcome.FAIL:
        verdict = previous.verdict
    return GateRecord(
        verdict=verdict,
        measured=measured,
        evidence=evidence,
        judged_at=now,
        failures=tally.failures,
        silences=tally.silences,
        errors=tally.errors,
        passes_in_row=tally.passes_in_row,
        judgements=(previous.judgements if previous else 0) + 1,
    )


def _tally_of(previous: GateRecord | None, *, limits: GateLimits, now: datetime) -> _Tally:
    """What was counted so far; a gap ends every row, failures stay."""
    if previous is None:
        return _Tally()
    # A distance, not a difference: a judgement dated in the future by another machine's
    # clock says as little about "in a row" as one long ago.
    gap_s = abs((now - previous.judged_at).total_seconds())
    if gap_s > GAP_INTERVALS * limits.interval_s:
        return _Tally(failures=previous.failures)
    # In the order of its fields: names would cost twice as much, at every judgement.
    return _Tally(previous.failures, previous.silences, previous.errors, previous.passes_in_row)


def _with_minimum_sample(measured: Verdict, min_sample: float) -> Verdict:
    """The measured verdict, or INCONCLUSIVE where too few events stand behind it."""
    if min_sample <= 0 or measured.outcome not in (Outcome.PASS, Outcome.FAIL):
        return measured
    if measured.sample is None:
        because = (
            f"min_sample is {min_sample:g} events but this gate cannot count events; "
            "use selectors with a window, or remove min_sample"
        )
    # Written as "not at least" because a NaN is not at least anything.
    elif not measured.sample >= min_sample:
        because = f"{measured.sample:g} of {min_sample:g} events ({measured.because})"
    else:
        return measured
    return replace(measured, outcome=Outcome.INCONCLUSIVE, because=because)


def _warming(measured: Verdict, warm_at: datetime | None) -> Verdict:
    """The verdict while nothing counts yet."""
    until = "the step is in force" if warm_at is None else f"{warm_at:%H:%M:%S} UTC"
    return replace(
        measured,
        outcome=Outcome.INCONCLUSIVE,
        because=f"warming up until {until} ({measured.because})",
        settles_at=warm_at,
    )


def _count(tally: _Tally, outcome: Outcome) -> _Tally:
    """The tally after one more counted measurement."""
    match outcome:
        case Outcome.PASS:
            return _Tally(tally.failures, 0, 0, tally.passes_in_row + 1)
        case Outcome.FAIL:
            return _Tally(failures=tally.failures + 1)
        case Outcome.INCONCLUSIVE:
            return _Tally(failures=tally.failures)
        case Outcome.NO_DATA:
            return tally._replace(silences=tally.silences + 1, passes_in_row=0)
        case Outcome.ERROR:
            return tally._replace(errors=tally.errors + 1, passes_in_row=0)
        case _:
            assert_never(outcome)


def _within_limits(judged: Verdict, tally: _Tally, *, limits: GateLimits, now: datetime) -> Verdict:
    """The verdict that counts, given how often things happened."""
    match judged.outcome:
        case Outcome.PASS:
            return _after_pass(judged, tally, limits=limits, now=now)
        case Outcome.FAIL:
            return _after_failure(judged, tally, limits=limits, now=now)
        case Outcome.NO_DATA:
            fails = limits.on_no_data is OnSilence.FAIL
            return _after_silence(judged, tally.silences, limits=limits, fails=fails)
        case Outcome.ERROR:
            fails = limits.on_error is OnSilence.FAIL
            return _after_silence(judged, tally.errors, limits=limits, fails=fails)
        case Outcome.INCONCLUSIVE:
            return judged
        case _:
            assert_never(judged.outcome)


def _after_pass(judged: Verdict, tally: _Tally, *, limits: GateLimits, now: datetime) -> Verdict:
    """PASS once enough of them came in a row."""
    missing = limits.consecutive_successes - tally.passes_in_row
    if missing <= 0:
        return judged
    return replace(
        judged,
        outcome=Outcome.INCONCLUSIVE,
        because=(
            f"{tally.passes_in_row} of {limits.consecutive_successes} passes in a row "
            f"({judged.because})"
        ),
        settles_at=now + timedelta(seconds=missing * limits.interval_s),
    )


def _after_failure(judged: Verdict, tally: _Tally, *, limits: GateLimits, now: datetime) -> Verdict:
    """FAIL once more failures came than are tolerated."""
    if tally.failures > limits.failure_limit:
        if limits.failure_limit == 0:
            return judged
        counted = f"{tally.failures} failures > failure_limit {limits.failure_limit}"
        return replace(judged, because=f"{judged.because}; {counted}")
    to_fail = limits.failure_limit - tally.failures + 1
    rounds = max(to_fail, limits.consecutive_successes)
    return replace(
        judged,
        outcome=Outcome.INCONCLUSIVE,
        because=(
            f"{tally.failures} of {limits.failure_limit} failures tolerated ({judged.because})"
        ),
        settles_at=now + timedelta(seconds=rounds * limits.interval_s),
    )


def _after_silence(judged: Verdict, count: int, *, limits: GateLimits, fails: bool) -> Verdict:
    """NO_DATA or ERROR as it is, or FAIL where the playbook says that silence fails."""
    if not fails or count <= limits.failure_limit:
        return judged
    counted = f"{count} in a row > failure_limit {limits.failure_limit}"
    return replace(
        judged,
        outcome=Outcome.FAIL,
        because=f"{judged.outcome} counts as a failure here, {counted} ({judged.because})",
    )
