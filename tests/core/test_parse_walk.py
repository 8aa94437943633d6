"""Steps compared with the steps before them: nobody who was given the canary loses it."""

from __future__ import annotations

from functools import partial

import pytest

from rolloutctl import playbook_file
from toy_language import ToyCatalog

CATALOG = ToyCatalog()
HEAD = """\
apiVersion: rolloutctl/v1
kind: Playbook
name: walk
targets:
  a: {provider: toy, flag: a, control: x, canary: y, shadow: {flag: s, labels: {mode: m}}}
  b: {provider: toy, flag: b, control: x, canary: y}
  c: {provider: coarse, flag: c, control: x, canary: y}
defaults: {on_no_data: wait, on_error: wait, on_inconclusive: wait}
gates: {ok: {kind: sure}}
guardrails: [ok]
steps:
"""


@pytest.fixture
def problems(tmp_path):
    """(line of the step counted from 1, message) of every problem of one severity."""

    def found(*steps, head=HEAD, severity="error"):
        path = tmp_path / "playbook.yaml"
        path.write_text(head + "".join(f"  - {step}\n" for step in steps))
        first = head.count("\n")
        told = playbook_file.lint(path, inputs={}, env={}, catalog=CATALOG)
        return [(one.line - first, one.message) for one in told if one.severity == severity]

    return found


@pytest.fixture
def errors(problems):
    """The same, of every error."""
    return problems


@pytest.fixture
def warnings(problems):
    """The same, of every warning."""
    return partial(problems, severity="warning")


@pytest.mark.parametrize(
    "steps",
    [
        ("{canary: 5%, target: a}", "{canary: 5%, target: a}", "{canary: 100%, target: a}"),
        ("{shadow: 10%, target: a}", "{canary: 5%, shadow: 5%, target: a}"),
        ("{canary: 0%, audience: {r: eu}, target: a}", "{canary: 5%, target: a}"),
        ("{canary: 5%, include: {u: 1}, target: a}", "{canary: 100%, target: a}"),
        ("{canary: 5%, target: a}", "{canary: 5%, include: {u: 1}, target: a}"),
        ("{canary: 50%, target: a}", "{canary: 5%, target: b}", "{canary: 1%, target: c}"),
        (
            "{include: {a: 1, b: 2}, canary: 0%, target: a}",
            "{canary: 5%, include: {b: 2, a: 1}, target: a}",
        ),
        ("{canary: 5%, target: a}", "{shadow: 5%, target: a}", "{canary: 5%, target: a}"),
        ("{jump: 5%, target: a}", "{jump: 100%, target: a}"),
    ],
)
def test_growing_exposures_are_right(errors, steps):
    """Weights only grow, cohorts stay, each target for itself."""
    assert errors(*steps) == []


@pytest.mark.parametrize(
    ("steps", "line", "message"),
    [
        (("{canary: 25%, target: a}", "{canary: 5%, target: a}"), 2, "from 25% to 5%"),
        (("{jump: 25%, target: a}", "{jump: 5%, target: a}"), 2, "from 25% to 5%"),
        (("{canary: 1%, include: {u: 1}, target: a}", "{canary: 5%, target: a}"), 2, "included"),
        (
            (
                "{canary: 1%, include: {u: 1}, target: a}",
                "{canary: 5%, include: {u: 2}, target: a}",
            ),
            2,
            "away from included",
        ),
        (
            (
                "{canary: 1%, include: {u: 1}, target: a}",
                "{canary: 5%, include: {u: true}, target: a}",
            ),
            2,
            "away from included",
        ),
        (
            (
                "{canary: 1%, audience: {r: eu}, include: {u: 1}, target: a}",
                "{canary: 100%, audience: {r: eu}, target: a}",
            ),
            2,
            "away from included",
        ),
        (("{canary: 5%, target: a}", "{canary: 5%, audience: {r: eu}, target: a}"), 2, "audience"),
        (("{canary: 5%, audience: {r: eu}, target: a}", "{canary: 9%, target: a}"), 2, "audience"),
        (
            (
                "{canary: 0%, include: {u: 1}, target: a}",
                "{canary: 0%, include: {u: 1}, audience: {r: eu}, target: a}",
            ),
            2,
            "audience",
        ),
        (("{shadow: 5%, target: b}",), 1, "target b has no shadow flag"),
        (("{canary: 0.5%, target: c}",), 1, "in steps of 1%"),
        (("{canary: 0%, include: {u: 1}, target: c}",), 1, "cannot do include"),
        (("{canary: 0%, audience: {u: 1}, target: c}",), 1, "cannot do audience"),
    ],
)
def test_exposures_that_cannot_or_must_not_be_are_told_at_the_step(errors, steps, line, message):
    """The step that would do it is named, with the way out."""
    assert [(at, message in text) for at, text in errors(*steps)] == [(line, True)]


