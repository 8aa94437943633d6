"""The health check before the switch: each pod answers, or nobody is sent there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from providers.kubernetes_worlds import GatewayWorld, SwitchWorld
from rolloutctl.core.exposure import FULL_BP, split
from rolloutctl.errors import Unavailable

TIMEOUT_S = 5.0


@pytest.fixture(params=[SwitchWorld, GatewayWorld])
def world(request, tmp_path):
    """A target whose canary is asked for its health."""
    made = request.param(tmp_path)
    spec = replace(made.target.spec, health_path="/health", health_port=8000)
    made.target = replace(made.target, spec=spec)
    yield made
    made.close()


def go(world):
    return world.provider.apply(
        world.target, split(FULL_BP), key="k", expect=None, timeout_s=TIMEOUT_S
    )


def test_pods_that_answer_get_everybody(world):
    """Any 2xx is well, with or without a body; each pod of the canary is asked."""
    go(world)

    asked = [path for _, path in world.server.calls if "/proxy/" in path]
    assert world.provider.observe(world.target).exposure == split(FULL_BP)
    assert sorted(asked) == [
        f"/api/v1/namespaces/chat/pods/chat-green-{number}:8000/proxy/health" for number in range(3)
    ]


def test_one_pod_that_does_not_answer_keeps_everybody_with_the_control(world):
    """It is ready for Kubernetes, and yet not well."""
    world.server.sick.add("chat-green-1")

    with pytest.raises(Unavailable, match="pod chat-green-1 does not answer /health") as caught:
        go(world)

    assert not caught.value.may_have_landed
    assert world.provider.observe(world.target).exposure == split(0)


def test_the_way_back_asks_nobody(world):
    """A kill must not wait for an application's opinion."""
    go(world)
    world.server.sick |= {"chat-blue-0", "chat-blue-1", "chat-blue-2"}
    world.server.calls.clear()

    world.provider.kill(world.target, timeout_s=TIMEOUT_S)

    assert world.provider.observe(world.target).exposure == split(0)
    assert not any("/proxy/" in path for _, path in world.server.calls)
