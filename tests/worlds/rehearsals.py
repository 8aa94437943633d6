"""Playbooks to rehearse, on flags that nobody has: nothing is ever read or written."""

from __future__ import annotations

from rolloutctl import playbook_file
from rolloutctl.cli import wiring
from rolloutctl.core.observation import Capabilities
from rolloutctl.plugins import InstalledCatalog
from rolloutctl.simulation.rehearsal import Given

HEAD = """
apiVersion: rolloutctl/v1
kind: Playbook
name: rehearsed
targets:
  llm:
    provider: flagd-file
    file: /nowhere/flags.json
    flag: llm
    control: {is: old, labels: {model: a}}
    canary: {is: new, labels: {model: b}}
    shadow: {flag: llm-shadow, labels: {mode: shadow}}
sources:
  app: {kind: prometheus, url: "http://127.0.0.1:9"}
defaults: {interval: 30s, warm_up: 1m, on_no_data: wait, on_error: wait, on_inconclusive: wait}
"""
#: A threshold that a healthy canary keeps for days, and a guardrail.
GATES = """
gates:
  errors:
    kind: threshold
    source: app
    bad: 'requests_total{model="${canary.labels.model}",status="500"}'
    total: 'requests_total{model="${canary.labels.model}"}'
    window: 10m
    fail: "> 5%"
    min_sample: 100
  p99:
    kind: threshold
    source: app
    histogram: 'seconds_bucket{model="${canary.labels.model}"}'
    quantile: 99%
    window: 10m
    fail: "> 3s"
    min_sample: 200
  cost:
    kind: threshold
    source: app
    sum: 'usd_total{model="${canary.labels.model}"}'
    count: 'requests_total{model="${canary.labels.model}"}'
    window: 10m
    fail: "> 0.05"
"""
STEPS = """
steps:
  - {canary: 5%, hold: 20m, gates: [errors, p99, cost]}
  - {canary: 25%, hold: 40m, gates: [errors, p99, cost], confirm: true}
  - {canary: 100%, hold: 20m, gates: [errors]}
"""
STEADY = HEAD + GATES + STEPS
#: What every vendor's guide has, and what aborts healthy canaries: 1 % over one minute.
JUMPY = (
    HEAD
    + """
gates:
  errors:
    kind: threshold
    source: app
    bad: 'requests_total{model="${canary.labels.model}",status="500"}'
    total: 'requests_total{model="${canary.labels.model}"}'
    window: 1m
    fail: "> 1%"
steps:
  - {canary: 5%, hold: 6h, gates: [errors]}
"""
)
#: The canary against control.
COMPARED = (
    HEAD
    + """
gates:
  worse:
    kind: compare
    source: app
    bad: 'requests_total{model="${arm.labels.model}",status="500"}'
    total: 'requests_total{model="${arm.labels.model}"}'
steps:
  - {canary: 5%, hold: 1h, gates: [worse]}
  - {canary: 50%, hold: 1h, gates: [worse]}
"""
)
#: One gate of every kind that there is.
EVERY_KIND = (
    HEAD
    + """
gates:
  worse:
    kind: compare
    source: app
    bad: 'requests_total{model="${arm.labels.model}",status="500"}'
    total: 'requests_total{model="${arm.labels.model}"}'
  slow:
    kind: latency
    source: app
    histogram: 'seconds_bucket{model="${arm.labels.model}"}'
    above: 2s
  cost:
    kind: mean
    source: app
    sum: 'usd_total{model="${arm.labels.model}"}'
    count: 'requests_total{model="${arm.labels.model}"}'
    margin: 10%
  thumbs:
    kind: ratio-metric
    source: app
    bad: 'thumbs_total{model="${arm.labels.model}",up="no"}'
    total: 'thumbs_total{model="${arm.labels.model}"}'
    delay: 10m
  users:
    kind: sample-ratio
    source: app
    units: 'users_total{model="${arm.labels.model}"}'
  money: {kind: budget, source: app, spent: 'usd_total{model="${canary.labels.model}"}', max: 1e6}
guardrails: [money]
steps:
  - {canary: 50%, hold: 1h, gates: [worse, slow, cost, thumbs, users]}
"""
)


def given_of(text, folder):
    """A playbook of this text, ready to be rehearsed."""
    file = folder / "rehearsed.yaml"
    file.write_text(text, encoding="utf-8")
    catalog = InstalledCatalog()
    playbook = playbook_file.load(file, inputs={}, env={}, catalog=catalog)
    return Given(
        playbook=playbook,
        kinds=wiring.kinds(playbook, catalog),
        capabilities=dict.fromkeys(playbook.targets, Capabilities(conditional_write=True)),
        addresses={name: f"virtual://{name}" for name in playbook.targets},
    )
