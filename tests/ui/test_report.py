"""A rollout as HTML and Markdown: complete in every phase, harmless, and of a bounded size."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from rolloutctl.core.state import Phase
from rolloutctl.ui.report import exposures, gate_courses, telling
from rolloutctl.ui.report.html import report_html
from rolloutctl.ui.report.markdown import report_markdown
from rolloutctl.ui.report.wording import MARKS
from ui.report_worlds import HOSTILE, PERSON, WORLDS, long_one, rolled_back, succeeded, told

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Elements(HTMLParser):
    """Every element and attribute; complains about tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.names, self.attributes, self._open = set(), set(), []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag):
        assert self._open.pop() == tag


@pytest.fixture(scope="module", params=list(WORLDS), ids=str)
def phase(request):
    return request.param


@pytest.fixture(scope="module")
def report(phase):
    return told(WORLDS[phase]())


def test_every_phase_is_reported_with_a_mark_and_a_word(phase, report):
    """Nobody needs the colour."""
    page, text = report_html(report), report_markdown(report)

    assert report.phase is phase
    for one in (page, text):
        assert MARKS[phase][0] in one
        assert phase.value.replace("-", " ") in one.replace("-", " ")
    assert all(target.name in page for target in report.targets)


def test_why_it_stands_where_it_stands_is_one_sentence_from_the_journal(phase, report):
    """The reason that was recorded; a kill's with who asked for it and why."""
    said = {
        Phase.SUCCEEDED: "steps",
        Phase.ROLLED_BACK: "gate success failed",
        Phase.KILLED: "the kill's reason: ",
        Phase.PAUSED: f"paused by {PERSON.name}",
        Phase.ASKING: "leave step",
        Phase.STUCK: "the rollback of llm is not confirmed",
    }

    assert said[phase] in report.sentence


def test_the_page_is_well_formed_and_has_nothing_that_runs_or_loads(report):
    """No script, no link, no handler, and a policy that forbids them."""
    page = report_html(report)
    found = Elements(page)

    assert not found.names & {"script", "img", "link", "iframe", "object", "form", "a"}
    assert not {name for name in found.attributes if name.startswith("on")}
    assert "default-src 'none'" in page
    assert re.search(r"(?:https?:)?//(?!\S*flag)", page.replace("fake://", "")) is None


def test_markdown_holds_no_markup_of_anybody(report):
    """A reason cannot become a link, a table row, or HTML."""
    text = report_markdown(report)

    assert "<script" not in re.sub(r"\\.", "", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    cells = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
    assert cells <= {3, 5}


def test_what_was_judged_and_why_it_was_taken_back_is_there():
    """Query, raw numbers, limit, and the sentence of the decision."""
    page = report_html(told(rolled_back()))

    assert "rolling back: gate success failed" in page
    assert "observed, limit 0.95; 6 judgements recorded" in page
    assert 'class="fail"' in page
    assert "sha256" in page


def test_exposure_is_drawn_as_it_was_seen():
    """Shadow first, then each share, in words for whoever does not see the drawing."""
    report = told(succeeded())
    (target,) = report.targets

    assert {point.canary_bp for point in target.seen} == {0, 500, 5_000, 10_000}
    assert max(point.shadow_bp for point in target.seen) == 1_000
    assert re.search(r'aria-label="Exposure of llm: .*canary 5%.*canary 100%', report_html(report))


def test_steps_do_not_overlap_and_end_with_the_rollout():
    """One after the other."""
    report = told(succeeded())

    assert report.steps[0].name.startswith("shadow")
    assert all(a.ends <= b.begins for a, b in zip(report.steps, report.steps[1:], strict=False))
    assert report.steps[-1].ends <= report.ended_at


def test_people_are_named_with_what_they_did():
    """As the journal has them."""
    report = told(WORLDS[Phase.PAUSED]())

    assert any("paused it" in what and HOSTILE in what for _, what in report.people)


def test_a_broken_chain_is_said():
    """The reader must not trust it."""
    assert "BROKEN: event 7" in report_html(told(succeeded(), chain="event 7"))
    assert "BROKEN: event 7" in report_markdown(told(succeeded(), chain="event 7"))


def test_a_long_rollout_has_a_page_of_bounded_size_that_says_what_is_left_out(monkeypatch):
    """The worst judgement of each stretch is kept."""
    monkeypatch.setattr(gate_courses, "LOOKS_MAX", 20)
    monkeypatch.setattr(telling, "LINES_MAX", 50)
    report = told(long_one())
    page = report_html(report)

    assert all(len(gate.looks) <= 20 for gate in report.gates)
    assert len(report.lines) == 50
    assert f"{report.left_out} lines left out" in page
    assert f"{report.left_out} lines left out" in report_markdown(report)


def test_the_same_journal_gives_the_same_bytes():
    """A report can be compared, and attached twice."""
    fleet = succeeded()

    assert report_html(told(fleet)) == report_html(told(fleet))


def test_no_rollout_makes_a_page_of_more_than_ten_megabytes():
    """More gates, judgements, lines and longer texts than any rollout has."""
    report = told(rolled_back())
    gate = report.gates[-1]
    endless = "<&" * 10_000
    look = replace(gate.looks[-1], because=endless)
    gates = [
        replace(gate, name=f"{n}{endless}", looks=(look,) * gate_courses.LOOKS_MAX)
        for n in range(200)
    ]
    point = report.targets[0].seen[0]
    points = [replace(point, canary_bp=n) for n in range(exposures.POINTS_MAX)]
    targets = [replace(report.targets[0], address=endless, seen=tuple(points)) for _ in range(50)]
    lines = [replace(report.lines[0], text=endless)] * telling.LINES_MAX

    page = report_html(
        replace(
            report,
            gates=tuple(gates),
            targets=tuple(targets),
            lines=tuple(lines),
            people=((endless, endless),) * telling.PEOPLE_MAX,
            playbook={"steps": [endless] * 20},
        )
    )

    assert len(page.encode()) < 10_000_000
    assert "more gates" in page
