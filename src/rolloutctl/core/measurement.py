"""What is asked of a source and what comes back; data only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class QueryKind(StrEnum):
    """How the text of a query is meant."""

    EXPRESSION = "expression"  # the source's own language (PromQL); the answer is one number
    COUNTERS = "counters"  # a series selector; the answer is raw counters, one sample a series
    # An alerting rule's expression. The first sample, without labels, counts its series; one
    # sample follows for each selector in it, labelled `SELECTOR_LABEL`: 1 if it has fresh data.
    CONDITION = "condition"
    # Alerts by name and labels (`core.alerts`). One sample for each rule, and one for each
    # active alert of it; the value is an `AlertState`. Without any sample nothing is known.
    ALERTS = "alerts"
    EXPOSURE = "exposure"  # what a vendor's SDK serves: counts (`runner.exposure_source`)
    # Pods of the workload that the text names: samples `count` (wanted, ready, observed, gave-up),
    # `restarts` by pod, and `broken` with a pod and why it cannot run.
    WORKLOAD = "workload"
    # Alarms of the monitoring service, by name or by how names begin (`core.alarms`). One sample
    # an alarm; the value is an `AlarmState`.
    ALARMS = "alarms"
    UNSILENCED_ALERTS = "unsilenced-alerts"  # the same without those that somebody silenced


#: The label that names a selector in the answer to a CONDITION.
SELECTOR_LABEL = "rolloutctl_selector"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question to a source. `text` has its references already replaced."""

    kind: QueryKind
    text: str

    def __hash__(self) -> int:
        """Of the text alone: looked up several times at every look."""
        return hash(self.text)


class DataState(StrEnum):
    """Whether there is something to judge; anything but OK is never a pass."""

    OK = "ok"
    EMPTY = "empty"  # the source answered: no such series
    NOT_A_NUMBER = "not-a-number"  # NaN or an infinity: 0/0 of an idle service
    STALE = "stale"  # the newest sample is older than the source's staleness limit
    AMBIGUOUS = "ambiguous"  # an expression returned several series


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One series at one time. `labels` are sorted pairs; `value` is finite."""

    labels: tuple[tuple[str, str], ...]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One answer of one query at one time.

    `at` is when the data was true at the source. `samples` is empty unless state is OK.
    """

    at: datetime
    state: DataState
    samples: tuple[Sample, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A query with its measurement, or with the error that took its place."""

    query: Query
    measurement: Measurement | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A query over time: (time, samples) rows in time order."""

    query: Query
    rows: tuple[tuple[datetime, tuple[Sample, ...]], ...]
