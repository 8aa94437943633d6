"""A certificate as text for people and as a document for machines; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from rolloutctl.core.json_types import Json
from rolloutctl.core.units import format_duration
from rolloutctl.simulation.certificate import Case, Certificate, Tally
from rolloutctl.simulation.scenario import Scenario
from rolloutctl.ui.messages import API_VERSION
from rolloutctl.ui.simulate_view import healthy_json, healthy_words, traffic_json
from rolloutctl.ui.table import table, wrapped


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """A certificate, and how it was asked for."""

    certificate: Certificate
    seed: int

    @property
    def first(self) -> Case:
        """Any of its cases: playbook and healthy numbers are those of all."""
        return self.certificate.cases[0][0]


def certificate_text(certified: Certified, width: int) -> str:
    """The assumptions, both tables, and the verdict."""
    certificate, scenario = certified.certificate, certified.first.scenario
    playbook = scenario.given.playbook
    hold_s = sum(step.hold_s for step in playbook.steps)
    how_much = f"{scenario.climate.requests_per_s:g} requests/s, seed {certified.seed}"
    head = [
        f"certificate of {playbook.name}: {format_duration(hold_s)} of holds, {how_much}",
        f"all is well at: {healthy_words(scenario)}",
    ]
    healthy = [one for one in certificate.cases if not one[0].is_harmed]
    harmed = [one for one in certificate.cases if one[0].is_harmed]
    parts = ["\n".join(wrapped(text, width, indent="  ") for text in head)]
    if healthy:
        parts.append(_healthy_table(healthy, certificate, width))
    if harmed:
        parts.append(_harmed_table(harmed, width))
    parts.append(wrapped(verdict_words(certificate), width, indent="  "))
    if harmed:
        parts.append(wrapped(_found_words(certificate, harmed), width, indent="  "))
    parts += [wrapped(words, width, indent="  ") for words in _reach_words(scenario, harmed)]
    return "\n\n".join(parts)


def _reach_words(scenario: Scenario, harmed: Sequence[tuple[Case, Tally]]) -> Iterator[str]:
    """Which gates a harm reaches beside the one that names it, and which no harm reaches."""
    playbook, streams = scenario.given.playbook, scenario.streams
    reached: set[str] = set()
    for case, _ in harmed:
        for fault in case.scenario.faults:
            gates = [gate for slot in streams.slots_of(fault.name) for gate in slot.gates]
            others = [gate for gate in dict.fromkeys(gates) if gate != fault.name]
            reached |= {fault.name, *others}
            if others:
                yield f"{case.name} is the number of {', '.join(others)}, too"
    used = {name for step in playbook.steps for name in (*step.gates, *step.before)}
    acting = [
        name
        for name, gate in playbook.gates.items()
        if name in used | set(playbook.guardrails) and not gate.limits.observe_only
    ]
    left = [name for name in acting if name not in reached]
    if left:
        yield f"no harm was tried for {', '.join(left)}: --effect {left[0]}=VALUE plants one"


def certificate_document(certified: Certified) -> Mapping[str, Json]:
    """Everything that was counted."""
    certificate, scenario = certified.certificate, certified.first.scenario
    playbook = scenario.given.playbook
    return {
        "apiVersion": API_VERSION,
        "kind": "Certificate",
        "name": playbook.name,
        "sha256": playbook.sha256,
        "seed": certified.seed,
        "traffic": {"requests_per_s": traffic_json(scenario)["requests_per_s"]},
        "healthy": healthy_json(scenario),
        "claim": certificate.claim,
        "power": certificate.power,
        "confidence": 0.999,
        "healthy_runs": [_row(c, t) for c, t in certificate.cases if not c.is_harmed],
        "harmed_runs": [_row(c, t) for c, t in certificate.cases if c.is_harmed],
        "broken": list(certificate.broken),
        "missed": [case.name for case, _ in certificate.missed],
        "shown": certificate.is_shown,
        "exit_code": int(certificate.exit_code),
        "doubts": list(scenario.healthy.doubts),
    }


def verdict_words(certificate: Certificate) -> str:
    """One sentence: kept, broken, or not decided."""
    claim = f"at most {_percent(certificate.claim)} of healthy rollouts are aborted"
    whole = certificate.healthy
    low, high = whole.bounds
    measured = f"measured {_percent(whole.rate)} ({_percent(low)} to {_percent(high)})"
    if certificate.broken:
        rows = ", ".join(certificate.broken)
        return f"BROKEN: claimed {claim}; {measured}; worse than claimed: {rows}"
    if certificate.is_shown:
        return f"kept: claimed {claim}; {measured}"
    return f"not contradicted, not shown: claimed {claim}; {measured}; more --runs decide"


def _found_words(certificate: Certificate, harmed: Sequence[tuple[Case, Tally]]) -> str:
    """One sentence: every harm is found, or which are not."""
    demanded = f"at least {_percent(certificate.power)} of each harm must be found"
    if certificate.power <= 0:
        return "no share of the harmed rollouts was demanded (--power)"
    if not certificate.missed:
        runs = sum(tally.runs for _, tally in harmed)
        aborted = sum(tally.aborted for _, tally in harmed)
        return f"found: {aborted} of {runs} harmed rollouts; {demanded}"
    rows = "; ".join(f"{c.name}: found {t.aborted} of {t.runs}" for c, t in certificate.missed)
    return f"NOT FOUND: {rows}; {demanded} (--effect names the harms, --power the share)"


def _healthy_table(rows: Sequence[tuple[Case, Tally]], certificate: Certificate, width: int) -> str:
    lines = [_healthy_line(case.name, tally) for case, tally in rows]
    if len(rows) > 1:
        lines.append(_healthy_line("together", certificate.healthy))
    headers = ("HEALTHY", "RUNS", "ABORTED", "99.9% INTERVAL", "STALLED", "BY")
    return table(headers, lines, width)


def _healthy_line(name: str, tally: Tally) -> tuple[str, ...]:
    gates = ", ".join(f"{gate} {count}" for gate, count in tally.gates.most_common()) or "-"
    return name, str(tally.runs), _percent(tally.rate), _interval(tally), str(tally.stalled), gates


def _harmed_table(rows: Sequence[tuple[Case, Tally]], width: int) -> str:
    lines = [
        (
            case.name,
            str(tally.runs),
            _percent(tally.rate),
            _interval(tally),
            str(tally.completed + tally.stalled),
            str(tally.early),
            format_duration(fmean(tally.delays_s)) if tally.delays_s else "-",
        )
        for case, tally in rows
    ]
    headers = ("HARMED", "RUNS", "FOUND", "99.9% INTERVAL", "MISSED", "EARLY", "MEAN DELAY")
    return table(headers, lines, width)


def _row(case: Case, tally: Tally) -> dict[str, Json]:
    low, high = tally.bounds
    row: dict[str, Json] = {
        "name": case.name,
        "runs": tally.runs,
        "aborted": tally.aborted,
        "completed": tally.completed,
        "stalled": tally.stalled,
        "rate": tally.rate,
        "rate_low": low,
        "rate_high": high,
        "gates": dict(sorted(tally.gates.items())),
        "checked_against_engine": tally.checked,
    }
    if case.is_harmed:
        row["early"] = tally.early
        row["mean_delay_s"] = fmean(tally.delays_s) if tally.delays_s else None
    return row


def _interval(tally: Tally) -> str:
    low, high = tally.bounds
    return f"{_percent(low)} to {_percent(high)}"


def _percent(share: float) -> str:
    return f"{share * 100:.3g}%"
