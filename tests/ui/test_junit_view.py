"""JUnit of a rollout's gates: a case a gate and step, and one for the rollout."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from rolloutctl.core.machine import fold
from rolloutctl.core.state import Phase
from rolloutctl.ui.junit_view import junit_xml
from rolloutctl.ui.summary_view import summary_markdown
from ui.report_worlds import WORLDS


def told(phase, *, because="why"):
    fleet = WORLDS[phase]()
    records = fleet.journal.read("r-0")
    book, state = fleet.books["r-0"], fold("r-0", records)
    return ET.fromstring(junit_xml(book, state, records, because=because)), (book, state)  # noqa: S314 - our own


def by_name(root):
    return {(case.get("classname"), case.get("name")): case for case in root.iter("testcase")}


def test_a_rollout_that_went_well_has_no_failure():
    """Each gate in each step that it judged, guardrails once."""
    root, _ = told(Phase.SUCCEEDED)
    cases = by_name(root)
    (suite,) = root

    assert suite.get("failures") == suite.get("errors") == "0"
    assert int(suite.get("tests")) == len(cases)
    assert ("test.guardrails", "gate floor") in cases
    assert ("test.2 canary-1", "gate success") in cases
    assert len(cases["test", "rollout"]) == 0


def test_a_gate_that_failed_says_what_it_asked_and_what_it_was_answered():
    """In the step in which it failed; the rollout failed too."""
    root, _ = told(Phase.ROLLED_BACK)
    failed = [case for case in root.iter("testcase") if case.find("failure") is not None]

    assert {case.get("name") for case in failed} == {"gate success", "rollout"}
    gate = next(case for case in failed if case.get("name") == "gate success")
    assert "success -> 0.5" in gate.find("failure").text


@pytest.mark.parametrize("phase", [Phase.ASKING, Phase.PAUSED])
def test_a_rollout_that_is_not_over_is_neither_good_nor_bad(phase):
    """Skipped, with the reason."""
    root, _ = told(phase, because="waits for an answer")

    said = by_name(root)["test", "rollout"].find("skipped")
    assert said.get("message") == f"{phase}: waits for an answer"


@pytest.mark.parametrize("phase", [Phase.KILLED, Phase.STUCK])
def test_hostile_words_stay_words(phase):
    """Markup and control characters of a name or a reason break no document."""
    root, (book, state) = told(phase, because="</testsuite>\x00\x1b[31m")
    summary = summary_markdown(book, state, because="<b>|`", next_commands=["rolloutctl explain x"])

    assert "</testsuite>??[31m" in by_name(root)["test", "rollout"].find("failure").get("message")
    assert "<b>" not in summary.replace("\\<b\\>", "")
