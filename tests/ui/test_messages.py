import json

from rolloutctl.errors import Conflict, InvalidPlaybook, Problem
from rolloutctl.ui.messages import error_document, error_text, problem_text

LINE = "  - {canary: 5, hold: 24h}"


def problem(**more):
    given = {"file": "p.yaml", "line": 3, "column": 14, "message": "a bare number"} | more
    return Problem(**given)


def test_an_error_says_what_and_what_next():
    """The first line is the fact, the second the way out."""
    text = error_text(Conflict("r-1 is driven elsewhere", hint="wait"), lambda *_: None)

    assert text == "error: r-1 is driven elsewhere\n  hint: wait"


def test_the_caret_stands_under_the_offending_text():
    """The eye finds the place before it reads the words."""
    text = problem_text(problem(offending="5", fix="write 5%"), lambda *_: LINE)

    shown, caret = text.splitlines()[1:3]
    assert shown[caret.index("^")] == "5"
    assert caret.count("^") == 1
    assert text.endswith("fix: write 5%")


def test_the_caret_survives_tabs_and_very_long_lines():
    """Excerpts of long lines keep the offending text in sight."""
    long = "x" * 300 + "OFFENDING" + "y" * 300

    text = problem_text(problem(column=301, offending="OFFENDING"), lambda *_: long)

    shown, caret = text.splitlines()[1:3]
    assert shown[caret.index("^") : caret.rindex("^") + 1] == "OFFENDING"
    assert len(shown) < 120


def test_a_file_that_cannot_be_read_has_no_excerpt():
    """The position alone is still an answer."""
    assert problem_text(problem(), lambda *_: None) == "p.yaml:3:14: error: a bare number"


def test_the_machine_form_carries_every_problem():
    """A pipeline gets positions and fixes, not only a count."""
    error = InvalidPlaybook((problem(), problem(line=9)))

    document = json.loads(json.dumps(error_document(error)))

    assert document["error"]["exit_code"] == 3
    assert [one["line"] for one in document["error"]["problems"]] == [3, 9]
