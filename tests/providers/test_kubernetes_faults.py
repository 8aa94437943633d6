"""An API server that goes away, credentials that expire, a CRD that is removed: real command."""

from __future__ import annotations

import json
import threading
from itertools import pairwise

import pytest
import yaml

from e2e.real_command import Place, until
from providers.kubernetes_worlds import made
from rolloutctl.clock import SystemClock
from servers.kube import manifests as m
from servers.kube.http import KubeServer

pytestmark = pytest.mark.real

#: Long enough for several tries of a rollout that waits.
AWAY_S = 2.5
CONTEXT = "lab"
OLD, FRESH = "planted-token-that-expires-0001", "planted-token-that-is-fresh-0002"
GATEWAY_STEPS = "[{canary: 10%, hold: 1s}, {canary: 50%, hold: 1s}, {canary: 100%, hold: 1s}]"
PLAYBOOK = """apiVersion: rolloutctl/v1
kind: Playbook
name: faults
targets:
  chat:
    provider: kubernetes
    context: lab
    namespace: chat
    name: chat
    {target}
steps: {steps}
limits: {{deadline: 10m}}
"""
#: strategy -> (keys of the target, steps, plural of the object, what it says of the canary first)
WAYS = {
    "gateway": (
        "{strategy: gateway, control: chat-blue, canary: chat-green}",
        GATEWAY_STEPS,
        "httproutes",
    ),
    "service-switch": (
        "{strategy: service-switch, control: blue, canary: green}",
        "[{switch: canary, hold: 2s}]",
        "services",
    ),
}


class Lab:
    """One cluster that outlives its API server, and a folder with a playbook for it."""

    def __init__(self, folder, way, *, user=None):
        keys, steps, self.plural = WAYS[way]
        self.server = KubeServer()
        self.cluster, self.url = self.server.cluster, self.server.url
        hand = m.Hand(self.url)
        made(hand)
        backends = [
            {"name": "chat-blue", "port": 80, "weight": 100},
            {"name": "chat-green", "port": 80, "weight": 0},
        ]
        hand.create(m.httproute("chat", [{"name": "split", "backendRefs": backends}]))
        self.config = folder / "kubeconfig.yaml"
        document = m.kubeconfig(self.url)
        document["users"][0]["user"] = user or {}
        self.config.write_text(yaml.safe_dump(document))
        self.place = Place(folder, KUBECONFIG=str(self.config))
        target = "\n    ".join(keys.strip("{}").split(", "))
        self.place.playbook.write_text(PLAYBOOK.format(target=target, steps=steps))
        self.running = []

    def start(self):
        words = ("--auto", "--id", "r-1")
        self.running.append(self.place.spawn("start", self.place.playbook, *words))
        return self.running[-1]

    def go_away(self):
        """Connections are refused from now on; controllers and objects stay."""
        self.server.close(keep=True)

    def come_back(self):
        """The same cluster at the same address."""
        accounts = self.server.accounts
        self.server = KubeServer(self.cluster, port=self.server.server_port)
        self.server.accounts = accounts

    def be_away(self):
        self.go_away()
        SystemClock().sleep(AWAY_S)
        self.come_back()

    def canary(self):
        """The canary's share by the object itself."""
        return self.shares()[-1]

    def shares(self):
        """The canary's share after each version of the object, oldest first."""
        with self.cluster.lock:
            specs = [
                each[3]["spec"]
                for each in self.cluster.history
                if each[1] == self.plural and each[3]["metadata"]["name"] == "chat"
            ]
        if self.plural == "services":
            return [100 * (each["selector"]["version"] == "green") for each in specs]
        return [each["rules"][0]["backendRefs"][1]["weight"] for each in specs]

    def switches(self):
        """Shares without repetitions: every write that changed something, in order."""
        found = self.shares()
        return found[:1] + [new for old, new in pairwise(found) if new != old]

    def at_patch(self, event):
        """The event happens once, when our first patch of the object arrives."""

        def before(method, path):
            if method == "PATCH" and f"/{self.plural}/chat?" in path:
                self.server.before = None
                event()

        self.server.before = before

    def close(self):
        for each in self.running:
            each.stop()
        self.server.close()


