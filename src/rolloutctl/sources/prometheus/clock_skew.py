"""Whether a server's clock agrees with ours: both date the data that gates judge."""

from __future__ import annotations

from collections.abc import Sequence

from rolloutctl.clock import SystemClock
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.http import HttpResponse, shown

#: Two clocks further apart make a gate look at data from before its step, or miss it.
CLOCK_SKEW_MAX_S = 5.0


def clock_findings(url: str, response: HttpResponse | None) -> Sequence[Finding]:
    """A warning if they differ; nothing where the server does not tell its time."""
    told = response.date() if response else None
    if told is None:
        return []
    skew_s = (SystemClock().now() - told).total_seconds()
    # The Date header has whole seconds, so up to one is no skew.
    if -CLOCK_SKEW_MAX_S <= skew_s <= CLOCK_SKEW_MAX_S + 1:
        return []
    return [
        Finding(
            severity=Severity.WARN,
            message=f"{shown(url)}: its clock differs from ours by {abs(skew_s):.0f} s",
            hint="synchronise both clocks; gates judge data by its time",
        )
    ]
