"""The provider `unleash` against a running Unleash: shares, names, limits, traps."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from providers.unleash_worlds import (
    ENVIRONMENT,
    FEATURES,
    SECRETS,
    TOKEN,
    Server,
    UnleashWorld,
    strategy,
)
from rolloutctl.clock import Deadline, SystemClock, random_suffix
from rolloutctl.core.exposure import Condition, split
from rolloutctl.core.measurement import Reading
from rolloutctl.core.observation import Severity
from rolloutctl.core.ports import GateContext
from rolloutctl.core.verdict import Outcome
from rolloutctl.errors import Unauthorized, Unavailable
from rolloutctl.gates.exposure import ExposureGate, ExposureSpec
from rolloutctl.providers.unleash import sampling
from rolloutctl.providers.unleash.adapter import PROPAGATION_S
from rolloutctl.providers.unleash.reading import read_target
from rolloutctl.providers.unleash.sdk import sdk_of
from rolloutctl.runner.adapters import not_beside
from rolloutctl.runner.exposure_source import ExposureSource
from servers.unleash_proxy import UnleashProxy
from servers.unleash_server import ADMIN_TOKEN, CLIENT_TOKENS

pytestmark = pytest.mark.real

PACKAGE = Path(__file__).parents[1] / "servers/unleash/package.json"
#: Units by kind of flag: 25,000 evaluations a second and look.
UNITS = {"plain": 100_000, "variants": 30_000}
#: Standard deviations that a share may be off; 5 fail once in 1.7 million looks.
SIGMAS = 5.0
PASSWORD = "Planted-unleash-pw-1"
EDITOR, VIEWER = 2, 3


@pytest.fixture
def make(monkeypatch, unleash_url):
    """Worlds of the given kind on the running server."""
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    with UnleashProxy(unleash_url) as proxy:
        server = Server(proxy, unleash_url)
        yield lambda kind: UnleashWorld(server, kind)
        server.close()


def _apply(world, exposure):
    return world.provider.apply(world.target, exposure, key="k", expect=None, timeout_s=5)


def _personal_token(unleash_url, role):
    """The name and the token of a new user with that role."""
    name = f"ada-{random_suffix()}"
    with httpx.Client(base_url=unleash_url, headers={"Authorization": ADMIN_TOKEN}) as admin:
        user = {"username": name, "email": f"{name}@example.com", "rootRole": role}
        body = {**user, "sendEmail": False, "password": PASSWORD}
        assert admin.post("/api/admin/user-admin", json=body).status_code == 201
    with httpx.Client(base_url=unleash_url) as browser:
        login = {"username": name, "password": PASSWORD}
        assert browser.post("/auth/simple/login", json=login).status_code == 200
        body = {"description": "tests", "expiresAt": "2099-01-01T00:00:00Z"}
        return name, browser.post("/api/admin/user/tokens", json=body).json()["secret"]


def test_the_running_server_is_the_pinned_one(unleash_url):
    """What is claimed of the provider is claimed of this version."""
    pinned = json.loads(PACKAGE.read_text("utf-8"))["dependencies"]["unleash-server"]

    told = httpx.get(
        f"{unleash_url}/api/admin/instance-admin/statistics", headers={"Authorization": ADMIN_TOKEN}
    ).json()

    assert told["versionOSS"] == pinned


@pytest.mark.long
@pytest.mark.parametrize("kind", ["plain", "variants"])
def test_shares_are_as_intended_and_no_unit_leaves_the_canary_as_it_grows(make, kind):
    """The real SDK at 5, 25, 50 and 100 %."""
    world, units = make(kind), UNITS[kind]
    before: set[int] = set()
    for percent in (5, 25, 50, 100):
        _apply(world, split(percent * 100))

        canary = _in_canary(world, range(units))

        share = percent / 100
        spread = SIGMAS * math.sqrt(units * share * (1 - share))
        assert abs(len(canary) - units * share) <= spread
        assert before <= canary
        before = canary


def _in_canary(world, users, **context):
    """The users that the SDK gives the canary, once it has what the server has."""
    view = read_target(world.target)
    flag, is_switch = world.flag, view.flags[0].arms.is_switch
    with sdk_of(world.target.spec) as sdk:
        sampling._wait(sdk, view, Deadline(30))
        ask = sdk.client.is_enabled if is_switch else sdk.client.get_variant
        return {
            user
            for user in users
            if (found := ask(flag, {"userId": f"u{user}", **context})) is True
            or (not is_switch and found["name"] == "claude")
        }


@pytest.mark.long
@pytest.mark.parametrize("kind", ["plain", "variants"])
def test_cohorts_get_the_canary_and_outsiders_do_not(make, kind):
    """`include` gets all of it, an audience its share, everybody else none."""
    world = make(kind)
    audience = (
        Condition(attribute="region", values=("eu", "us")),
        Condition(attribute="beta", values=(True,)),
    )
    include = (Condition(attribute="tier", values=("gold",)),)
    wanted = split(5_000, audience=audience, include=include)
    point, content = world.provider.observe(world.target), world.content()

    _apply(world, wanted)

    assert world.provider.observe(world.target).exposure == wanted
    users = range(200)
    assert _in_canary(world, users) == set()
    assert _in_canary(world, users, region="eu") == set()
    assert 60 < len(_in_canary(world, users, region="eu", beta="true")) < 140
    assert _in_canary(world, users, tier="gold") == set(users)
    world.provider.restore(world.target, point.snapshot, key="r", expect=None, timeout_s=5)
    assert world.content() == content


def test_a_drift_names_the_person_the_time_and_the_change(make, unleash_url):
    """Somebody with a token of their own raises the share behind our back."""
    world = make("plain")
    _apply(world, split(500))
    name, token = _personal_token(unleash_url, EDITOR)
    [own] = world.server.environment(world.flag)["strategies"]
    change = {"op": "replace", "path": "/parameters/rollout", "value": "30"}
    base = f"{unleash_url}{FEATURES}/{world.flag}/environments/{ENVIRONMENT}"
    answer = httpx.patch(
        f"{base}/strategies/{own['id']}", json=[change], headers={"Authorization": token}
    )
    assert answer.status_code == 200

    seen = world.provider.observe(world.target)

    assert seen.editor.startswith(f"{name}@example.com at 20")
    assert seen.editor.endswith(f"Z ({world.flag}: rollout 5 -> 30)")
    assert seen.exposure == split(3_000)


def test_a_viewers_token_is_refused_by_the_plan_and_by_the_server(make, unleash_url, monkeypatch):
    """The permission that is missing is named both times."""
    world = make("plain")
    monkeypatch.setenv(TOKEN.env, _personal_token(unleash_url, VIEWER)[1])

    refused = [f for f in world.provider.probe(world.target) if f.severity is Severity.REFUSE]

    assert "it lacks CREATE_FEATURE_STRATEGY" in refused[0].message
    with pytest.raises(Unauthorized, match="UPDATE_FEATURE_STRATEGY") as caught:
        _apply(world, split(500))
    assert "project default, environment development" in caught.value.hint


def test_an_editors_token_is_all_that_a_rollout_needs(make, unleash_url, monkeypatch):
    """No administrator: a member drives it, and stands in the event log."""
    world = make("fresh")
    _, token = _personal_token(unleash_url, EDITOR)
    monkeypatch.setenv(TOKEN.env, token)

    found = world.provider.probe(world.target)
    _apply(world, split(500, shadow_bp=1_000))
    world.provider.kill(world.target, timeout_s=5)

    assert [each.severity for each in found] == [Severity.OK]
    assert world.provider.observe(world.target).exposure == split(0)


@pytest.mark.parametrize(
    ("token", "way_out"),
    [
        (CLIENT_TOKENS["development"], "an SDK's token, which can only read"),
        ("planted-unleash-wrong", "no token that this server knows"),
    ],
)
def test_a_token_that_cannot_write_says_which_one_can(make, monkeypatch, token, way_out):
    """In the words of the running server."""
    world = make("plain")
    monkeypatch.setenv(TOKEN.env, token)

    with pytest.raises(Unauthorized) as caught:
        world.provider.probe(world.target)

    assert way_out in caught.value.hint


def test_archived_missing_and_elsewhere_are_told_apart(make):
    """In the words of the running server."""
    world = make("plain")
    elsewhere = replace(world.target.spec, project="agents")
    placeless = replace(world.target.spec, environment="staging")
    missing = replace(world.target.spec, flag="nowhere")

    def refusal(spec=world.target.spec):
        found = world.provider.probe(replace(world.target, spec=spec))
        [(message, hint)] = [
            (each.message, each.hint) for each in found if each.severity is Severity.REFUSE
        ]
        return message, hint

    assert 'a feature with that name in project "default"' in refusal(elsewhere)[0]
    assert refusal(elsewhere)[1] == "write that project in the target"
    assert "its environments are: development, production" in refusal(placeless)[1]
    assert 'no feature named "nowhere"' in refusal(missing)[0]
    world.server.call("DELETE", f"{FEATURES}/{world.flag}")
    assert refusal()[0] == f"flag {world.flag!r} is archived"


def test_turning_on_without_a_strategy_starts_nobodys_rollout(make):
    """The trap itself, and that it is noticed: the strategy vanishes just before `on`."""
    world = make("fresh")
    forward = world.proxy.forward

    def remove_then_forward(seen):
        if seen.path.endswith("/on"):
            for each in world.server.environment(world.flag)["strategies"]:
                base = f"{FEATURES}/{world.flag}/environments/{ENVIRONMENT}"
                world.server.call("DELETE", f"{base}/strategies/{each['id']}")
        return forward(seen)

    world.proxy.forward = remove_then_forward

    with pytest.raises(Unavailable, match="turned off again"):
        _apply(world, split(500))

    [added] = world.server.environment(world.flag)["strategies"]
    assert added["parameters"]["rollout"] == "100"
    assert world.provider.observe(world.target).exposure == split(0)


def test_the_command_kills_and_verifies_by_address(make, unleash_url, tmp_path):
    """As somebody types it at 3 a.m., without playbook and journal."""
    world = make("variants")
    _apply(world, split(2_500, shadow_bp=1_000))
    direct = replace(world.target, spec=replace(world.target.spec, url=unleash_url))
    address = world.provider.address(direct)
    environment = {
        "PATH": "/usr/bin:/bin",
        "ROLLOUTCTL_STORE": str(tmp_path / "none.db"),
        "UNLEASH_ADMIN_TOKEN": ADMIN_TOKEN,
        "UNLEASH_CLIENT_TOKEN": CLIENT_TOKENS[ENVIRONMENT],
    }
    program = "import sys; from rolloutctl.cli.main import main; sys.exit(main())"

    def command(*words):
        return subprocess.run(
            [sys.executable, "-c", program, *words, "--shadow", world.shadow],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            timeout=60,
        )

    verified = command("verify", address, "--control", "gpt-4", "--canary", "claude")
    killed = command("kill", address, "--to", "gpt-4")

    assert verified.returncode == 0, verified.stderr
    assert "applications must send: userId" in verified.stdout
    assert killed.returncode == 0, killed.stderr
    assert (
        f"{world.flag}: strategy flexibleRollout: variants claude 0%, gpt-4 100%" in killed.stdout
    )
    assert world.provider.observe(world.target).exposure == split(0)
    said = verified.stdout + verified.stderr + killed.stdout + killed.stderr
    assert "planted" not in said


def test_a_strategy_of_somebody_else_is_found_before_the_step_is_judged(make):
    """`verify_exposure` asks the real SDK: the flag's weight is right, what is served is not."""
    world, gate = make("plain"), ExposureGate()
    theirs = {
        "contextName": "userId",
        "operator": "STR_STARTS_WITH",
        "values": ["rolloutctl-unit-1"],
    }
    _apply(world, split(500))
    now = SystemClock().now()
    since = now - timedelta(seconds=PROPAGATION_S)
    context = GateContext(now=now, since=since, arms={}, exposure=split(500), interval_s=30.0)
    (query,) = gate.queries(ExposureSpec(), context)

    def judged():
        source = ExposureSource(world.provider, world.target, not_beside)
        reading = Reading(query=query, measurement=source.query(query, now))
        return gate.assess(ExposureSpec(), None, [reading], context)[1]

    right = judged()
    base = f"{FEATURES}/{world.flag}/environments/{ENVIRONMENT}"
    world.server.call("POST", f"{base}/strategies", strategy(100, constraints=[theirs]))
    wrong = judged()

    assert right.outcome is Outcome.PASS, right.because
    assert wrong.outcome is Outcome.FAIL, wrong.because
    assert "intended 5%" in wrong.because
    assert "applications must send userId" in wrong.because


def test_another_process_sees_what_the_server_itself_changed(make):
    """Removing the last enabled strategy turns the environment off: seen as zero."""
    world = make("plain")
    _apply(world, split(500))
    world.server.become(world.flag, True, [strategy(70)])
    base = f"{FEATURES}/{world.flag}/environments/{ENVIRONMENT}"
    [only] = world.server.environment(world.flag)["strategies"]
    assert world.provider.observe(world.target).exposure == split(7_000)

    world.server.call("DELETE", f"{base}/strategies/{only['id']}")

    assert world.provider.observe(world.target).exposure == split(0)


def test_a_strategy_that_somebody_removed_is_made_again_field_for_field(make):
    """Title, order, constraints, payloads; only its id is another."""
    world = make("variants")
    point, before = world.provider.observe(world.target), world.server.environment(world.flag)
    _apply(world, split(500, shadow_bp=1_000))
    world.server.become(world.flag, False, [])

    world.provider.restore(world.target, point.snapshot, key="r", expect=None, timeout_s=5)

    after = world.server.environment(world.flag)
    for each in (*before["strategies"], *after["strategies"]):
        each.pop("id")
    assert after == before
    assert world.provider.observe(world.target).fingerprint == point.fingerprint
