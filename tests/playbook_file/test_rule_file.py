"""`rule: {file, alert}`: what is read, frozen, and where a mistake is told."""

from __future__ import annotations

import random

import pytest

from rolloutctl import playbook_file
from rolloutctl.core.parse import parse_document
from rolloutctl.errors import InvalidPlaybook
from rolloutctl.plugins import InstalledCatalog

CATALOG = InstalledCatalog()
RULES = """\
groups:
  - name: llm
    interval: 30s
    rules:
      - record: job:x:rate
        expr: sum(rate(x[5m]))
      - alert: Errors
        expr: |
          sum(rate(errors_total[5m]))
            / sum(rate(requests_total[5m])) > 0.05
        for: 1h30m
        labels: {severity: page}
        annotations: {summary: 'errors of {{ $labels.model }}: {{ $value }}'}
      - {alert: Slow, expr: 'p99 > 2', labels: {severity: info}}
      - {alert: Slow, expr: 'p99 > 5', for: 5m, labels: {severity: page}}
"""
PLAYBOOK = """\
apiVersion: rolloutctl/v1
kind: Playbook
name: rules
targets:
  llm: {provider: flagd-file, file: /etc/flags.json, flag: llm, control: a, canary: b}
sources: {prometheus: {url: "http://127.0.0.1:9090"}}
defaults: {on_no_data: wait, on_error: wait, on_inconclusive: wait}
gates:
  errors:
    kind: threshold
    source: prometheus
    rule: {file: rules.yml, alert: Errors}
guardrails: [errors]
steps:
  - {canary: 100%, hold: 1h}
"""


@pytest.fixture
def written(tmp_path):
    """Writes both files, with replacements in either; gives the playbook's path."""

    def write(*, playbook=(), rules=(), name="rules.yml"):
        texts = {"playbook.yaml": (PLAYBOOK, playbook), name: (RULES, rules)}
        for file, (text, replaced) in texts.items():
            path = tmp_path / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            for old, new in replaced:
                assert old in path.read_text()
                path.write_text(path.read_text().replace(old, new))
        return tmp_path / "playbook.yaml"

    return write


def load(path):
    return playbook_file.load(path, inputs={}, env={}, catalog=CATALOG)


def lint(path):
    return playbook_file.lint(path, inputs={}, env={}, catalog=CATALOG)


def test_expression_and_for_stand_in_the_frozen_playbook(written):
    """A later change of the file changes nothing that has begun, and another plan's hash."""
    path = written()
    playbook = load(path)

    rule = playbook.gates["errors"].spec.rule
    assert rule.expr.splitlines() == [
        "sum(rate(errors_total[5m]))",
        "  / sum(rate(requests_total[5m])) > 0.05",
    ]
    assert rule.for_s == 5400
    written(rules=[("0.05", "0.5")])
    assert parse_document(playbook.document, CATALOG) == playbook
    assert load(path).sha256 != playbook.sha256


def test_a_rule_among_several_of_its_name_is_chosen_by_its_labels(written):
    """Warning and page often share a name."""
    choice = "rule: {file: rules.yml, alert: Slow, labels: {severity: page}}"
    path = written(playbook=[("rule: {file: rules.yml, alert: Errors}", choice)])

    rule = load(path).gates["errors"].spec.rule

    assert (rule.expr, rule.for_s) == ("p99 > 5", 300)


def test_a_file_is_found_beside_the_playbook_wherever_one_stands(written, monkeypatch, tmp_path):
    """In a folder of it, from another directory, by a whole path."""
    path = written(playbook=[("rules.yml", "alerts/llm.yml")], name="alerts/llm.yml")
    monkeypatch.chdir("/")
    assert load(path).gates["errors"].spec.rule.for_s == 5400

    monkeypatch.chdir(tmp_path)
    assert load("playbook.yaml").gates["errors"].spec.rule.for_s == 5400
    whole = written(playbook=[("rules.yml", f"{tmp_path}/rules.yml")])
    assert load(whole).gates["errors"].spec.rule.for_s == 5400


def test_a_kubernetes_object_holds_rules_too(written):
    """PrometheusRule has the groups under spec."""
    indented = "".join(f"  {line}\n" for line in RULES.splitlines())
    path = written()
    (path.parent / "rules.yml").write_text(
        f"apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nspec:\n{indented}"
    )

    assert load(path).gates["errors"].spec.rule.for_s == 5400


