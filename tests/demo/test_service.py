"""The demo's application, served on loopback and asked over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import threading
from contextlib import closing
from importlib.resources import files

import pytest
from openfeature import api
from prometheus_client.parser import text_string_to_metric_families

from e2e.real_command import until
from rolloutctl.demo.models import CANARY, CONTROL
from rolloutctl.demo.service import build_server


def _write_flags(path, *, canary_bp, shadow_bp):
    document = json.loads(files("rolloutctl.demo").joinpath("flags.json").read_text("utf-8"))
    for flag, arms in (
        ("llm-model", [["gpt-4", 10_000 - canary_bp], ["claude-3-5-sonnet", canary_bp]]),
        ("llm-shadow", [["off", 10_000 - shadow_bp], ["on", shadow_bp]]),
    ):
        document["flags"][flag]["targeting"] = {"fractional": arms}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.fixture
def serve(tmp_path):
    """Starts the service on given shares; ends it with the test."""
    running = []

    def start(*, canary_bp=0, shadow_bp=0, is_fragile=False, bad_while=None):
        flags = _write_flags(tmp_path / "flags.json", canary_bp=canary_bp, shadow_bp=shadow_bp)
        server = build_server(flags, port=0, is_fragile=is_fragile, bad_while=bad_while)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return server.server_address[1]

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()
    api.shutdown()


def _get(port, path, accept=""):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", path, headers={"Accept": accept})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.getheader("Content-Type")


def _samples(port):
    _, page, _ = _get(port, "/metrics")
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


@pytest.mark.parametrize(("canary_bp", "model"), [(0, CONTROL), (10_000, CANARY)])
def test_the_flag_file_decides_which_model_answers(serve, canary_bp, model):
    """All weight on one arm: every user gets that arm's model."""
    port = serve(canary_bp=canary_bp)

    answers = {json.loads(_get(port, f"/ask?user=u{i}")[1])["model"] for i in range(8)}

    assert answers == {model}


def test_mirrored_questions_are_counted_as_shadow_and_not_answered(serve):
    """At 100 % shadow the user still gets control; the canary is asked beside it."""
    port = serve(shadow_bp=10_000)

    answers = {json.loads(_get(port, f"/ask?user=u{i}")[1])["model"] for i in range(6)}

    samples = _samples(port)
    assert answers == {CONTROL}
    assert samples["llm_requests_total", "200", CANARY, "live"] == 0
    mirrored = samples["llm_requests_total", "200", CANARY, "shadow"]
    assert 0 < mirrored <= 6


def test_every_series_is_there_before_the_first_request(serve):
    """A gate can tell zero failures from a missing series."""
    samples = _samples(serve())

    for model in (CONTROL, CANARY):
        for mode in ("live", "shadow"):
            assert samples["llm_requests_total", *sorted(("502", model, mode))] == 0
            assert samples["llm_cost_usd_total", *sorted((model, mode))] == 0


def test_metrics_follow_the_format_the_scraper_asks_for(serve):
    """Prometheus asks for OpenMetrics and gets it; a browser gets plain text."""
    port = serve()

    assert "openmetrics" in _get(port, "/metrics", "application/openmetrics-text")[2]
    assert _get(port, "/metrics")[2].startswith("text/plain")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/healthz", 200), ("/ask", 400), (f"/ask?user={'x' * 201}", 400), ("/else", 404)],
)
def test_other_paths_answer_plainly(serve, path, status):
    """Health is 200, a question from nobody 400, anything else 404."""
    assert _get(serve(), path)[0] == status


def test_a_fragile_canary_breaks_down_above_its_share(serve):
    """With everything on the canary it fails many answers after the first window."""
    port = serve(canary_bp=10_000, is_fragile=True)
    statuses = []

    def ask(first):
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            for number in range(first, 240, 10):
                connection.request("GET", f"/ask?user=u{number}")
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses[:180].count(502) <= 2
    assert statuses[190:].count(502) >= 5


def test_the_canary_is_bad_for_as_long_as_a_file_is_there(serve, tmp_path):
    """Two answers of five fail while it exists, hardly any before and after."""
    bad = tmp_path / "bad"
    port = serve(canary_bp=10_000, bad_while=bad)

    def failed_of_40():
        return [_get(port, f"/ask?user=u{n}")[0] for n in range(40)].count(502)

    before = failed_of_40()
    bad.touch()
    until(lambda: failed_of_40() >= 8, "a canary that fails")
    bad.unlink()

    assert before <= 1
    until(lambda: failed_of_40() <= 1, "a canary that answers")


def test_the_application_follows_a_changed_file(serve, tmp_path):
    """A new weight reaches running users without a restart."""
    port = serve(canary_bp=0)
    flags = tmp_path / "flags.json"
    before = flags.stat().st_mtime

    _write_flags(flags, canary_bp=10_000, shadow_bp=0)
    os.utime(flags, (before + 2, before + 2))

    asked = (json.loads(_get(port, f"/ask?user=u{i}")[1])["model"] for i in range(200))
    assert CANARY in asked
