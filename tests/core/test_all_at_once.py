"""One run tells every mistake that does not follow from another."""

import re
from pathlib import Path

import pytest

from rolloutctl import playbook_file
from rolloutctl.plugins import InstalledCatalog

#: What is wrong, beginning with the line it stands on: as an SRE would leave it behind.
MISTAKES = """\
apiVersion: rolloutctl/v1
kind: Playbook
name: many
targets:
  llm:
    provider: flagd-file
    file: flags.json                                # a relative path
    flag: llm
    control: {is: a, labels: {model: a}}
    canary: {is: a, labels: {model: b}}             # the same arm twice
sources:
  prometheus: {url: "127.0.0.1:9090"}               # no scheme
  app: {kind: openmetrics, url: "http://127.0.0.1/metrics", colour: red}  # an unknown key
defaults: {on_no_data: wait, on_error: wait, on_inconclusive: wait}
gates:
  one:
    kind: threshold
    source: nowhere                                 # an unknown source
    query: 'x{model="${canary.labels.modle}"}'      # an unknown reference
    fail: "> 5%"
  two:
    kind: threshold
    source: prometheus
    bad: 'r{m="${canary.labels.model}"}'            # all events are bad
    total: 'r{m="${canary.labels.model}"}'
    window: 5m
    pass: "< 10%"                                   # overlaps with fail
    fail: "> 5%"
  three:
    kind: compare
    source: prometheus
    bad: 'b{m="${arm.labels.model}"}'
    total: 't{m="${arm.labels.model}"}'
    margin: 0.5x                                    # stricter than as good as control
  four: {kind: thresold, source: prometheus}        # an unknown kind
  five: {kind: threshold, source: prometheus, query: up, interval: 1h, fail: "< 1"}
  six: {kind: threshold, source: prometheus, query: up, fail: "below 1"}  # no condition
  seven:
    kind: latency
    source: prometheus
    histogram: 'h{m="${arm.labels.model}"}'
    above: [fast]                                   # no duration
  eight:                                            # a sample that nothing counts
    {kind: threshold, source: prometheus, query: up, fail: "< 1", min_sample: 5}
guardrails: [fvie]                                  # an unknown gate
steps:
  - {canary: 5%, hold: 30m, gates: [one, tow, five, eight]}  # an unknown gate; a slow one
  - {canary: 150%, hold: 30m, gates: [six]}         # more than everybody
  - {canary: 25%, hold: 10 parsecs, gates: [seven]} # no duration
  - {canary: 20%, hold: 1h, gates: [two]}           # less than before
  - {shadwo: 10%, hold: 1h}                         # an unknown key
  - {run: "make check", hold: 1m}                   # a text for keys and values
  - {canary: 100%, hold: 1h, gates: [three], confirm: perhaps}  # nothing to compare; no boolean
on_fail: explode                                    # no such consequence
on_drift: reaply                                    # misspelt
limits: {deadline: 10m, false_aborts: 200%}         # shorter than the steps; no share
notify: {}                                          # an unknown section
"""
#: Lines on which several things are wrong.
SEVERAL = {"an unknown gate; a slow one": 2, "nothing to compare; no boolean": 2}
SEVERAL["shorter than the steps; no share"] = 2


def test_every_mistake_of_a_file_is_told_in_one_run(tmp_path: Path) -> None:
    """Nobody mends twenty lines in four rounds."""
    file = tmp_path / "many.yaml"
    file.write_text(MISTAKES)
    wanted: dict[int, int] = {}
    for number, line in enumerate(MISTAKES.splitlines(), start=1):
        what = line.partition("  # ")[2] or line.partition(" # ")[2]
        if what:
            wanted[number] = SEVERAL.get(what.strip(), 1)
    # The mapping of `eight` stands a line below its name.
    moved = next(n for n, line in enumerate(MISTAKES.splitlines(), 1) if "nothing counts" in line)
    wanted[moved + 1] = wanted.pop(moved)

    problems = playbook_file.lint(file, inputs={}, env={}, catalog=InstalledCatalog())

    told: dict[int, int] = {}
    for one in problems:
        assert one.column > 0
        told[one.line] = told.get(one.line, 0) + 1
    assert told == wanted
    assert sum(told.values()) >= 24


def test_one_mistake_is_told_once(tmp_path: Path) -> None:
    """What follows from a target in error is no mistake of its own."""
    file = tmp_path / "one.yaml"
    file.write_text(ONE)

    problems = playbook_file.lint(file, inputs={}, env={}, catalog=InstalledCatalog())

    assert [(one.line, one.severity) for one in problems] == [(5, "error")]


ONE = """\
apiVersion: rolloutctl/v1
kind: Playbook
name: one
targets:
  llm: {provider: flagd-fiel, file: /tmp/f.json, flag: llm, control: a, canary: b}
sources:
  prometheus: {url: "http://127.0.0.1:9090"}
defaults: {on_no_data: wait, on_error: wait, on_inconclusive: wait}
gates:
  up: {kind: threshold, source: prometheus, query: 'up{m="${canary.is}"}', fail: "< 1"}
guardrails: [up]
steps:
  - {canary: 5%, hold: 30m, gates: [up]}
  - {canary: 100%, hold: 30m, gates: [up]}
"""