@pytest.mark.parametrize(
    ("old", "new", "place", "message", "fix"),
    [
        ("rules.yml", "gone.yml", (12, 18), "gone.yml cannot be read", "name a rule file"),
        ("alert: Errors", "alert: Eror", (12, 36), "no alert 'Eror'", "did you mean Errors?"),
        ("alert: Errors", "alert: Slow", (12, 36), "2 of its 2 alerts Slow", "labels:"),
        ("file: rules.yml, ", "", (12, 11), "file is missing", "file: …"),
        ("rules.yml", '"${inputs.x}"', (12, 18), "a reference cannot", "write the name"),
        ("Errors}", "Errors, expr: up}", (12, 44), "expr is read from the file", "remove it"),
        ("Errors}", "Errors, for: 1m}", (12, 44), "for is read from the file", "remove it"),
        ("Errors}", "Errors, lable: {}}", (12, 44), "unknown key 'lable'", "labels"),
        ("Errors}\n", "Errors}\n    for: 5m\n", (13, 10), "a rule has its own for", "as query"),
        ("Errors}\n", 'Errors}\n    fail: "> 1"\n', (13, 11), "its own limit", "as query"),
        ("Errors}\n", "Errors}\n    query: up\n", (10, 5), "several numbers", "a gate of each"),
        ("Errors}\n", "Errors}\n    window: 5m\n", (13, 13), "its own window", "remove window"),
        ("Errors}\n", "Errors}\n    min_sample: 5\n", (13, 17), "needs a count", "remove it"),
        ("rule: {file: rules.yml, alert: Errors}", "rule: x", (12, 11), "is one value", ""),
    ],
)
def test_a_mistake_in_the_playbook_is_told_where_it_stands(written, old, new, place, message, fix):
    """One error, with what to write."""
    path = written(playbook=[(old, new)])

    errors = [one for one in lint(path) if one.severity == "error"]

    told = [one for one in errors if message in one.message]
    assert told, errors
    assert (told[0].file, fix in told[0].fix) == (str(path), True)
    assert (told[0].line, told[0].column) == place
    assert len(errors) == 1, errors


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "message"),
    [
        ("groups:", "group:", 1, 1, "groups is no list"),
        ("    rules:\n", "    rule:\n", 2, 5, "without a list of rules"),
        ("for: 1h30m", "for: 90", 11, 14, "'90' is no duration"),
        ("for: 1h30m", "for: 11y", 11, 14, "no duration"),
        ("errors_total[5m]", 'errors_total{a="${x}"}', 8, 15, "taken for a reference"),
        ("groups:", "groups: [", 2, 3, "not YAML"),
        ("        expr: |\n", "        expression: |\n", 7, 16, "it has no expr"),
        ("interval: 30s", "interval: *x", 3, 15, "aliases"),
    ],
)
def test_a_mistake_in_the_rule_file_is_told_where_it_stands(
    written, old, new, line, column, message
):
    """By its own name, line and column."""
    path = written(rules=[(old, new)])
    rules = str(path.parent / "rules.yml")

    errors = [one for one in lint(path) if one.severity == "error"]

    assert [(one.file, one.line, one.column) for one in errors] == [(rules, line, column)]
    assert message in errors[0].message
    assert errors[0].fix
    with pytest.raises(InvalidPlaybook):
        load(path)


def test_what_is_not_used_of_a_rule_is_a_warning(written):
    """`keep_firing_for` alone could change what people expect."""
    path = written(rules=[("for: 1h30m", "for: 1h30m\n        keep_firing_for: 5m")])

    (warning,) = lint(path)

    assert warning.severity == "warning"
    assert (warning.line, "keep_firing_for is not used" in warning.message) == (12, True)
    assert load(path).gates["errors"].spec.rule.for_s == 5400


def test_an_error_elsewhere_is_told_beside_those_of_rules(written):
    """All mistakes in one run."""
    path = written(
        playbook=[("hold: 1h", "hold: 1"), ("alert: Errors", "alert: Gone")],
    )

    messages = [one.message for one in lint(path)]

    assert any("no alert 'Gone'" in one for one in messages)
    assert any("bare number" in one for one in messages)


def test_without_its_file_a_rule_is_an_error_not_a_pass():
    """A document that names a rule and has no expression was not made by this program."""
    text = '{"apiVersion":"rolloutctl/v1","kind":"Playbook","name":"x","targets":{"llm":{'
    text += '"provider":"flagd-file","file":"/f","flag":"l","control":"a","canary":"b"}},'
    text += '"sources":{"prometheus":{"url":"http://h"}},"gates":{"g":{"kind":"threshold",'
    text += '"source":"prometheus","rule":{"file":"r","alert":"A"},"on_no_data":"wait",'
    text += '"on_error":"wait","on_inconclusive":"wait"}},"steps":[{"canary":"5%"}]}'

    with pytest.raises(InvalidPlaybook) as caught:
        parse_document(text, CATALOG)

    assert "was not read" in caught.value.problems[0].message


def test_no_damaged_rule_file_is_more_than_a_problem_with_a_place(written):
    """Lines cut, doubled, swapped, re-indented: errors with positions, or a rule that is whole."""
    path = written()
    chance = random.Random(4711)  # noqa: S311 - a repeatable walk, no secret
    for _ in range(300):
        lines = RULES.splitlines()
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(lines))
            cut = chance.randrange(len(lines[at]) + 1)
            lines[at : at + 1] = chance.choice(
                [[], [lines[at]] * 2, [lines[at][:cut]], [f"  {lines[at]}"], [lines[at].strip()]]
            ) or ["x"]
        (path.parent / "rules.yml").write_text("\n".join(lines))

        problems = lint(path)

        assert all(one.line >= 1 and one.column >= 1 for one in problems)
        if not any(one.severity == "error" for one in problems):
            assert load(path).gates["errors"].spec.rule.expr not in ("", "vector(0)")
