"""Gates that compare arms: where a playbook may use them, and what they lead to."""

from __future__ import annotations

import pytest

from rolloutctl import playbook_file
from rolloutctl.core.arm_names import arms_ever
from rolloutctl.core.playbook import OnFail
from rolloutctl.errors import InvalidPlaybook
from rolloutctl.plugins import InstalledCatalog

CATALOG = InstalledCatalog()
TARGET = (
    "{provider: flagd-file, file: /etc/flags.json, flag: llm, control: {is: a, labels: {model: a}},"
    " canary: {is: b, labels: {model: b}}, shadow: {flag: mirror, labels: {model: m}}}"
)
PLAYBOOK = """\
apiVersion: rolloutctl/v1
kind: Playbook
name: new-model
targets:
  llm: TARGET
sources: {app: {kind: openmetrics, url: "http://127.0.0.1/metrics"}}
defaults: {on_no_data: wait, on_error: wait, on_inconclusive: wait}
gates:
  GATE
guardrails: [GUARDRAILS]
steps:
STEPS
"""
COMPARE = (
    "judge: {kind: compare, source: app, bad: 'bad{model=\"${arm.labels.model}\"}',"
    " total: 'all{model=\"${arm.labels.model}\"}'TARGET}"
)
SPLIT = "judge: {kind: sample-ratio, source: app, units: 'u{model=\"${arm.labels.model}\"}'MORE}"
STEP = "  - {canary: 5%, hold: 1h, gates: [judge]}"


def text_of(*, gate=COMPARE, steps=STEP, guardrails="", of_gate=""):
    return (
        PLAYBOOK.replace("GUARDRAILS", guardrails)
        .replace("STEPS", steps)
        .replace("GATE", gate.replace("TARGET", of_gate).replace("MORE", of_gate))
        .replace("TARGET", TARGET)
    )


@pytest.fixture
def errors(tmp_path):
    def found(**changes):
        path = tmp_path / "playbook.yaml"
        path.write_text(text_of(**changes))
        problems = playbook_file.lint(path, inputs={}, env={}, catalog=CATALOG)
        return [one.message for one in problems if one.severity == "error"]

    return found


@pytest.fixture
def load(tmp_path):
    def loaded(**changes):
        path = tmp_path / "playbook.yaml"
        path.write_text(text_of(**changes))
        return playbook_file.load(path, inputs={}, env={}, catalog=CATALOG)

    return loaded


@pytest.mark.parametrize("gate", [COMPARE, SPLIT])
def test_a_gate_in_a_step_that_serves_both_arms_is_right(errors, gate):
    """Also where it is a guardrail and a step only waits."""
    waits = f"{STEP}\n  - {{wait: 1m}}"

    assert errors(gate=gate) == []
    assert errors(gate=gate, steps=waits, guardrails="judge") == []


def test_a_mirrored_canary_can_be_compared_and_not_counted_as_a_split(errors):
    """Mirrored requests have no weight; as a guardrail it may wait for one."""
    steps = "  - {shadow: 10%, hold: 1h, gates: [judge]}\n  - {canary: 5%}"
    later = "  - {shadow: 10%, hold: 1h}\n  - {canary: 5%, hold: 1h, gates: [judge]}"

    assert errors(steps=steps) == []
    assert any("a mirrored step has none" in one for one in errors(gate=SPLIT, steps=steps))
    assert errors(gate=SPLIT, steps=later, guardrails="judge") == []


@pytest.mark.parametrize("guardrails", ["", "judge"])
def test_a_split_is_not_judged_where_include_serves_more(errors, guardrails):
    """These units come besides the weights."""
    steps = "  - {canary: 5%, include: {beta: true}, hold: 1h, gates: [judge]}"

    told = errors(gate=SPLIT, steps=steps, guardrails=guardrails)

    assert any("include serves more units" in one for one in told)


def test_a_wrong_split_pauses_unless_the_gate_says_otherwise(load):
    """Neither arm is known to be at fault; other kinds take the playbook's word."""
    asked = load(gate=SPLIT, of_gate=", on_fail: rollback")

    assert load(gate=SPLIT).gates["judge"].limits.on_fail is OnFail.PAUSE
    assert asked.gates["judge"].limits.on_fail is OnFail.ROLLBACK
    assert load().gates["judge"].limits.on_fail is OnFail.ROLLBACK


def test_a_budget_knows_the_names_of_every_step(load):
    """Served and mirrored; one set where nothing can be mirrored."""
    playbook = load()
    gate = playbook.gates["judge"]

    ever = arms_ever(playbook, gate)

    assert [names["canary.labels.model"] for names in ever] == ["b", "m"]
    assert [names["control.labels.model"] for names in ever] == ["a", "a"]


def test_without_a_shadow_flag_there_is_one_set_of_names(tmp_path):
    """Nothing can be mirrored."""
    path = tmp_path / "playbook.yaml"
    path.write_text(text_of().replace(", shadow: {flag: mirror, labels: {model: m}}", ""))
    playbook = playbook_file.load(path, inputs={}, env={}, catalog=CATALOG)

    assert len(arms_ever(playbook, playbook.gates["judge"])) == 1


def test_a_budget_is_read_with_its_keys(load):
    """A list and a bare number."""
    gate = "judge: {kind: budget, source: app, max: 50, spent: ['c{model=\"${canary.is}\"}', d]}"

    spec = load(gate=gate).gates["judge"].spec

    assert (spec.max_, len(spec.spent)) == (50.0, 2)


def test_a_late_label_needs_its_delay(load):
    """`delay` is a duration and must be written."""
    gate = COMPARE.replace("kind: compare", "kind: ratio-metric")

    assert load(gate=gate, of_gate=", delay: 10m").gates["judge"].spec.delay_s == 600.0
    with pytest.raises(InvalidPlaybook):
        load(gate=gate)
