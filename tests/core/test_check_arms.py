"""Comparisons are refused where one of the arms is not served."""

from __future__ import annotations

import pytest

from rolloutctl import playbook_file
from rolloutctl.plugins import InstalledCatalog

HEAD = """\
apiVersion: rolloutctl/v1
kind: Playbook
name: arms
targets:
  llm:
    provider: flagd-file
    file: /etc/flagd/flags.json
    flag: llm-model
    control: {is: gpt-4, labels: {model: gpt-4, only: here}}
    canary: {is: claude, labels: {model: claude}}
    shadow: {flag: llm-shadow, labels: {mode: shadow}}
sources:
  prometheus: {url: "http://127.0.0.1:9/"}
defaults: {on_no_data: wait, on_error: wait, on_inconclusive: wait}
gates:
  worse:
    kind: compare
    source: prometheus
    bad: 'bad{model="${arm.labels.model}"}'
    total: 'all{model="${arm.labels.model}"}'
  floor: {kind: threshold, source: prometheus, query: up, fail: "< 1"}
"""
OTHER = """\
  other:
    provider: flagd-file
    file: /etc/flagd/flags.json
    flag: other
    control: a
    canary: b
"""


@pytest.fixture
def errors(tmp_path):
    def found(*steps, guardrails="[floor]", head=HEAD):
        path = tmp_path / "playbook.yaml"
        lines = "".join(f"  - {step}\n" for step in steps)
        path.write_text(f"{head}guardrails: {guardrails}\nsteps:\n{lines}")
        told = playbook_file.lint(path, inputs={}, env={}, catalog=InstalledCatalog())
        return [one for one in told if one.severity == "error"]

    return found


@pytest.mark.parametrize(
    "steps",
    [
        ("{canary: 5%, gates: [worse]}", "{canary: 100%, gates: [floor]}"),
        ("{shadow: 5%, gates: [worse]}", "{canary: 100%, gates: [floor]}"),
        ("{canary: 0%, include: {beta: true}, gates: [worse]}",),
        ("{canary: 100%, audience: {r: eu}, gates: [worse]}",),
        ("{canary: 5%, gates: [floor]}", "{canary: 25%, before: [worse], gates: [floor]}"),
    ],
)
def test_a_comparison_stands_where_both_arms_are_served(errors, steps):
    """A canary, a mirrored one, a cohort, all of an audience; before a further write too."""
    assert [one for one in errors(*steps) if "worse" in one.message] == []


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (("{canary: 100%, gates: [worse]}",), "none is left at 100%"),
        (("{canary: 0%, gates: [worse]}",), "that nobody is served"),
        (("{canary: 5%, before: [worse], gates: [floor]}",), "that nobody is served"),
    ],
)
def test_it_is_refused_where_one_arm_is_not(errors, steps, words):
    """No control left, no canary yet."""
    [error] = errors(*steps)

    assert words in error.message
    assert error.fix


def test_as_guardrail_it_would_be_blind_at_the_end(errors):
    """Guardrails are judged in every phase; before the first exposure they wait."""
    steps = ("{canary: 5%, gates: [floor]}", "{canary: 100%, gates: [floor]}")

    assert "none is left" in errors(*steps, guardrails="[worse]")[0].message
    assert errors(steps[0], guardrails="[worse]") == []


def test_of_several_targets_it_says_which(errors):
    """Arms of different targets cannot be compared."""
    head = HEAD.replace("sources:", f"{OTHER}sources:", 1)
    steps = ("{canary: 5%, target: other, gates: [floor]}", "{canary: 5%, gates: [worse]}")

    told = [one.message for one in errors(*steps, head=head)]
    chosen = head.replace("    kind: compare", "    kind: compare\n    target: llm")

    assert any("does not say which" in message for message in told)
    assert errors(*steps, head=chosen) == []


@pytest.mark.parametrize(
    ("written", "close"), [("modl", "${arm.labels.model}"), ("only", "known: arm.is")]
)
def test_a_label_that_an_arm_lacks_is_unknown(errors, written, close):
    """`${arm.…}` is asked of both."""
    head = HEAD.replace(
        "'all{model=\"${arm.labels.model}", f"'all{{model=\"${{arm.labels.{written}}}"
    )
    [error] = errors("{canary: 5%, gates: [worse]}", head=head)

    assert f"unknown reference ${{arm.labels.{written}}}" in error.message
    assert close in error.fix


def test_of_many_labels_only_the_nearest_are_told_and_where_the_others_are(errors):
    """A list of all of them hides the one that was meant."""
    labels = ", ".join(f"label{number}: x" for number in range(12))
    head = HEAD.replace("labels: {", f"labels: {{{labels}, ").replace(
        "'all{model=\"${arm.labels.model}", "'all{model=\"${arm.labels.modell}"
    )
    [error] = errors("{canary: 5%, gates: [worse]}", head=head)

    nearest = error.fix.partition("nearest: ")[2].partition(";")[0].split(", ")
    assert error.fix.startswith("did you mean ${arm.labels.model}? ")
    assert nearest[0] == "arm.labels.model"
    assert len(nearest) == 3
    assert 'docs/playbook.md, "References"' in error.fix


def test_a_rate_of_false_aborts_is_a_share_and_not_all_or_nothing(errors):
    """0 % would never fail, 100 % always might."""
    for written in ("0%", "100%"):
        head = f"{HEAD}limits: {{false_aborts: {written}}}\n"
        [error] = errors("{canary: 5%, gates: [worse]}", head=head)

        assert "between 0% and 100%" in error.message
