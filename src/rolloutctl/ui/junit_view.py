"""The gates of a rollout as JUnit XML: what pipelines show as tests; pure.

The form is the one that GitLab and Jenkins read:
https://github.com/testmoapp/junitxml#junit-xml-format-and-file-specification. A gate is a test
case of each step that it judged; the rollout itself is one more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from rolloutctl.core import events as ev
from rolloutctl.core.state import Phase
from rolloutctl.core.verdict import Outcome

if TYPE_CHECKING:
    from rolloutctl.core.playbook import Playbook
    from rolloutctl.core.state import RolloutState

#: Characters that XML 1.0 cannot hold: https://www.w3.org/TR/xml/#charsets.
_UNFIT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: What an outcome is to a test; PASS is nothing.
_SAID = {
    Outcome.FAIL: "failure",
    Outcome.ERROR: "error",
    Outcome.NO_DATA: "error",
    Outcome.INCONCLUSIVE: "skipped",
}


@dataclass(slots=True)
class _Case:
    """A gate within a step: from its first judgement there to the last one."""

    group: str
    gate: str
    began_at: datetime
    ended_at: datetime
    event: ev.GateJudged


def junit_xml(
    playbook: Playbook, state: RolloutState, records: Sequence[ev.Recorded], *, because: str
) -> str:
    """The document, ending with a line break. `because` is how the rollout stands."""
    cases = _cases(playbook, records)
    suite = ET.Element("testsuite", name=_fit(state.rollout_id))
    for case in cases:
        seconds = (case.ended_at - case.began_at).total_seconds()
        node = _case(suite, f"{playbook.name}.{case.group}", f"gate {case.gate}", seconds)
        verdict = case.event.record.verdict
        if verdict.outcome in _SAID:
            _say(
                node, _SAID[verdict.outcome], f"{verdict.outcome}: {verdict.because}", _asked(case)
            )
    took_s = (records[-1].at - records[0].at).total_seconds()
    node = _case(suite, playbook.name, "rollout", took_s)
    if state.phase is not Phase.SUCCEEDED:
        _say(
            node, "failure" if _is_bad(state.phase) else "skipped", f"{state.phase}: {because}", ""
        )
    _count(suite, records[0].at, took_s)
    root = ET.Element("testsuites", name="rolloutctl")
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _is_bad(phase: Phase) -> bool:
    return phase in {
        Phase.ROLLED_BACK,
        Phase.ROLLING_BACK,
        Phase.KILLED,
        Phase.KILLING,
        Phase.STUCK,
    }


def _cases(playbook: Playbook, records: Sequence[ev.Recorded]) -> list[_Case]:
    found: dict[tuple[str, str], _Case] = {}
    for recorded in records:
        event = recorded.event
        if not isinstance(event, ev.GateJudged):
            continue
        group = "guardrails" if event.record.is_guardrail else _step_name(playbook, event.step)
        case = found.setdefault(
            (group, event.gate), _Case(group, event.gate, recorded.at, recorded.at, event)
        )
        case.ended_at, case.event = recorded.at, event
    return list(found.values())


def _step_name(playbook: Playbook, index: int) -> str:
    names = [step.name for step in playbook.steps]
    return f"{index + 1} {names[index]}" if index < len(names) else str(index + 1)


def _case(suite: ET.Element, group: str, name: str, seconds: float) -> ET.Element:
    return ET.SubElement(
        suite, "testcase", classname=_fit(group), name=_fit(name), time=f"{seconds:.3f}"
    )


def _say(node: ET.Element, kind: str, message: str, text: str) -> None:
    said = ET.SubElement(node, kind, message=_fit(message))
    if text:
        said.text = _fit(text)


def _asked(case: _Case) -> str:
    """The queries behind the verdict, and their answers."""
    lines = []
    for reading in case.event.readings:
        measurement = reading.measurement
        values = [f"{s.value:g}" for s in measurement.samples] if measurement is not None else []
        state = measurement.state.value if measurement is not None else ""
        lines.append(f"{reading.query.text} -> {reading.error or ', '.join(values) or state}")
    return "\n".join(lines)


def _count(suite: ET.Element, at: datetime, took_s: float) -> None:
    kinds = [child.tag for node in suite for child in node]
    suite.set("timestamp", at.isoformat(timespec="seconds"))
    suite.set("time", f"{took_s:.3f}")
    suite.set("tests", str(len(suite)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(kinds.count(tag)))


def _fit(text: str) -> str:
    return _UNFIT.sub("?", text)
