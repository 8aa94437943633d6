"""The gate of an experiment: made by its step, checked by lint, written by nobody."""

from __future__ import annotations

import pytest

from rolloutctl import playbook_file
from rolloutctl.core.playbook import OnFail, OnInconclusive, OnSilence
from rolloutctl.plugins import InstalledCatalog

CATALOG = InstalledCatalog()
HEAD = """\
apiVersion: rolloutctl/v1
kind: Playbook
name: ab
targets:
  llm:
    provider: flagd-file
    file: /flags.json
    flag: llm
    control: {is: a, labels: {model: a}}
    canary: {is: b, labels: {model: b}}
sources:
  app: {kind: openmetrics, url: "http://127.0.0.1:9/metrics"}
defaults: {on_no_data: pause, on_error: fail, on_inconclusive: extend-once}
"""
GATES = """\
gates:
  floor: {kind: threshold, source: app, bad: bad, total: all, window: 1m, fail: "> 1%"}
guardrails: [floor]
"""
STEP = """\
steps:
  - experiment:
      arms: {control: 50%, canary: 50%}
      source: app
      metric:
        success: 'won{model="${arm.labels.model}"}'
        total: 'seen{model="${arm.labels.model}"}'
      want: increase
      test: {baseline: 10%, effect: +5pp}
      decide: {better: ship, worse: rollback, inconclusive: pause}
    hold: 1h
"""
END = "  - {canary: 100%, hold: 1m}\n"
TEXT = HEAD + GATES + STEP + END


@pytest.fixture
def lint(tmp_path):
    def found(text, catalog=CATALOG):
        path = tmp_path / "ab.yaml"
        path.write_text(text)
        told = playbook_file.lint(path, inputs={}, env={}, catalog=catalog)
        return [one for one in told if one.severity == "error"]

    return found


@pytest.fixture
def load(tmp_path):
    def loaded(text):
        path = tmp_path / "ab.yaml"
        path.write_text(text)
        return playbook_file.load(path, inputs={}, env={}, catalog=CATALOG)

    return loaded


def test_the_gate_takes_silence_from_the_defaults_and_results_from_decide(load):
    """What it does not declare itself is stated by defaults; indecision is for a person."""
    book = load(TEXT)

    gate = book.gates["experiment"]
    assert book.steps[0].gates == ("experiment",)
    assert (gate.kind, gate.source, gate.target) == ("experiment", "app", "llm")
    limits = gate.limits
    assert (limits.on_no_data, limits.on_error) == (OnSilence.PAUSE, OnSilence.FAIL)
    assert (limits.on_fail, limits.on_inconclusive) == (OnFail.ROLLBACK, OnInconclusive.PAUSE)
    assert (limits.interval_s, limits.warm_up_s, limits.failure_limit) == (30.0, 0.0, 0)


def test_times_of_the_defaults_are_the_gates(load):
    """Also how many silences are forgiven."""
    text = TEXT.replace("{on_no_data", "{interval: 10s, warm_up: 2m, failure_limit: 3, on_no_data")

    limits = load(text).gates["experiment"].limits

    assert (limits.interval_s, limits.warm_up_s, limits.failure_limit) == (10.0, 120.0, 3)


def test_every_experiment_has_a_gate_of_its_own(load):
    """A declared gate keeps its name; gates that the step names are judged besides."""
    text = (
        HEAD + GATES + STEP + "    gates: [experiment]\n" + STEP.removeprefix("steps:\n")
    ).replace("floor", "experiment") + END

    book = load(text)

    assert book.gates["experiment"].kind == "threshold"
    assert [step.gates for step in book.steps] == [
        ("experiment", "experiment-2"),
        ("experiment-3",),
        (),
    ]


SPLIT = "{control: 50%, canary: 50%}"
BOTH = "worse: rollback, inconclusive: pause"
TWISTED = "worse: pause, inconclusive: rollback"
ARM = "${arm.labels.model}"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (SPLIT, "{a: 40%, b: 30%, c: 30%}", "control and canary; these are: a, b, c"),
        (SPLIT, "{control: 50%, canary: 40%}", "sum to 90%"),
        (SPLIT, "{control: 100%, canary: 0%}", "shows nothing"),
        ("source: app\n      m", "source: ap\n      m", "unknown source 'ap'"),
        ("won{", "rate(won{", "raw counters"),
        (f'{{model="{ARM}"}}\'\n      want', "'\n      want", "asks both arms the same"),
        (f'won{{model="{ARM}', 'won{model="${arm.labels.modl}', "unknown reference ${arm.la"),
        ("want: increase", "want: decrease", "is no decrease"),
        ("+5pp", "-5pp", "is no increase"),
        ("+5pp", "+0pp", "effect of nothing"),
        ("+5pp", "+90pp", "leaves what shares can be"),
        ("baseline: 10%", "baseline: 0%", "leaves what shares can be"),
        ("effect: +5pp", "effect: +5pp, power: 4%", "power 0.04 is not between"),
        ("effect: +5pp", "effect: +5pp, alpha: 60%", "alpha 0.6 is not between"),
        (BOTH, TWISTED, "goes back and a worse one stays"),
        ("better: ship", "better: pause", "not one of: ship"),
        ("hold: 1h", "name: '${arm.is}'", "cannot be used in this key"),
        ("hold: 1h", "gates: [experiment]", "unknown gate 'experiment'"),
        ("on_no_data: pause, on_error: fail, ", "", "not declared: on_no_data, on_error"),
        ("kind: threshold", "kind: experiment", "made by the step of that kind"),
        ("{canary: 100%, hold: 1m}", "{canary: 25%, hold: 1m}", "lowers the canary"),
        ("hold: 1h", "audience: {region: eu}", "cannot do audience"),
    ],
)
def test_lint_tells_what_no_experiment_can_be(lint, old, new, words):
    """With its place in the file, and what to write instead."""
    assert old in TEXT

    told = lint(TEXT.replace(old, new, 1))

    assert any(words in one.message for one in told), told
    assert all(one.line > 1 for one in told)


def test_units_that_nobody_names_are_warned_about(tmp_path):
    """An arm that changes with every request makes no experiment; some providers do that."""
    warned = {}
    for name, text in (
        ("no", TEXT),
        ("yes", TEXT.replace("flag: llm", "flag: llm\n    unit: user")),
    ):
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        told = playbook_file.lint(path, inputs={}, env={}, catalog=CATALOG)
        warned[name] = [one.message for one in told if one.severity == "warning"]

    assert warned["no"] == ["steps[0]: nothing says who keeps the arm of llm that they were given"]
    assert warned["yes"] == []


def test_an_experiment_splits_one_target(lint):
    """Of two the step names one."""
    other = "  other: {provider: flagd-file, file: /flags.json, flag: o, control: a, canary: b}\n"
    text = TEXT.replace("sources:", f"{other}sources:", 1)
    chosen = text.replace("    hold: 1h", "    hold: 1h\n    target: llm")

    assert any("splits the units of one target" in one.message for one in lint(text))
    assert not any("experiment" in one.message for one in lint(chosen))


def test_what_a_source_cannot_count_is_told(lint):
    """The sources of this version all count; one that does not is refused by its kinds."""

    class Blind:
        name, kinds = "openmetrics", frozenset({"expression"})
        Spec = CATALOG.load("sources", "openmetrics").Spec

    class Catalog(InstalledCatalog):
        def load(self, group, name):
            return (
                Blind if (group, name) == ("sources", "openmetrics") else super().load(group, name)
            )

    told = lint(TEXT, Catalog())

    assert any("steps[0].source: source app cannot answer counters" in one.message for one in told)
