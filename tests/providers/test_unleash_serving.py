"""What a configuration of Unleash serves, state by state, and where that cannot be said."""

from __future__ import annotations

import pytest

from providers.unleash_worlds import eu, mini, strategy, variants
from rolloutctl.core.exposure import Condition, split
from rolloutctl.errors import Rejected
from rolloutctl.providers.unleash.configuration import parse_configuration
from rolloutctl.providers.unleash.place import Arms
from rolloutctl.providers.unleash.reading import fingerprint_of
from rolloutctl.providers.unleash.serving import AUDIENCE, INCLUDE, OWN, served

SWITCH = Arms("off", "on")
MODELS = Arms("gpt-4", "claude")
GOLD = (Condition(attribute="tier", values=("gold",)),)
EU = (Condition(attribute="region", values=("eu",)),)


def _found(*strategies, enabled=True, legacy=()):
    placed = [{**each, "id": str(n), "sortOrder": n} for n, each in enumerate(strategies)]
    document = {"enabled": enabled, "strategies": placed, "variants": list(legacy)}
    return parse_configuration(document, "llm")


def _gold(**fields):
    constraint = {"contextName": "tier", "operator": "IN", "values": ["gold"]}
    return strategy(100, title=INCLUDE, constraints=[constraint], **fields)


def _included(claude):
    return _gold(variants=variants(claude))


def _audience(claude, rollout=100, **fields):
    given = {"constraints": [eu()], **fields}
    return strategy(rollout, title=AUDIENCE, variants=variants(claude), **given)


def _models(claude, **fields):
    return strategy(100, variants=variants(claude), **fields)


@pytest.mark.parametrize(
    ("found", "exposure"),
    [
        (_found(strategy(100), enabled=False), split(0)),
        (_found(), split(10_000)),
        (_found(strategy(0)), split(0)),
        (_found(strategy(7)), split(700)),
        (_found(strategy(100)), split(10_000)),
        (_found(strategy(5), strategy(50, disabled=True)), split(500)),
        (_found(strategy(5), strategy(0, title="idle")), split(500)),
        (_found(strategy(5, constraints=[eu()])), split(500, audience=EU)),
        (_found(strategy(0, title="x"), strategy(0, title=OWN, constraints=[eu()])),
         split(0, audience=EU)),
        (_found(_gold(), strategy(5)), split(500, include=GOLD)),
        (_found(_gold()), split(0, include=GOLD)),
        (_found(strategy(5, segments=[3])),
         split(500, audience=(Condition(attribute="segment", values=(3,)),))),
        # sent twice on the way: units are hashed alike, so the larger share counts
        (_found(strategy(5, title=OWN), strategy(25, title=OWN)), split(2_500)),
        (_found(_gold(), _gold(), strategy(5)), split(500, include=GOLD)),
    ],
)  # fmt: skip
def test_a_plain_flag_is_read_exactly(found, exposure):
    """Every shape that rolloutctl writes, and what people leave behind."""
    assert served(found, SWITCH).exposure(0) == exposure


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (_found(strategy(5), strategy(5, constraints=[eu()])), "several strategies turn it on"),
        (_found({"name": "default", "parameters": {}}), "is a default, not a flexibleRollout"),
        (_found(strategy("12.5")), "has the rollout '12.5'"),
        (_found(strategy("007")), "has the rollout '007'"),
        (_found(strategy(5, constraints=[{**eu(), "inverted": True}])), "not a plain list"),
        (_found(strategy(5, constraints=[{**eu(), "operator": "NOT_IN"}])), "on region is not"),
        (_found(strategy(50, title=INCLUDE), strategy(5)), "include was edited"),
        (_found(strategy(100, title=INCLUDE), strategy(5)), "include was edited"),
    ],
)
def test_a_plain_flag_that_serves_more_is_not_guessed_at(found, why):
    """The plan refuses it with these words."""
    answer = served(found, SWITCH)

    assert answer.canary_bp is None
    assert answer.exposure(0) is None
    assert why in answer.detail


