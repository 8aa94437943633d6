"""Answers gates of kind `exposure`: asks the vendor's SDK beside the ticks, once an exposure.

SAFETY: an SDK takes seconds to start and to evaluate thousands of units. Guardrails, requests
and the lease go on meanwhile: until it is done, the answer is that it is under way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar

from rolloutctl.core.exposure_gates import INTERVAL_MAX_S
from rolloutctl.core.measurement import DataState, Measurement, Query, QueryKind, Sample, Series
from rolloutctl.core.observation import ArmCounts, Finding, Severity
from rolloutctl.core.ports import MetricSource, Provider, capabilities_of
from rolloutctl.core.target import Target
from rolloutctl.errors import NotFound, Rejected, RolloutctlError, Unauthorized, Unavailable
from rolloutctl.runner.adapters import Beside, Ending, InvokeResult, Running
from rolloutctl.runner.loop import attempt

#: Units asked: a share of 5 % is then known to about +-1.2 points (z = 4).
UNITS = 5_000
#: How long the SDK may take to start, to see the current state, and to evaluate them.
TIMEOUT_S = 60.0
#: And for one unit, before a rollout.
PROBE_S = 15.0
UNDER_WAY = f"the SDK is being asked for {UNITS:,} units"
#: How long a pass of `tick` stays for an answer: what the SDK may take, and one more look.
STAY_S = TIMEOUT_S + 2 * INTERVAL_MAX_S
_STAY = timedelta(seconds=STAY_S)


class ExposureSource:
    """The SDK of one target's provider, as a source of gates."""

    name: ClassVar[str] = "exposure"
    Spec: ClassVar[type] = type(None)
    kinds: ClassVar[frozenset[str]] = frozenset({QueryKind.EXPOSURE})

    def __init__(self, provider: Provider, target: Target, beside: Beside) -> None:
        self._provider, self._target, self._beside = provider, target, beside
        self._asked = ""
        self._running: Running | None = None
        self._since: datetime | None = None
        self._counts: list[ArmCounts] = []

    def probe(self) -> Sequence[Finding]:
        """Asks for one unit: whether the SDK can be asked at all, with which keys.

        Raises as `Provider.sample`, except for what is refused. Says nothing of a target that
        cannot be observed: its provider says that, once.
        """
        try:
            self._provider.observe(self._target)
        except (NotFound, Rejected, Unauthorized):
            return []
        try:
            self._provider.sample(self._target, 1, timeout_s=PROBE_S)
        except Unauthorized as error:
            raise Unauthorized(self._said(error), hint=error.hint) from error
        except (NotFound, Rejected) as error:
            message = self._said(error)
            return [Finding(severity=Severity.REFUSE, message=message, hint=error.hint)]
        message = f"verify_exposure: the SDK of target {self._target.name} answers"
        return [Finding(severity=Severity.OK, message=message)]

    def is_asking(self, now: datetime) -> bool:
        """An answer is under way, or lies here and nobody has taken it yet."""
        begun = self._since
        return self._running is not None and begun is not None and now < begun + _STAY

    def query(self, query: Query, at: datetime) -> Measurement:
        """The counts, or that they are on their way.

        Raises:
            Unavailable: the SDK could not be asked; the next query asks again.
        """
        if self._running is None or self._asked != query.text:
            self._begin(query.text)
            self._since = at
        how = self._running.result() if self._running is not None else None
        if how is None:
            return Measurement(at=at, state=DataState.OK, detail=UNDER_WAY)
        self._running = None
        if not how.ok:
            raise Unavailable(f"the SDK could not be asked: {how.message}")
        taken_s = capabilities_of(self._provider, self._target).propagation_s
        samples = samples_of(self._counts[0], propagation_s=taken_s)
        return Measurement(at=at, state=DataState.OK, samples=samples)

    def history(self, query: Query, start: datetime, end: datetime, step_s: float) -> Series:
        """No rows: nobody can ask what an SDK served yesterday."""
        del start, end, step_s
        return Series(query=query, rows=())

    def _said(self, error: RolloutctlError) -> str:
        """The key that is missing is the SDK's: somebody asked for it by `verify_exposure`."""
        return f"verify_exposure, target {self._target.name}: {error.message}"

    def _begin(self, asked: str) -> None:
        # A list of its own: an older question that is still under way must not answer this one.
        counts: list[ArmCounts] = []

        def work(ending: Ending) -> InvokeResult:
            del ending  # an evaluation cannot be interrupted, and changes nothing
            ask = partial(self._provider.sample, self._target, UNITS, timeout_s=TIMEOUT_S)
            # SAFETY: whatever breaks inside a vendor's SDK, guardrails and rollback go on.
            error = attempt(lambda: counts.append(ask()))
            if error is None:
                return InvokeResult(ok=True, message="asked", output="")
            said = f"{type(error).__name__}: {error}"
            said = error.message if isinstance(error, RolloutctlError) else said
            return InvokeResult(ok=False, message=said, output="")

        self._asked, self._counts = asked, counts
        self._running = self._beside(work)


def are_asking(sources: Iterable[MetricSource], now: datetime) -> bool:
    """Whether an SDK is being asked whose answer would be lost if this process ended now."""
    return any(isinstance(one, ExposureSource) and one.is_asking(now) for one in sources)


def samples_of(counts: ArmCounts, *, propagation_s: float = 0.0) -> tuple[Sample, ...]:
    """The counts as samples, each labelled with what it counts."""
    rows: list[tuple[str, str, float]] = [
        *(("arm", name, count) for name, count in counts.arms),
        ("count", "units", counts.units),
        ("count", "shadow", counts.shadow),
        ("count", "other", counts.other),
        ("count", "errors", counts.errors),
        *(("reason", name, count) for name, count in counts.reasons),
        *(("field", name, 1) for name in counts.context),
        *(("missing", name, 1) for name in counts.missing),
        ("propagation", "s", propagation_s),
    ]
    return tuple([Sample(labels=((kind, name),), value=float(n)) for kind, name, n in rows])
