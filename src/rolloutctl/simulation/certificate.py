"""What a certificate holds: cases, what became of their runs, and the verdict; data only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from rolloutctl.core.stats.wilson import wilson_interval
from rolloutctl.errors import ExitCode
from rolloutctl.simulation.scenario import Scenario

#: Share of harmed rollouts that must be found where nobody says: gates that let most of a
#: harm through are no answer to it.
POWER = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row of a certificate: a scenario, run so often.

    Attributes:
        name: for people: the shape, or the effect.
        scenario: what is run.
        runs: how often.
        is_harmed: whether it should be taken back.
    """

    name: str
    scenario: Scenario
    runs: int
    is_harmed: bool = False


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of a case's runs.

    Attributes:
        runs: how many.
        aborted: taken back by a gate; of harmed runs those after the harm began.
        early: harmed runs that were taken back before there was any harm.
        completed: went through to the end.
        stalled: neither: held, paused or waiting for somebody.
        delays_s: from the beginning of the harm to the end of the rollback.
        gates: how often each gate failed.
        checked: runs that the complete engine was shown to agree on.
    """

    runs: int = 0
    aborted: int = 0
    early: int = 0
    completed: int = 0
    stalled: int = 0
    delays_s: list[float] = field(default_factory=list)
    gates: Counter[str] = field(default_factory=Counter)
    checked: int = 0

    def add(self, other: Tally) -> None:
        """Adds what another worker counted."""
        for name in ("runs", "aborted", "early", "completed", "stalled", "checked"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.delays_s += other.delays_s
        self.gates += other.gates

    @property
    def rate(self) -> float:
        """Share of runs that were taken back."""
        return self.aborted / self.runs if self.runs else 0.0

    @property
    def bounds(self) -> tuple[float, float]:
        """Wilson's interval of that share, 99.9 %."""
        return wilson_interval(self.aborted, self.runs) if self.runs else (0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What was measured, beside what the playbook claims.

    Attributes:
        cases: in order, with their tallies.
        claim: share of healthy rollouts that the playbook says it may abort.
        power: share of harmed rollouts that must be found; 0 demands nothing.
    """

    cases: tuple[tuple[Case, Tally], ...]
    claim: float
    power: float = POWER

    @property
    def healthy(self) -> Tally:
        """All healthy runs together."""
        whole = Tally()
        for case, tally in self.cases:
            if not case.is_harmed:
                whole.add(tally)
        return whole

    @property
    def broken(self) -> tuple[str, ...]:
        """Healthy rows that abort more than is claimed, by more than chance."""
        return tuple(
            case.name
            for case, tally in self.cases
            if not case.is_harmed and tally.bounds[0] > self.claim
        )

    @property
    def missed(self) -> tuple[tuple[Case, Tally], ...]:
        """Harms found less often than demanded, by more than chance, or not once."""
        return tuple(
            (case, tally)
            for case, tally in self.cases
            if case.is_harmed
            and self.power > 0
            and (tally.bounds[1] < self.power or tally.aborted == 0)
        )

    @property
    def is_shown(self) -> bool:
        """Whether the claim is shown to hold: every healthy row's upper bound is within it."""
        return all(t.bounds[1] <= self.claim for c, t in self.cases if not c.is_harmed)

    @property
    def exit_code(self) -> ExitCode:
        """10 if the playbook does not keep what it claims, or misses a harm."""
        return ExitCode.JUDGED_BAD if self.broken or self.missed else ExitCode.DONE
