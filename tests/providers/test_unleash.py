"""The provider `unleash`: addresses, what a flag can serve, and samples of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from providers.unleash_worlds import (
    ENVIRONMENT,
    eu,
    strategy,
    variants,
)
from rolloutctl.core.exposure import Condition, split
from rolloutctl.core.observation import Severity
from rolloutctl.core.playbook import Arm
from rolloutctl.errors import Rejected, Unauthorized, UsageError
from rolloutctl.providers.unleash.place import Payload, TargetSpec, parse_address
from servers.fake_unleash import CLIENT_TOKENS

PLACE = f"environments/{ENVIRONMENT}"


def _apply(world, exposure, *, target=None, expect=None, timeout_s=5.0):
    given = target or world.target
    return world.provider.apply(given, exposure, key="k", expect=expect, timeout_s=timeout_s)


def _refusals(world, target=None):
    found = world.provider.probe(target or world.target)
    return [(each.message, each.hint) for each in found if each.severity is Severity.REFUSE]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://Unleash.Example.com", "unleash://unleash.example.com/p/e/f"),
        ("https://unleash.example.com:443/api/", "unleash://unleash.example.com/p/e/f"),
        ("https://eu.example.com/team/api/admin", "unleash://eu.example.com/team/p/e/f"),
        ("http://127.0.0.1:4242", "unleash://127.0.0.1:4242/p/e/f"),
        ("https://localhost:4242", "unleash://localhost:4242/p/e/f?scheme=https"),
        ("http://unleash.internal", "unleash://unleash.internal/p/e/f?scheme=http"),
        ("http://[::1]:4242", "unleash://[::1]:4242/p/e/f"),
    ],
)
def test_all_spellings_of_a_server_are_one_address(make, url, address):
    """And it reads back as a server of the same address."""
    world = make("plain")
    spec = TargetSpec(url=url, project="p", environment="e", flag="f")

    assert world.provider.address(replace(world.target, spec=spec)) == address
    again = TargetSpec(**parse_address(address))
    assert world.provider.address(replace(world.target, spec=again)) == address


@pytest.mark.parametrize("name", ["a/b", "ä flag", "x?y", "p#q", "100%"])
def test_names_of_any_letters_survive_the_address(make, name):
    """Quoted on the way there, unquoted on the way back."""
    world = make("plain")
    spec = replace(world.target.spec, project=name, environment=name, flag=name)

    fields = parse_address(world.provider.address(replace(world.target, spec=spec)))

    assert (fields["project"], fields["environment"], fields["flag"]) == (name, name, name)


@pytest.mark.parametrize(
    "address",
    [
        "unleash://host/project/environment",
        "unleash://host/project/environment/",
        "unleash:///project/environment/flag",
        "unleash://user:pw@host/project/environment/flag",
        "unleash://host:port/project/environment/flag",
        "unleash://host/project/environment/flag?scheme=ftp",
    ],
)
def test_what_is_no_address_is_refused_with_the_form(address):
    """Tokens do not stand in addresses either."""
    with pytest.raises(UsageError) as caught:
        parse_address(address)

    assert "unleash://unleash.example.com/PROJECT/ENVIRONMENT/FLAG" in caught.value.hint


@pytest.mark.parametrize(
    "url", ["unleash.example.com", "ftp://x", "https://", "https://u:p@x", "https://x?y", "x://#"]
)
def test_a_url_that_is_none_is_a_mistake_of_the_playbook(url):
    """Lint shows it where it stands."""
    with pytest.raises(ValueError, match="url must"):
        TargetSpec(url=url, environment="e", flag="f")


def test_an_unknown_type_of_payload_is_a_mistake_of_the_playbook():
    """Unleash knows four."""
    with pytest.raises(ValueError, match="string, json, csv, number"):
        Payload(type="yaml")


def test_a_share_that_a_plain_flag_cannot_have_is_refused_not_rounded(make):
    """Half a percent is a matter for variants."""
    world = make("plain")

    with pytest.raises(Rejected, match=r"0\.5% cannot be served exactly") as caught:
        _apply(world, split(50))

    assert "variants are finer" in caught.value.hint
    assert world.provider.capabilities_for(world.target).weight_step_bp == 100
    assert make("variants").provider.capabilities.weight_step_bp == 10


def test_a_share_finer_than_a_thousandth_is_refused(make):
    """Nothing is ever rounded."""
    with pytest.raises(Rejected, match=r"steps of 0\.1%"):
        _apply(make("variants"), split(55))


@pytest.mark.parametrize(
    ("control", "canary"), [("on", "off"), ("off", "claude"), ("gpt-4", "off"), ("on", "claude")]
)
def test_arms_that_are_neither_a_plain_flag_nor_variants_are_refused(make, control, canary):
    """Most of all a flag that is to be switched off step by step."""
    world = make("plain")
    arms = {
        "control": Arm(name="control", value=control),
        "canary": Arm(name="canary", value=canary),
    }

    [(message, hint)] = _refusals(world, replace(world.target, **arms))

    assert "neither off and on nor two variants" in message
    assert "control: off, canary: on" in hint


def test_a_missing_variant_is_made_with_the_payload_of_the_target(make):
    """And goes away again with the restore."""
    world = make("variants")
    world.server.become(world.flag, True, [strategy(variants=variants(0)[1:])])
    with pytest.raises(Rejected, match="no variant 'claude'"):
        _apply(world, split(500))
    payload = Payload(type="json", canary='{"model": "c"}')
    target = replace(world.target, spec=replace(world.target.spec, payload=payload))
    content, point = world.content(), world.provider.observe(target)

    _apply(world, split(500), target=target)

    [made, _] = world.server.environment(world.flag)["strategies"][0]["variants"]
    assert made["payload"] == {"type": "json", "value": '{"model": "c"}'}
    assert (made["name"], made["weight"], made["stickiness"]) == ("claude", 50, "userId")
    world.provider.restore(target, point.snapshot, key="k", expect=None, timeout_s=5)
    assert world.content() == content


def test_payloads_stickiness_and_group_are_never_changed(make):
    """Only weights move: another group would give every unit another arm."""
    world = make("variants")
    before = world.server.environment(world.flag)["strategies"][0]

    _apply(world, split(2_500))

    after = world.server.environment(world.flag)["strategies"][0]
    assert after["parameters"] == before["parameters"]
    for old, new in zip(before["variants"], after["variants"], strict=True):
        assert {**old, "weight": 0, "weightType": ""} == {**new, "weight": 0, "weightType": ""}


def test_other_active_strategies_are_not_driven_over(make):
    """A plain flag that somebody else turns on for beta users is theirs."""
    world = make("plain")
    world.server.become(world.flag, True, [strategy(0), strategy(100, constraints=[eu()])])

    with pytest.raises(Rejected, match="several strategies") as caught:
        _apply(world, split(500))

    assert "disable the strategies" in caught.value.hint


def test_a_disabled_environment_with_other_strategies_is_not_turned_on(make):
    """Turning it on would start them too."""
    world = make("fresh")
    world.server.become(world.flag, False, [strategy(100, title="a"), strategy(50, title="b")])

    with pytest.raises(Rejected, match="several strategies turn it on: a, b"):
        _apply(world, split(500))

    assert world.provider.observe(world.target).exposure == split(0)


def test_a_cohort_of_too_many_values_or_no_segment_is_refused(make):
    """With the way out: a segment, by its id."""
    world = make("plain")
    many = (Condition(attribute="userId", values=tuple(range(251))),)
    named = (Condition(attribute="segment", values=("beta",)),)

    with pytest.raises(Rejected, match="251 values") as caught:
        _apply(world, split(0, include=many))
    assert "segment: ID" in caught.value.hint
    with pytest.raises(Rejected, match="not the id of one segment"):
        _apply(world, split(0, include=named))


def test_shadow_without_a_shadow_flag_is_refused(make):
    """Nothing could be mirrored."""
    world = make("plain")

    with pytest.raises(Rejected, match="names no shadow flag"):
        _apply(world, split(0, shadow_bp=1_000), target=replace(world.target, shadow=None))


def test_a_sample_names_the_fields_that_applications_must_send(make):
    """Stickiness and constraints."""
    world = make("variants")
    audience = (Condition(attribute="region", values=("eu",)),)
    _apply(world, split(5_000, audience=audience))

    counts = world.provider.sample(world.target, 200, timeout_s=10)

    assert counts.context == ("region", "userId")
    assert counts.missing == ("region",)
    assert dict(counts.arms) == {"control": 200, "canary": 0}


def test_a_sample_needs_a_token_of_this_environment(make, monkeypatch):
    """A token of production would show production's shares."""
    world = make("plain")
    variable = world.target.spec.client_token.env
    monkeypatch.setenv(variable, CLIENT_TOKENS["production"])
    with pytest.raises(Rejected, match="is for the environment 'production', not 'development'"):
        world.provider.sample(world.target, 100, timeout_s=5)

    monkeypatch.setenv(variable, "planted-unleash-wrong")
    with pytest.raises(Unauthorized) as caught:
        world.provider.sample(world.target, 100, timeout_s=5)
    assert "must hold a backend (client) token" in caught.value.hint

    monkeypatch.delenv(variable)
    with pytest.raises(Unauthorized, match="is not set"):
        world.provider.sample(world.target, 100, timeout_s=5)


@pytest.mark.parametrize("units", [0, -1, 1_000_001])
def test_a_sample_of_too_few_or_too_many_is_refused(make, units):
    """Before anything is asked."""
    with pytest.raises(Rejected, match="cannot be sampled"):
        make("plain").provider.sample(make("plain").target, units, timeout_s=5)