#: In each entry a value that cannot be read, and beside it a mistake that it used to hide.
BESIDE = """\
apiVersion: rolloutctl/v1
kind: Playbook
name: beside
targets:
  llm: {provider: flagd-file, file: /tmp/f.json, flag: llm, control: a, canary: b}
  gone: {provider: flagd-fiel, file: f.json, flag: x, control: a, canary: a}
  far: {provider: unleash, url: "unleash.example:4242", flag: f, control: a, canary: b}
sources:
  prometheus: {url: "localhost:9090", timeout: 10}
notifiers:
  team: {kind: webhook, url: "hooks.example/x", format: slak}
defaults: {on_no_data: wait, on_error: wait, interval: 30}
gates:
  one: {kind: threshold, source: nowhere, target: llm, query: 'x{m="${canary.nope}"}', for: 5,
    fail: "> 1"}
  two: {kind: threshold, source: prometheus, query: up, pass: "> 1", fail: "> 0.5", warm_up: 5}
  six: {kind: latency, source: nowhere, target: llm, histogram: 'h_bucket{m="${arm.is}"}'}
  ten: {kind: compare, source: prometheus, target: llm, bad: 'b{m="${arm.is}"}',
    total: 't{m="${arm.is}"}'}
guardrails: [two]
steps:
  - {canary: 5, hold: 30m, gates: [one], target: llm}
  - {canary: 25%, hold: 1h, gates: [six], targets: [llm, gnoe]}
  - {canary: 20%, hold: 1h, gates: [ten], target: llm}
  - {notify: {to: [nobody], message: hi}}
  - {canary: 100%, hold: 1h, gates: [ten], target: llm, confirm: perhaps}
"""
TOLD = [
    (6, "unknown provider 'flagd-fiel'"),
    (6, "control and canary are both 'a'"),
    (7, "environment is missing"),
    (7, "'unleash.example:4242' is no address"),
    (9, "'localhost:9090' is no address"),
    (9, "timeout: is a bare number"),
    (11, "'hooks.example/x' is no address"),
    (11, "'slak' is not one of"),
    (12, "interval: is a bare number"),
    (14, "gates one, two, six, ten: what they lead to is not declared: on_inconclusive"),
    (14, "unknown source 'nowhere'"),
    (14, "unknown reference ${canary.nope}"),
    (14, "for: is a bare number"),
    (16, "pass and fail both hold"),
    (16, "warm_up: is a bare number"),
    (17, "above is missing"),
    (17, "unknown source 'nowhere'"),
    (22, "canary: is a bare number"),
    (23, "unknown target 'gnoe'"),
    (24, "lowers the canary of llm from 25% to 20%"),
    (25, "unknown notifier 'nobody'"),
    (26, "none is left at 100%"),
    (26, "'perhaps' is not true or false"),
]


def test_a_value_that_cannot_be_read_hides_nothing_else_of_its_entry(tmp_path: Path) -> None:
    """A missing unit is mended in a moment; what it hid costs another run."""
    file = tmp_path / "beside.yaml"
    file.write_text(BESIDE)

    problems = playbook_file.lint(file, inputs={}, env={}, catalog=InstalledCatalog())

    left = list(problems)
    for line, words in TOLD:
        found = next((one for one in left if one.line == line and words in one.message), None)
        assert found is not None, (line, words, left)
        left.remove(found)
    assert left == []


QUICKSTART = Path(__file__).parents[2] / "playbooks" / "quickstart.yaml"
#: Values of the quickstart, and what stands in their place: a list, or a reference to nothing.
VALUES = re.compile(r"(?<=: )([^\s{\[#,}\]][^,}\]\n#]*|\"[^\"]*\"|'[^']*')")


@pytest.mark.parametrize("junk", ["[1, {a: b}]", '"?? ${canary.labels.nope}"', "7"])
def test_whatever_single_value_is_wrong_is_told_once(tmp_path: Path, junk: str) -> None:
    """No error stands there that only follows from another."""
    text = QUICKSTART.read_text()
    file, catalog = tmp_path / "one.yaml", InstalledCatalog()
    tried = 0
    for value in VALUES.finditer(text):
        file.write_text(text[: value.start()] + junk + text[value.end() :])

        problems = playbook_file.lint(file, inputs={}, env={}, catalog=catalog)

        errors = [one for one in problems if one.severity == "error"]
        assert len(errors) <= 1, (value.group(), errors)
        tried += len(errors)
    assert tried > 30


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("url: localhost:9090", "'localhost:9090' is no address"),
        ("urls: [http://a/metrics, b:80/metrics]", "'b:80/metrics' is no address"),
        ("url: me:hunter2@localhost", "must not carry a user name"),
        ("urls: [http://me:hunter2@a/metrics]", "must not carry a user name"),
    ],
)
def test_an_address_is_refused_without_repeating_what_may_be_secret(
    tmp_path: Path, url: str, words: str
) -> None:
    """Where it stands, with what to write; a password in it is never said again."""
    file = tmp_path / "one.yaml"
    kind = "openmetrics" if "urls" in url else "prometheus"
    file.write_text(
        ONE.replace("flagd-fiel", "flagd-file").replace(
            'prometheus: {url: "http://127.0.0.1:9090"}',
            f"prometheus:\n    kind: {kind}\n    {url}",
        )
    )

    problems = playbook_file.lint(file, inputs={}, env={}, catalog=InstalledCatalog())

    errors = [
        one for one in problems if one.severity == "error" and "cannot answer" not in one.message
    ]
    assert [one.line for one in errors] == [9]
    assert words in errors[0].message
    assert "hunter2" not in repr(errors)
