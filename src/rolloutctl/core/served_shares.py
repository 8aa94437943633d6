"""What a vendor's SDK served to N made-up units, held against what is intended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from rolloutctl.core.exposure import FULL_BP, Exposure
from rolloutctl.core.observation import ArmCounts
from rolloutctl.core.stats.wilson import Z_999, wilson_interval

#: What is counted beside the arms, as screens name it; `shadow` is in basis points of all.
SHADOW, NEITHER, ERRORS = "shadow", "neither arm", "errors"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedShare:
    """One population's observed and intended share, both within 0..1."""

    name: str
    count: int
    observed: float
    lower: float
    upper: float
    intended: float

    @property
    def is_as_intended(self) -> bool:
        """The interval of the observed share contains the intended one."""
        return self.lower <= self.intended <= self.upper


def served_shares(
    exposure: Exposure, counts: ArmCounts, *, mirrors: bool, z: float = Z_999
) -> list[ServedShare]:
    """Every arm's share, the shadow's where the target can mirror, and what should not be.

    Args:
        exposure: what is intended for everybody: it has no audience and no cohort.
        counts: what the SDK answered, of at least one unit.
        mirrors: the target has a shadow flag.
        z: normal quantile of the intervals' confidence.
    """
    return list(_shares(exposure, counts, mirrors=mirrors, z=z))


def _shares(
    exposure: Exposure, counts: ArmCounts, *, mirrors: bool, z: float
) -> Iterator[ServedShare]:
    counted = dict(counts.arms)
    wanted = [(arm, counted.get(arm, 0), bp / FULL_BP) for arm, bp in exposure.weights]
    if mirrors:
        wanted.append((SHADOW, counts.shadow, exposure.shadow_bp / FULL_BP))
    wanted += [
        (name, n, 0.0) for name, n in ((NEITHER, counts.other), (ERRORS, counts.errors)) if n
    ]
    for name, count, intended in wanted:
        # An SDK may fail twice for one unit: asked for its arm, and whether to mirror.
        within = min(count, counts.units)
        lower, upper = wilson_interval(within, counts.units, z=z)
        yield ServedShare(
            name=name,
            count=count,
            observed=within / counts.units,
            lower=lower,
            upper=upper,
            intended=intended,
        )


def off_because(counts: ArmCounts) -> str:
    """What may explain a share that is off: the SDK's reasons, and fields; "" if nothing."""
    said = []
    if counts.reasons:
        said.append(f"its reasons: {', '.join(f'{name} {n}' for name, n in counts.reasons)}")
    if counts.missing:
        said.append(missing_text(counts))
    if counts.context:
        said.append(f"applications must send {', '.join(counts.context)}")
    return "; ".join(said)


def missing_text(counts: ArmCounts) -> str:
    """Names the fields that the units lacked: rules that read them were not met."""
    return f"the flag also reads {', '.join(counts.missing)}: made-up units do not carry that"


def exposure_text(exposure: Exposure, since: datetime) -> str:
    """What is to be verified, as the text of a query: another one after every change."""
    weights = ", ".join(f"{arm} {bp}" for arm, bp in exposure.weights)
    return f"{weights}, {SHADOW} {exposure.shadow_bp} since {since.isoformat()}"
