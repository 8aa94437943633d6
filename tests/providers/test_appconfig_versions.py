"""Hosted versions are stored under a lock, and none is stored twice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from providers.appconfig_worlds import CREDENTIALS, AppConfigWorld, pct, variant
from rolloutctl.clock import Deadline
from rolloutctl.core.exposure import split
from rolloutctl.errors import Conflict, NotFound, Unauthorized
from rolloutctl.providers.appconfig import api
from servers.fake_aws_http import Err

CANARY = "AppConfig.Canary10Percent20Minutes"


@pytest.fixture
def world(monkeypatch):
    for name, text in CREDENTIALS.items():
        monkeypatch.setenv(name, text)
    world = AppConfigWorld("variants")
    yield world
    world.close()


def apply(world, bp):
    return world.provider.apply(world.target, split(bp), key="k", expect=None, timeout_s=5)


def versions(world):
    return world.aws.versions[world.ids[2]]


def fail(world, fault, *operations):
    world.aws.fault, world.aws.fault_on = fault, frozenset(operations)


def test_a_write_that_is_tried_again_stores_no_second_copy(world):
    """Ten tries that AWS refuses to deploy leave one version behind."""
    fail(world, "conflict", "StartDeployment")
    for _ in range(10):
        with pytest.raises(Conflict):
            apply(world, 2_500)
    world.aws.fault = None

    apply(world, 2_500)

    assert len(versions(world)) == 2
    assert world.provider.observe(world.target).exposure == split(2_500)


def test_the_way_down_and_up_again_uses_what_is_there(world):
    """Three shares, twice: three versions and the one from before."""
    for _ in range(2):
        for bp in (500, 2_500, 10_000):
            apply(world, bp)

    assert len(versions(world)) == 4


@pytest.mark.parametrize("oldest_first", [False, True])
def test_the_newest_version_is_the_lock_however_they_are_listed(world, oldest_first):
    """A hundred and twenty drafts of somebody, on three pages."""
    app, _, profile = world.ids
    draft = versions(world)[0]["Content"]
    for _ in range(120):
        world.aws.CreateHostedConfigurationVersion(app, profile, draft, "application/json")
    world.aws.oldest_first = oldest_first

    apply(world, 2_500)

    assert world.provider.observe(world.target).exposure == split(2_500)
    assert len(versions(world)) == 122


def test_a_version_stored_in_between_is_a_conflict(world, monkeypatch):
    """Nothing is deployed; rolloutctl reads again."""
    app, _, profile = world.ids
    listed = world.aws.ListHostedConfigurationVersions

    def raced(*words, **named):
        found = listed(*words, **named)
        draft = versions(world)[0]["Content"]
        world.aws.CreateHostedConfigurationVersion(app, profile, draft, "application/json")
        return found

    monkeypatch.setattr(world.aws, "ListHostedConfigurationVersions", raced)
    before = world.served()

    with pytest.raises(Conflict):
        apply(world, 2_500)

    assert world.served() == before


def test_a_label_of_ours_on_something_else_is_not_believed(world):
    """By its content a version is known, not by its label."""
    apply(world, 2_500)
    label = versions(world)[-1]["VersionLabel"]
    versions(world)[-1]["VersionLabel"] = None
    app, _, profile = world.ids
    world.aws.CreateHostedConfigurationVersion(
        app, profile, versions(world)[0]["Content"], "application/json", VersionLabel=label
    )
    apply(world, 0)

    with pytest.raises(Conflict):
        apply(world, 2_500)

    assert world.provider.observe(world.target).exposure == split(0)


def test_a_kill_stores_its_version_whatever_stands_in_the_way(world):
    """The listing forbidden, then the label taken, and drafts in between: no lock."""
    apply(world, 2_500)
    fail(world, "forbidden", "ListHostedConfigurationVersions")
    world.become({"_variants": [variant("claude", pct(30)), variant("gpt-4")]})
    with pytest.raises(Unauthorized):
        apply(world, 5_000)

    world.provider.kill(world.target, timeout_s=5)
    world.aws.fault = None
    assert world.provider.observe(world.target).exposure == split(0)

    world.become({"_variants": [variant("claude", pct(30)), variant("gpt-4")]})
    fail(world, "forbidden", "ListHostedConfigurationVersions")
    world.provider.kill(world.target, timeout_s=5)
    world.aws.fault = None

    assert world.provider.observe(world.target).exposure == split(0)


def test_kills_in_a_row_store_one_version(world):
    """Deployments move, versions need not."""
    apply(world, 2_500)
    for _ in range(5):
        world.provider.kill(world.target, timeout_s=5)
        apply(world, 2_500)

    assert len(versions(world)) <= 3


def test_a_deployment_that_is_told_by_its_label_is_understood(world, monkeypatch):
    """An emulator answers the label where a number stood; the kill works by it too."""
    app, environment, profile = world.ids
    content = versions(world)[0]["Content"]
    world.aws.CreateHostedConfigurationVersion(
        app, profile, content, "application/json", VersionLabel="v1.2"
    )
    once = world.aws.CreateDeploymentStrategy("x", 0, 100)["Id"]
    world.aws.StartDeployment(app, environment, once, profile, "v1.2", Description="by label")
    view = world.aws.view

    def labelled(found):
        told = view(found)
        return {
            **told,
            "ConfigurationVersion": told["VersionLabel"] or told["ConfigurationVersion"],
        }

    monkeypatch.setattr(world.aws, "view", labelled)

    before = world.provider.observe(world.target)
    assert before.snapshot["version"] == "2"
    apply(world, 2_500)
    world.provider.kill(world.target, timeout_s=5)
    assert world.provider.observe(world.target).exposure == split(0)
    apply(world, 2_500)
    world.provider.restore(world.target, before.snapshot, key="r", expect=None, timeout_s=5)

    assert world.served()["values"]["prompt"] == world.value


def test_a_restore_point_whose_version_was_deleted_is_stored_anew(world):
    """What it held stands in the journal."""
    before = world.provider.observe(world.target)
    value = world.value
    apply(world, 2_500)
    fetch = world.aws.GetHostedConfigurationVersion

    def deleted(**asked):
        if asked["VersionNumber"] == 1:
            raise Err("ResourceNotFoundException", "version 1 not found")
        return fetch(**asked)

    world.aws.GetHostedConfigurationVersion = deleted

    world.provider.restore(world.target, before.snapshot, key="r", expect=None, timeout_s=5)

    assert world.served()["values"]["prompt"] == value
    assert world.provider.observe(world.target).exposure == split(0)


def test_a_version_in_force_that_was_deleted_is_named(world):
    """Not that the ids are wrong."""
    fail(world, "missing", "GetHostedConfigurationVersion")

    with pytest.raises(NotFound, match="hosted version 1 is deployed or was, and is deleted"):
        world.provider.kill(world.target, timeout_s=5)


def test_ten_targets_share_one_client(world, monkeypatch):
    """A kill of many asks from as many threads; making a client takes as long as several calls."""
    api._made.cache_clear()
    made, client = [], boto3.session.Session.client
    monkeypatch.setattr(
        boto3.session.Session,
        "client",
        lambda *words, **named: made.append(1) or client(*words, **named),
    )
    ready = threading.Barrier(10)

    def look(_):
        ready.wait(5)
        place = {"ApplicationId": world.ids[0], "EnvironmentId": world.ids[1]}
        api.Api(world.target.spec, Deadline(10.5)).read("list_deployments", **place)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(look, range(10)))

    assert len(made) == 1