@pytest.fixture
def lab(tmp_path):
    """Makes labs and ends them."""
    made_ones = []

    def make(way="gateway", **more):
        made_ones.append(Lab(tmp_path, way, **more))
        return made_ones[-1]

    yield make
    for each in made_ones:
        each.close()


WHOLE = {"gateway": [0, 10, 50, 100], "service-switch": [0, 100]}


@pytest.mark.parametrize("way", list(WAYS))
def test_a_server_that_is_away_in_a_hold_is_waited_for(lab, way):
    """Said while it lasts, gone on with when it is back: each share is written once."""
    found = lab(way)
    running = found.start()
    until(lambda: found.canary() > 0, "the canary is served")

    found.be_away()

    assert running.end() == 0, running.out + running.err
    assert found.switches() == WHOLE[way]


def test_a_server_that_is_away_is_named_while_it_is(lab):
    """What cannot be reached, and the question that a person would ask next."""
    found = lab()
    running = found.start()
    until(lambda: "observed canary 10%" in running.out, "the first step")

    found.go_away()
    until(lambda: "is the API server reachable" in running.out, "it is said")
    status = found.place.run("status", "r-1")
    found.come_back()

    assert running.end() == 0
    assert "canary 10%" in status.stdout
    assert "Traceback" not in running.err + status.stderr


@pytest.mark.parametrize(
    ("way", "has_landed"),
    [("gateway", False), ("service-switch", True)],
    ids=["not landed", "landed"],
)
def test_a_server_that_goes_away_at_the_very_write_is_asked_what_it_did(lab, way, has_landed):
    """The patch may have landed or not: it is read, and written once in all."""
    found = lab(way)

    def go():
        if has_landed:
            found.server.fault, found.server.fault_on = "lost-answer", frozenset({"PATCH"})
        else:
            found.server.is_stopping.set()
        threading.Thread(target=found.be_away, daemon=True).start()

    found.at_patch(go)

    running = found.start()

    assert running.end() == 0, running.out + running.err
    assert found.switches() == WHOLE[way]


def test_a_kill_waits_for_a_server_that_comes_back(lab):
    """Typed while the server is away, confirmed as soon as it answers."""
    found = lab("service-switch")
    running = found.start()
    until(lambda: found.canary() == 100, "green serves")
    found.go_away()
    killing = found.place.spawn("kill", "r-1", "--reason", "on call")
    found.running.append(killing)
    until(lambda: found.place.journal.exists() and killing.process.poll() is None, "it tries")

    SystemClock().sleep(AWAY_S)
    assert killing.process.poll() is None
    found.come_back()

    assert killing.end() == 0, killing.out + killing.err
    assert running.end() == 13
    assert found.canary() == 0


# -- credentials ----------------------------------------------------------------


def expire(found, folder):
    """The old token is refused from now on, and a fresh one lies where it came from."""
    (folder / "token").write_text(FRESH)
    found.server.accounts = {FRESH: None}


def token_file(folder):
    """A file that somebody else writes anew, as for a service account."""
    return {"tokenFile": str(folder / "token")}


def plug_in(folder):
    """A program that says the token, without saying until when it is good."""
    script = folder / "credentials.sh"
    status = json.dumps({"token": "TOKEN"})
    version = "client.authentication.k8s.io/v1"
    answer = f'{{"apiVersion":"{version}","kind":"ExecCredential","status":{status}}}'
    script.write_text(f"#!/bin/sh\nsed \"s/TOKEN/$(cat {folder}/token)/\" <<'END'\n{answer}\nEND\n")
    script.chmod(0o755)
    return {"exec": {"apiVersion": version, "command": str(script), "interactiveMode": "Never"}}


@pytest.mark.parametrize("user", [token_file, plug_in])
def test_a_token_that_expires_in_a_rollout_is_replaced_without_a_pause(lab, user, tmp_path):
    """The next call is refused, reads the credentials again and goes on."""
    (tmp_path / "token").write_text(OLD)
    found = lab(user=user(tmp_path))
    found.server.accounts = {OLD: None}
    running = found.start()
    until(lambda: found.canary() == 10, "the first step")

    expire(found, tmp_path)

    assert running.end() == 0, running.out + running.err
    assert found.switches() == WHOLE["gateway"]
    assert "paused" not in running.out
    said = running.out + running.err + found.place.run("log", "r-1").stdout
    assert OLD not in said
    assert FRESH not in said


