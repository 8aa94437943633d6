"""Audience and include as rules of a flag, over the fake AppConfig."""

from __future__ import annotations

import json

import pytest

from providers.appconfig_worlds import CREDENTIALS, KINDS, AppConfigWorld, pct, variant
from rolloutctl import playbook_file
from rolloutctl.core.exposure import Condition, split
from rolloutctl.errors import Rejected
from rolloutctl.plugins import InstalledCatalog
from rolloutctl.providers.appconfig.rule_evaluation import is_met
from rolloutctl.providers.appconfig.rule_language import parse_rule

EU = (Condition(attribute="region", values=("eu",)),)
BETA = (Condition(attribute="beta", values=(True,)),)
BOTH = split(2_500, audience=EU, include=BETA)


@pytest.fixture(params=list(KINDS))
def world(request, monkeypatch):
    for name, text in CREDENTIALS.items():
        monkeypatch.setenv(name, text)
    world = AppConfigWorld(request.param)
    yield world
    world.close()


def serve(world, exposure):
    """As the runner does."""
    before = world.provider.observe(world.target)
    world.provider.apply(world.target, exposure, key="k", expect=before.version, timeout_s=5)
    return world.provider.observe(world.target)


def has_canary(world, **context):
    """Does a unit get the canary by the document that is served, first match wins?"""
    value = world.served()["values"]["prompt"]
    for one in value["_variants"]:
        if "rule" not in one or is_met(parse_rule(one["rule"]), context, seed="prompt"):
            return one["name"] in {"on", "claude"}
    return False


@pytest.mark.parametrize(
    "exposure",
    [BOTH, split(0, audience=EU), split(0, include=BETA), split(10_000, audience=EU)],
)
def test_what_is_written_is_what_is_observed(world, exposure):
    """Shares of an audience, cohorts, and both."""
    assert serve(world, exposure).exposure == exposure


def test_the_cohort_has_it_the_audience_its_share_and_nobody_else(world):
    """Of the audience a quarter, of the others none but the included."""
    serve(world, BOTH)

    eu = sum(has_canary(world, userId=f"u{n}", region="eu") for n in range(2_000))
    others = sum(has_canary(world, userId=f"u{n}", region="us") for n in range(2_000))

    assert abs(eu - 500) < 120
    assert others == 0
    assert has_canary(world, userId="u1", region="us", beta=True)


def test_who_has_the_canary_keeps_it_as_the_share_grows(world):
    """With audience and cohort as without."""
    serve(world, BOTH)
    units = [{"userId": f"u{n}", "region": "eu"} for n in range(500)]
    had = [unit for unit in units if has_canary(world, **unit)]

    serve(world, split(5_000, audience=EU, include=BETA))

    assert had
    assert all(has_canary(world, **unit) for unit in had)


def test_kill_and_restore_take_the_cohorts_away(world):
    """The kill to zero, the restore to the value before."""
    before = world.provider.observe(world.target)
    serve(world, BOTH)

    world.provider.kill(world.target, timeout_s=5)
    assert world.provider.observe(world.target).exposure == split(0)

    serve(world, BOTH)
    world.provider.restore(world.target, before.snapshot, key="r", expect=None, timeout_s=5)
    assert world.served()["values"]["prompt"] == world.value


def test_a_cohort_beside_another_share_cannot_be_read(monkeypatch):
    """Who of the cohort the other variant takes first is not a share of ours."""
    for name, text in CREDENTIALS.items():
        monkeypatch.setenv(name, text)
    world = AppConfigWorld("variants")
    gold = {**variant("claude"), "rule": '(or (eq $tier "gold") (split pct::5 by::$userId))'}
    for variants in (
        [variant("mini", pct(20)), gold, variant("gpt-4")],
        [variant("gpt-4", pct(20)), gold, variant("mini")],
        [{**gold, "name": "mini"}, variant("claude", pct(5)), variant("gpt-4")],
    ):
        world.become({"_variants": variants})
        seen = world.provider.observe(world.target)

        assert seen.exposure is None
        assert seen.detail
        with pytest.raises(Rejected):
            world.provider.apply(world.target, split(500), key="k", expect=None, timeout_s=5)
    world.close()


def test_a_variant_of_a_switch_that_is_the_other_way_cannot_be_read(monkeypatch):
    """A variant `on` that is not enabled serves nobody."""
    for name, text in CREDENTIALS.items():
        monkeypatch.setenv(name, text)
    world = AppConfigWorld("switch")
    off = {"name": "off", "enabled": False}
    world.become({"_variants": [{**variant("on", pct(20)), "enabled": False}, off]})

    assert "variant 'on' is not on" in world.provider.observe(world.target).detail
    world.close()


PLAYBOOK = """\
apiVersion: rolloutctl/v1
kind: Playbook
name: cohorts
targets:
  llm: {{provider: appconfig, region: eu-west-1, application: abc1234, environment: abc1234,
        profile: abc1234, flag: prompt, control: gpt-4, canary: claude}}
steps:
  - {{canary: 5%, hold: 1m, {what}: {cohort}}}
"""


@pytest.mark.parametrize(
    ("what", "cohort", "said"),
    [
        ("audience", {"a.b": "x"}, "audience: 'a.b' is no context key"),
        ("include", {"tier": 'say "hi"'}, "include: tier: 'say \"hi\"' cannot be written"),
    ],
)
def test_lint_tells_what_the_language_cannot_hold(tmp_path, what, cohort, said):
    """Where it is written, before anything is."""
    path = tmp_path / "cohorts.yaml"
    path.write_text(PLAYBOOK.format(what=what, cohort=json.dumps(cohort)))

    problems = playbook_file.lint(path, inputs={}, env={}, catalog=InstalledCatalog())

    assert any(said in one.message and one.fix for one in problems)
