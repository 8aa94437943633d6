"""One run tells every mistake that does not follow from another."""

from pathlib import Path

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