def test_a_token_that_is_not_replaced_pauses_and_a_resumed_rollout_ends(lab, tmp_path):
    """Exit 8 and what to try; once somebody has logged in again nothing was lost."""
    (tmp_path / "token").write_text(OLD)
    found = lab(user=token_file(tmp_path))
    found.server.accounts = {OLD: None}
    running = found.start()
    until(lambda: "observed canary 10%" in running.out, "the first step")

    found.server.accounts = {FRESH: None}

    assert running.end() == 8, running.out + running.err
    assert "the credentials are wrong or expired: kubectl --context lab auth whoami" in running.out
    assert found.canary() == 10
    expire(found, tmp_path)
    assert found.place.run("resume", "r-1").returncode in {0, 8}
    assert found.start().end() == 0
    assert found.switches() == WHOLE["gateway"]


def test_a_kill_with_an_expired_token_says_who_it_is_not(lab, tmp_path):
    """It ends at once, with the exit code of a kill that is not confirmed."""
    (tmp_path / "token").write_text(OLD)
    found = lab("service-switch", user=token_file(tmp_path))
    found.server.accounts = {FRESH: None}

    killed = found.place.run("kill", "kubernetes://lab/chat/service-switch/chat", "--to", "blue")

    said = " ".join((killed.stdout + killed.stderr).split())
    assert killed.returncode in {4, 20}, said
    assert "401: Unauthorized" in said
    assert "auth whoami" in said
    assert OLD not in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 3", "process returned 3"),
        ("echo no JSON", "failed to decode process output"),
        (None, "No such file or directory"),
    ],
    ids=["fails", "says something else", "is not there"],
)
def test_a_credential_plug_in_that_fails_is_named_once(lab, script, why, tmp_path):
    """Not as a wrong token, and without the client's own lines on the terminal."""
    program = tmp_path / "broken.sh"
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    version = "client.authentication.k8s.io/v1"
    found = lab(
        user={"exec": {"apiVersion": version, "command": str(program), "interactiveMode": "Never"}}
    )

    ended = found.place.run("plan", found.place.playbook)

    said = " ".join((ended.stdout + ended.stderr).split())
    assert ended.returncode == 4, said
    assert "the credential plug-in of lab failed" in said
    assert said.count(why) == 1
    assert "ERROR:root" not in said
    assert "kubectl --context lab auth whoami" in said


# -- the CRD --------------------------------------------------------------------


def test_a_crd_that_is_removed_pauses_the_rollout_and_says_what_is_gone(lab):
    """The server answers 404 in plain text, not JSON; back again, the rollout can end."""
    found = lab()
    running = found.start()
    until(lambda: "observed canary 10%" in running.out, "the first step")

    found.cluster.crds.discard("httproutes")

    assert running.end() == 8, running.out + running.err
    assert "this cluster does not have that API: is its CRD installed?" in running.out
    assert "Traceback" not in running.err
    found.cluster.crds.add("httproutes")
    found.place.run("resume", "r-1")
    assert found.start().end() == 0
    assert found.switches() == WHOLE["gateway"]


@pytest.mark.parametrize("words", [("plan",), ("start", "--auto")], ids=["plan", "start"])
def test_a_cluster_without_the_crd_is_refused_before_anything_is_written(lab, words):
    """One message with the reason, exit 3."""
    found = lab()
    found.cluster.crds.discard("httproutes")

    ended = found.place.run(words[0], found.place.playbook, *words[1:])

    said = " ".join((ended.stdout + ended.stderr).split())
    assert ended.returncode == 3, said
    assert "is its CRD installed?" in said
    assert "Traceback" not in said


def test_a_cluster_that_does_not_answer_is_told_from_one_that_refuses(lab):
    """Exit 5: trying again may help."""
    found = lab()
    found.go_away()

    ended = found.place.run("plan", found.place.playbook)
    found.come_back()

    said = " ".join((ended.stdout + ended.stderr).split())
    assert ended.returncode == 5, said
    assert "is the API server reachable from here?" in said
