"""A plan whose source or provider cannot be asked shows everything else all the same."""

from __future__ import annotations


def test_a_source_that_is_down_is_a_refusal_beside_the_whole_plan(rolloutctl, monkeypatch):
    """Exit 5 as before; what would be written and what else stands against it are shown."""
    monkeypatch.setenv("PROMETHEUS_URL", "http://127.0.0.1:9")

    run = rolloutctl("plan", "good.yaml")

    assert run.exit_code == 5
    assert "refused: POST http://127.0.0.1:9/api/v1/query: " in run.out
    assert "canary 5% -> 100%" in run.out
    assert "restore point: version" in run.out
    assert "cannot start" in run.err


def test_a_source_that_is_down_still_stops_a_start(rolloutctl, monkeypatch):
    """Nothing is written when nothing could be judged."""
    monkeypatch.setenv("PROMETHEUS_URL", "http://127.0.0.1:9")

    run = rolloutctl("start", "good.yaml", "--auto")

    assert run.exit_code == 5
    assert rolloutctl("list").out.count("claude-for-gpt4") == 0
