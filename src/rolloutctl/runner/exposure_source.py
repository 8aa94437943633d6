"""Answers gates of kind `exposure`: asks the vendor's SDK beside the ticks, once an exposure.

SAFETY: an SDK takes seconds to start and to evaluate thousands of units. Guardrails, requests
and the lease go on meanwhile: until it is done, the answer is that it is under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from rolloutctl.core.measurement import DataState, Measurement, Query, QueryKind, Sample, Series
from rolloutctl.core.observation import ArmCounts, Finding, Severity
from rolloutctl.core.ports import Provider
from rolloutctl.core.target import Target
from rolloutctl.errors import NotFound, Rejected, RolloutctlError, Unavailable
from rolloutctl.runner.adapters import Beside, Ending, InvokeResult, Running

#: Units asked: a share of 5 % is then known to about +-1.2 points (z = 4).
UNITS = 5_000
#: How long the SDK may take to start, to see the current state, and to evaluate them.
TIMEOUT_S = 60.0
#: And for one unit, before a rollout.
PROBE_S = 15.0
UNDER_WAY = f"the SDK is being asked for {UNITS:,} units"


class ExposureSource:
    """The SDK of one target's provider, as a source of gates."""

    name: ClassVar[str] = "exposure"
    Spec: ClassVar[type] = type(None)
    kinds: ClassVar[frozenset[str]] = frozenset({QueryKind.EXPOSURE})

    def __init__(self, provider: Provider, target: Target, beside: Beside) -> None:
        self._provider, self._target, self._beside = provider, target, beside
        self._asked = ""
        self._running: Running | None = None
        self._counts: list[ArmCounts] = []

    def probe(self) -> Sequence[Finding]:
        """Asks for one unit: whether the SDK can be asked at all, with which keys.

        Raises as `Provider.sample`, except for what is refused.
        """
        try:
            self._provider.sample(self._target, 1, timeout_s=PROBE_S)
        except (NotFound, Rejected) as error:
            message = f"verify_exposure, target {self._target.name}: {error.message}"
            return [Finding(severity=Severity.REFUSE, message=message, hint=error.hint)]
        message = f"verify_exposure: the SDK of target {self._target.name} answers"
        return [Finding(severity=Severity.OK, message=message)]

    def query(self, query: Query, at: datetime) -> Measurement:
        """The counts, or that they are on their way.

        Raises:
            Unavailable: the SDK could not be asked; the next query asks again.
        """
        if self._running is None or self._asked != query.text:
            self._begin(query.text)
        how = self._running.result() if self._running is not None else None
        if how is None:
            return Measurement(at=at, state=DataState.OK, detail=UNDER_WAY)
        self._running = None
        if not how.ok:
            raise Unavailable(f"the SDK could not be asked: {how.message}")
        return Measurement(at=at, state=DataState.OK, samples=samples_of(self._counts[0]))

    def history(self, query: Query, start: datetime, end: datetime, step_s: float) -> Series:
        """No rows: nobody can ask what an SDK served yesterday."""
        del start, end, step_s
        return Series(query=query, rows=())

    def _begin(self, asked: str) -> None:
        # A list of its own: an older question that is still under way must not answer this one.
        counts: list[ArmCounts] = []

        def work(ending: Ending) -> InvokeResult:
            del ending  # an evaluation cannot be interrupted, and changes nothing
            try:
                counts.append(self._provider.sample(self._target, UNITS, timeout_s=TIMEOUT_S))
            except RolloutctlError as error:
                return InvokeResult(ok=False, message=error.message, output="")
            return InvokeResult(ok=True, message="asked", output="")

        self._asked, self._counts = asked, counts
        self._running = self._beside(work)


def samples_of(counts: ArmCounts) -> tuple[Sample, ...]:
    """The counts as samples, each labelled with what it counts."""
    rows = [
        *(("arm", name, count) for name, count in counts.arms),
        ("count", "units", counts.units),
        ("count", "shadow", counts.shadow),
        ("count", "other", counts.other),
        ("count", "errors", counts.errors),
        *(("reason", name, count) for name, count in counts.reasons),
        *(("field", name, 1) for name in counts.context),
    ]
    return tuple([Sample(labels=((kind, name),), value=float(n)) for kind, name, n in rows])
