"""The simulated models are healthy or bad without luck."""

from __future__ import annotations

import statistics

from rolloutctl.demo.models import CANARY, CONTROL, LATENCY_MAX_S, MODELS, Backend, Overload
from rolloutctl.demo.traffic import user_id


def _shares(backend, draws=3_000):
    answers = [backend.draw() for _ in range(draws)]
    failed = sum(answer.status != 200 for answer in answers) / draws
    p99_s = statistics.quantiles([answer.latency_s for answer in answers], n=100)[98]
    return failed, p99_s


def test_the_healthy_canary_is_far_from_every_limit_of_the_playbook():
    """Its failures stay under 1 % and its p99 under 100 ms, limits being 10 % and 250 ms."""
    failed, p99_s = _shares(Backend(MODELS[CANARY]))

    assert failed < 0.01
    assert p99_s < 0.1


def test_the_broken_canary_is_far_beyond_every_limit_of_the_playbook():
    """Its failures are over 35 % and its p99 over 350 ms, limits being 30 % and 250 ms."""
    backend = Backend(MODELS[CANARY])
    backend.break_down()

    failed, p99_s = _shares(backend)

    assert failed > 0.35
    assert 0.35 < p99_s <= LATENCY_MAX_S


def test_a_failed_answer_costs_nothing_and_gets_no_feedback():
    """Cost and thumbs describe answers that users saw."""
    backend = Backend(MODELS[CANARY])
    backend.break_down()

    failed = [a for a in (backend.draw() for _ in range(200)) if a.status != 200]

    assert failed
    assert all(a.cost_usd == 0 and a.tokens == 0 and a.thumbs == "" for a in failed)


def test_two_runs_draw_the_same_answers():
    """The demo's outcome does not depend on luck."""
    first, second = Backend(MODELS[CONTROL]), Backend(MODELS[CONTROL])

    assert [first.draw() for _ in range(50)] == [second.draw() for _ in range(50)]


def test_overload_is_not_reached_at_five_percent():
    """One canary answer in twenty never trips it."""
    overload = Overload()

    assert not any(overload.passes_with(CANARY if i % 20 == 0 else CONTROL) for i in range(2_000))


def test_overload_is_reached_once_at_a_quarter():
    """At 25 % it trips within one window of answers, and tells it only once."""
    overload = Overload()

    trips = [overload.passes_with(CANARY if i % 4 == 0 else CONTROL) for i in range(1_000)]

    assert trips.count(True) == 1
    assert trips.index(True) < 2 * Overload.WINDOW_ANSWERS


def test_overload_waits_for_a_full_window():
    """A first answer by the canary is 100 % of nothing."""
    assert not Overload().passes_with(CANARY)


def test_every_user_comes_once_before_anybody_comes_twice():
    """The order of users has no pattern and leaves nobody out."""
    asked = [user_id(number, 2_000) for number in range(4_000)]

    assert len(set(asked[:2_000])) == 2_000
    assert asked[:2_000] == asked[2_000:]