def test_a_shadow_flag_does_not_help_a_provider_without_shadow(errors):
    """The provider's declared capabilities are checked before the run."""
    head = HEAD.replace(
        "flag: c, control: x, canary: y", "flag: c, control: x, canary: y, shadow: {flag: s}"
    )

    assert errors("{shadow: 5%, target: c}", head=head) == [
        (1, "shadow 5%: coarse (target c) cannot do shadow")
    ]


@pytest.mark.parametrize(
    ("gate_use", "is_known"),
    [
        (("{shadow: 5%, target: a, gates: [m]}",), True),
        (("{canary: 5%, target: a, gates: [m]}",), False),
        (("{shadow: 5%, target: a}", "{canary: 5%, target: a, before: [m]}"), True),
        (("{canary: 5%, target: a, before: [m]}",), False),
        (("{shadow: 5%, target: a, gates: [m]}", "{canary: 5%, target: a, gates: [m]}"), False),
    ],
)
def test_shadow_labels_are_known_only_where_nothing_but_the_mirror_serves(
    errors, gate_use, is_known
):
    """Elsewhere the label would have no value when the gate asks."""
    query = "'x{m=\"${canary.labels.mode}\"}'"
    gate = f"m: {{kind: threshold, source: metrics, target: a, fail: '< 1', query: {query}}}"
    head = HEAD.replace("{ok: {kind: sure}}", "{ok: {kind: sure}, " + gate + "}").replace(
        "guardrails:", "sources: {metrics: {url: 'https://x'}}\nguardrails:"
    )

    messages = [text for _, text in errors(*gate_use, head=head)]

    assert (messages == []) is is_known
    assert is_known or "unknown reference ${canary.labels.mode}" in messages[0]


def test_steps_in_error_are_not_compared(errors):
    """One mistake gives one message, not a tail of others."""
    found = errors(
        "{canary: 50%, target: [a]}", "{canary: 5%, target: a}", "{canary: 5%, target: n}"
    )

    assert [line for line, _ in found] == [1, 3]


@pytest.mark.parametrize(
    ("steps", "lines"),
    [
        (("{canary: 5%, target: a}", "{canary: 50%, target: a}", "{wait: 1m}"), [2]),
        (("{canary: 5%, target: a}", "{canary: 100%, target: b}"), [1]),
        (("{canary: 5%, target: a}", "{canary: 5%, target: b}"), [1, 2]),
        (("{canary: 5%, target: a}", "{shadow: 5%, canary: 5%, target: a}"), [1]),
        (("{canary: 5%, target: a}", "{canary: 100%, target: a}"), []),
        (("{shadow: 10%, target: a}",), []),
        (("{canary: 0%, include: {u: 1}, target: a}",), []),
        (("{canary: 100%, audience: {r: eu}, target: a}",), []),
    ],
)
def test_a_share_that_nothing_raises_to_everybody_is_a_warning(warnings, steps, lines):
    """At the step that leaves it so; a cohort, a whole audience and a mirror are meant so."""
    told = warnings(*steps)

    assert [line for line, _ in told] == lines
    assert all("ends with the canary of" in message for _, message in told)


def test_where_there_are_errors_the_end_is_not_looked_at(warnings):
    """What the steps amount to is not known yet."""
    assert warnings("{canary: 25%, target: a}", "{canary: 5%, target: a}") == []