@pytest.mark.parametrize(
    ("found", "exposure"),
    [
        (_found(_models(1000), enabled=False), split(0)),
        (_found(strategy(100)), split(0)),
        (_found(_models(0)), split(0)),
        (_found(_models(5)), split(50)),
        (_found(_models(1000)), split(10_000)),
        (_found(strategy(), legacy=variants(300)), split(3_000)),
        (_found(_included(1000), _models(50)), split(500, include=GOLD)),
        (_found(_audience(200), _models(0)), split(2_000, audience=EU)),
        (_found(_audience(0), _models(0)), split(0, audience=EU)),
        (_found(_audience(0, constraints=[{**eu(), "inverted": True}]), _models(0)), split(0)),
        (_found(_included(1000), _audience(200), _models(0)),
         split(2_000, audience=EU, include=GOLD)),
        (_found(_audience(200), _audience(100), _models(0)), split(2_000, audience=EU)),
        (_found(_models(50), _models(1000, disabled=True)), split(500)),
    ],
)  # fmt: skip
def test_variants_are_read_exactly(found, exposure):
    """Thousandths of control and canary, audiences, cohorts, old variants."""
    assert served(found, MODELS).exposure(0) == exposure


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (_found(_models(50), _models(50)), "several strategies choose variants"),
        (_found(strategy(50, variants=variants(50))), "does not reach everybody"),
        (_found(_models(50, constraints=[eu()])), "does not reach everybody"),
        (_found(strategy(variants=variants(50, others=[mini(10)]))), "also serves mini"),
        (_found(strategy(variants=variants(50)[:1])), "sum to 50, not 1000"),
        (_found(_models(50), _included(1000)), "do not stand before the others"),
        (_found(_included(500), _models(50)), "does not serve 'claude' to all"),
        (_found(_audience(200), _models(50)), "both serve the canary"),
        (_found(_audience(200, rollout=50), _models(0)), "audience was edited"),
        (_found(_audience(200, constraints=[]), _models(0)), "audience was edited"),
        (
            _found(strategy(), legacy=[{**variants(0)[0], "overrides": [{}]}, variants(0)[1]]),
            "overrides name units for claude",
        ),
    ],
)
def test_variants_that_serve_more_are_not_guessed_at(found, why):
    """A third arm, half of the units, another order."""
    answer = served(found, MODELS)

    assert answer.canary_bp is None
    assert why in answer.detail


def test_fallbacks_are_told_though_they_are_no_canary():
    """What applications use then is in their code."""
    assert "no variants" in served(_found(strategy(100)), MODELS).detail
    assert "the environment is off" in served(_found(enabled=False), MODELS).detail


@pytest.mark.parametrize(
    "document",
    [
        None,
        {"enabled": 1, "strategies": []},
        {"enabled": True, "strategies": {}},
        {"enabled": True, "strategies": [{"parameters": {}}]},
        {"enabled": True, "strategies": [{"name": "x", "sortOrder": "1"}]},
        {"enabled": True, "strategies": [{"name": "x", "segments": [True]}]},
        {"enabled": True, "strategies": [], "variants": [{"name": "a"}]},
    ],
)
def test_an_answer_of_another_shape_is_refused(document):
    """A later server may mean something else by it."""
    with pytest.raises(Rejected, match="not a configuration that this version"):
        parse_configuration(document, "llm")


def test_ids_are_not_configuration():
    """A strategy that was made again is the same configuration."""
    one, other = _found(strategy(5)), _found(strategy(6), strategy(5))

    assert one.strategies[0].id != other.strategies[1].id
    assert fingerprint_of([one]) != fingerprint_of([other])
    assert one.as_json(with_ids=False) == {
        **one.as_json(with_ids=True),
        "strategies": [one.strategies[0].as_json()],
    }
