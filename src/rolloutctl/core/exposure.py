"""What a target serves, in integer basis points; pure arithmetic, no provider."""

from __future__ import annotations

from dataclasses import dataclass

#: Basis points of a whole: 100 % = 10 000 bp, the finest weight is 0.01 %.
FULL_BP = 10_000
CONTROL = "control"
CANARY = "canary"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Condition:
    """One attribute of a unit and the values that satisfy it.

    Values that read the same are equal: some services keep every value as text, and what
    they answer must be recognised as what was written.
    """

    attribute: str
    values: tuple[str | int | float | bool, ...]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Condition):
            return NotImplemented
        return (self.attribute, self.texts) == (other.attribute, other.texts)

    def __hash__(self) -> int:
        return hash((self.attribute, self.texts))

    @property
    def texts(self) -> tuple[str, ...]:
        """The values as people and services write them: true, not True."""
        return tuple(
            str(each).lower() if isinstance(each, bool) else str(each) for each in self.values
        )


#: All conditions must hold; the empty cohort is never built (None means everyone or nobody).
Cohort = tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """The whole of what a target serves.

    Attributes:
        weights: (arm, basis points) in the provider's arm order, sum 10 000, of the
            audience; arms not under test that a flag also has do not appear.
        shadow_bp: share of requests mirrored to the canary, answers discarded.
        audience: who is eligible at all; None is everyone.
        include: who gets the canary at 100 %; None is nobody.
    """

    weights: tuple[tuple[str, int], ...]
    shadow_bp: int = 0
    audience: Cohort | None = None
    include: Cohort | None = None

    def __post_init__(self) -> None:
        total = sum(bp for _, bp in self.weights)
        if total != FULL_BP or any(bp < 0 for _, bp in self.weights):
            raise ValueError(f"weights {self.weights} must be at least 0 and sum to {FULL_BP} bp")
        if not 0 <= self.shadow_bp <= FULL_BP:
            raise ValueError(f"shadow_bp {self.shadow_bp} must be within 0..{FULL_BP}")

    def weight_bp(self, arm: str) -> int:
        """Weight of `arm` in basis points; 0 for an arm it does not name."""
        return dict(self.weights).get(arm, 0)

    @property
    def canary_bp(self) -> int:
        """Everything that is not control, in basis points of the audience."""
        return FULL_BP - self.weight_bp(CONTROL)

    @property
    def is_zero(self) -> bool:
        """Nobody gets anything but control, and nothing is mirrored."""
        return self.canary_bp == 0 and self.shadow_bp == 0 and self.include is None


def split(
    canary_bp: int,
    *,
    shadow_bp: int = 0,
    audience: Cohort | None = None,
    include: Cohort | None = None,
) -> Exposure:
    """Builds the two-armed exposure that gives the canary `canary_bp`."""
    return Exposure(
        weights=((CONTROL, FULL_BP - canary_bp), (CANARY, canary_bp)),
        shadow_bp=shadow_bp,
        audience=audience,
        include=include,
    )


#: Control for everybody, nothing mirrored: what kill brings every target to.
ZERO = split(0)


def format_bp(bp: int) -> str:
    """Formats basis points as people write them: 500 -> "5%", 50 -> "0.5%"."""
    return f"{bp / 100:g}%"


def describe(exposure: Exposure) -> str:
    """One short line: "canary 5%", "canary 0%, shadow 10%"."""
    others = [(arm, bp) for arm, bp in exposure.weights if arm != CONTROL]
    parts = [f"{arm} {format_bp(bp)}" for arm, bp in others]
    if exposure.shadow_bp:
        parts.append(f"shadow {format_bp(exposure.shadow_bp)}")
    if exposure.audience is not None:
        parts.append(f"audience {describe_cohort(exposure.audience)}")
    if exposure.include is not None:
        parts.append(f"include {describe_cohort(exposure.include)}")
    return ", ".join(parts)


def describe_cohort(cohort: Cohort) -> str:
    """Formats a cohort as "region in [eu, us] and tier = gold"."""
    words = []
    for condition in cohort:
        values = condition.texts
        many = len(values) != 1
        words.append(
            f"{condition.attribute} in [{', '.join(values)}]"
            if many
            else f"{condition.attribute} = {values[0]}"
        )
    return " and ".join(words)
