"""A simulated rollout as text for people and as a document for machines; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rolloutctl.core.exposure import describe
from rolloutctl.core.json_types import Json
from rolloutctl.core.units import format_duration
from rolloutctl.simulation.scenario import Played, Scenario, units_exposed
from rolloutctl.simulation.streams import Role, Slot
from rolloutctl.simulation.virtual import EPOCH
from rolloutctl.ui.documents import exposure_json
from rolloutctl.ui.event_news import EventNews, indent_of
from rolloutctl.ui.messages import API_VERSION
from rolloutctl.ui.table import wrapped

#: Columns of the time in front of a line.
_TIME_WIDTH = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """One simulated rollout, and how it was asked for."""

    scenario: Scenario
    played: Played
    seed: int
    units: int

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the simulation may differ from what would happen."""
        texts = [f"nothing answers {text}: it is taken for no data" for text in self.played.unknown]
        never = [
            f"the fault {fault.text!r} never began"
            for fault, since in zip(self.scenario.faults, self.played.began_s, strict=True)
            if since is None
        ]
        return (*self.scenario.healthy.doubts, *texts, *never)


def simulation_text(simulation: Simulation, width: int) -> str:
    """The assumptions, the timeline, and what it cost."""
    lines = [_assumed(simulation, width), ""]
    for second, text in timeline(simulation.played):
        head = f"{_at(second):<{_TIME_WIDTH}} "
        indent = " " * (len(head) + len(text) - len(text.lstrip()))
        lines.append(wrapped(f"{head}{text}", width, indent=indent))
    lines += ["", *_costs(simulation)]
    return "\n".join(lines)


def simulation_document(simulation: Simulation) -> Mapping[str, Json]:
    """Everything, with seconds since the start as times."""
    scenario, played = simulation.scenario, simulation.played
    playbook, rehearsed = scenario.given.playbook, played.rehearsed
    return {
        "apiVersion": API_VERSION,
        "kind": "Simulation",
        "name": playbook.name,
        "sha256": playbook.sha256,
        "seed": simulation.seed,
        "traffic": traffic_json(scenario),
        "healthy": healthy_json(scenario),
        "faults": [fault.text for fault in scenario.faults],
        "fault_began_s": list(played.began_s),
        "exit_code": int(rehearsed.exit_code),
        "phase": str(rehearsed.state.phase),
        "because": rehearsed.because,
        "lasted_s": played.lasted_s,
        "timeline": [{"at_s": s, "text": text.strip()} for s, text in timeline(played)],
        "exposures": [
            {"at_s": second, "target": target, "exposure": exposure_json(exposure)}
            for second, target, exposure in played.exposures
        ],
        "canary_requests": {name: round(count) for name, count in played.requests.items()},
        "units": simulation.units,
        "units_exposed": round(units_exposed(played, simulation.units)),
        "expected_harm": {gate: round(events, 1) for gate, events in played.harm.items()},
        "doubts": list(simulation.doubts),
    }


def timeline(played: Played) -> Iterator[tuple[float, str]]:
    """(second, line) of everything that was news, indented as on a screen."""
    news = EventNews()
    for record in played.rehearsed.records:
        text = news.text(record.event)
        if text:
            second = (record.at - EPOCH).total_seconds()
            yield second, f"{indent_of(record.event)}{text}"


def traffic_json(scenario: Scenario) -> Mapping[str, Json]:
    """How much traffic there was."""
    climate = scenario.climate
    return {"requests_per_s": climate.requests_per_s, "shape": str(climate.shape)}


def healthy_json(scenario: Scenario) -> Mapping[str, Json]:
    """Each gate's number while all is well."""
    numbers = scenario.healthy.numbers
    return {
        gate: numbers[slot.name] for slot in scenario.streams.slots.values() for gate in slot.gates
    }


def healthy_words(scenario: Scenario) -> str:
    """The same as words: errors 0.5% bad, p99 99% below 500ms."""
    words = []
    for slot in scenario.streams.slots.values():
        number = scenario.healthy.numbers[slot.name]
        how = "" if slot.name in scenario.healthy.stated else " (assumed)"
        words.append(f"{', '.join(slot.gates)} {_number(slot, number)}{how}")
    return "; ".join(words) or "no gate has a number"


def _number(slot: Slot, number: float) -> str:
    match slot.role:
        case Role.BAD:
            return f"{number * 100:.4g}% bad"
        case Role.GOOD:
            return f"{number * 100:.4g}% good"
        case Role.HISTOGRAM:
            return f"99% below {format_duration(number)}"
        case Role.SUM:
            return f"{number:.4g} a request"
        case Role.TOTAL | Role.EXPRESSION:
            return f"{number:.4g}"


def _assumed(simulation: Simulation, width: int) -> str:
    scenario = simulation.scenario
    climate = scenario.climate
    how_much = f"{climate.requests_per_s:g} requests/s, {climate.shape}, seed {simulation.seed}"
    texts = [
        f"simulation of {scenario.given.playbook.name}: {how_much}",
        f"all is well at: {healthy_words(scenario)}",
        *(f"fault: {fault.text}" for fault in scenario.faults),
    ]
    return "\n".join(wrapped(text, width, indent="  ") for text in texts)


def _costs(simulation: Simulation) -> list[str]:
    played = simulation.played
    served = sum(played.requests.values())
    users = units_exposed(played, simulation.units)
    last = played.exposures[-1][2] if played.exposures else None
    serving = f", serving {describe(last)}" if last is not None else ""
    exit_code = int(played.rehearsed.exit_code)
    answered = f"{served:,.0f} requests of {users:,.0f} users (of {simulation.units:,})"
    lines = [
        f"ended after {format_duration(played.lasted_s)}: exit {exit_code}{serving}",
        f"the canary answered about {answered}",
    ]
    for gate, events in played.harm.items():
        lines.append(f"expected harm, {gate}: {events:,.0f} bad events more than control's rate")
    return lines


def _at(second: float) -> str:
    """+00:03:30, or +1d01:03:30 from the second day on."""
    days, rest = divmod(round(second), 86_400)
    clock = f"{rest // 3600:02d}:{rest % 3600 // 60:02d}:{rest % 60:02d}"
    return f"+{days}d{clock}" if days else f"+{clock}"
