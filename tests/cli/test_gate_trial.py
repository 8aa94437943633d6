"""`plan` judges each gate once: a question that nobody can answer is told before the start."""

import pytest
from prometheus_client import CollectorRegistry, Histogram, start_http_server

PLAYBOOK = """apiVersion: rolloutctl/v1
kind: Playbook
name: bounds
targets:
  llm:
    provider: flagd-file
    file: {folder}/flags.json
    flag: llm-model
    control: {{is: gpt-4, labels: {{model: a}}}}
    canary: {{is: claude-3-5-sonnet, labels: {{model: b}}}}
sources:
  app: {{kind: openmetrics, url: "{url}/metrics"}}
defaults: {{on_no_data: wait, on_error: wait, on_inconclusive: wait}}
gates:
  slow:
    kind: latency
    source: app
    histogram: 'seconds_bucket{{model="${{arm.labels.model}}"}}'
    above: [{bound}]
    min_sample: 20
steps:
  - {{canary: 25%, hold: 1h, gates: [slow]}}
"""


@pytest.fixture
def page():
    """An application with a histogram whose buckets end at 0.1 and 1."""
    registry = CollectorRegistry()
    histogram = Histogram("seconds", "s", ("model",), buckets=(0.1, 1), registry=registry)
    for model in "ab":
        histogram.labels(model).observe(0.05)
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(("bound", "is_told"), [("250ms", True), ("100ms", False)])
def test_a_bound_that_the_histogram_lacks_is_told_with_those_that_it_has(
    rolloutctl, folder, page, bound, is_told
):
    """A warning: the application may get it until then."""
    (folder / "bounds.yaml").write_text(PLAYBOOK.format(folder=folder, url=page, bound=bound))

    said = rolloutctl("plan", "bounds.yaml")

    assert said.exit_code == 0
    assert ("gate slow cannot be judged as it stands" in said.out) == is_told
    assert ("no bucket ends at 0.25; there are: 0.1, 1" in " ".join(said.out.split())) == is_told
