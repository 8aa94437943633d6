"""What each kind of step wants to be done."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from rolloutctl.core import effects
from rolloutctl.core.exposure import ZERO, Condition, Exposure, split
from rolloutctl.core.playbook import NotifierEntry, Playbook, Step
from rolloutctl.core.ports import Leave, Stay, StepContext, StepProgress
from rolloutctl.core.secret import SecretRef
from rolloutctl.steps.canary import Canary, CanarySpec
from rolloutctl.steps.cleanup import Action, Cleanup, CleanupSpec, OldSide
from rolloutctl.steps.deploy import Deploy, Deployed, DeploySpec
from rolloutctl.steps.notify import Announcement, Notify, NotifySpec
from rolloutctl.steps.run import HttpCall, Invocation, Method, OnCrash, Run, RunSpec
from rolloutctl.steps.shadow import Shadow, ShadowSpec
from rolloutctl.steps.switch import Side, Switch, SwitchSpec
from rolloutctl.steps.wait import Wait, WaitSpec

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BETA = (Condition(attribute="user.beta", values=(True,)),)
EUROPE = (Condition(attribute="region", values=("eu",)),)


def step_of(kind, spec, **changes):
    return Step(index=0, name=kind.name, kind=kind.name, spec=spec, targets=("a", "b"), **changes)


def context_of(kind, spec, exposures=None):
    playbook = Playbook(
        name="p",
        document="{}",
        sha256="",
        targets={},
        gates={},
        steps=(),
        notifiers={
            name: NotifierEntry(name=name, kind="webhook", spec=None) for name in ("team", "boss")
        },
    )
    return StepContext(
        playbook=playbook,
        step=step_of(kind, spec),
        exposures=exposures or {"a": ZERO, "b": ZERO},
    )


def progress():
    return StepProgress(applied_at=NOW, hold_ends_at=NOW, outputs=())


ALL = [
    (Shadow(), ShadowSpec(shadow=1000)),
    (Canary(), CanarySpec(canary=500)),
    (Switch(), SwitchSpec(switch=Side.CANARY)),
    (Deploy(), DeploySpec(deploy=Deployed.CANARY)),
    (Cleanup(), CleanupSpec(cleanup=OldSide.CONTROL)),
    (Wait(), WaitSpec(wait=60.0)),
    (Run(), RunSpec(run=Invocation(command=("true",)))),
    (Notify(), NotifySpec(notify="hello")),
]


@pytest.mark.parametrize(("kind", "spec"), ALL, ids=[kind.name for kind, _ in ALL])
def test_a_sound_step_has_no_problems_and_one_plan(kind, spec):
    """Planning twice gives the same, and in the end the step may be left."""
    context = context_of(kind, spec)

    assert kind.problems(spec, context.step) == ()
    assert kind.plan(spec, context) == kind.plan(spec, context)
    assert isinstance(kind.advance(spec, progress(), NOW + timedelta(hours=1)), Leave)


def test_a_canary_step_states_the_whole_exposure():
    """What it leaves out is off, on every target in order, control first."""
    spec = CanarySpec(canary=500, shadow=100, audience=EUROPE, include=BETA)

    plan = Canary().plan(spec, context_of(Canary, spec, {"a": split(100), "b": ZERO}))

    wanted = Exposure(
        weights=(("control", 9500), ("canary", 500)), shadow_bp=100, audience=EUROPE, include=BETA
    )
    assert plan == tuple(effects.Expose(target=name, exposure=wanted) for name in "ab")


def test_a_shadow_step_moves_only_the_mirrored_share():
    """Units that already get the canary keep it, on every target by itself."""
    spec = ShadowSpec(shadow=1000)
    exposures = {"a": split(500, audience=EUROPE, include=BETA), "b": ZERO}

    plan = Shadow().plan(spec, context_of(Shadow, spec, exposures))

    assert [effect.exposure for effect in plan] == [
        split(500, shadow_bp=1000, audience=EUROPE, include=BETA),
        split(0, shadow_bp=1000),
    ]


def test_a_wait_stays_until_its_time_is_over():
    """To the second, and it writes nothing."""
    spec = WaitSpec(wait=60.0)

    early = Wait().advance(spec, progress(), NOW + timedelta(seconds=59))
    late = Wait().advance(spec, progress(), NOW + timedelta(seconds=60))

    assert early == Stay(until=NOW + timedelta(seconds=60), because="waiting 1m")
    assert late == Leave(because="waited 1m")
    assert Wait().plan(spec, context_of(Wait, spec)) == ()


@pytest.mark.parametrize(
    ("command", "argv"),
    [(("sleep", "5"), ["sleep", "5"]), (" echo a | wc", ["sh", "-c", " echo a | wc"])],
)
def test_a_command_is_a_list_or_a_text_for_the_shell(command, argv):
    """Only a text goes through a shell."""
    spec = RunSpec(run=Invocation(command=command))

    plan = Run().plan(spec, context_of(Run, spec))

    assert Run().problems(spec, step_of(Run, spec)) == ()
    assert plan == (effects.Invoke(request={"command": argv}, timeout_s=60.0),)


def test_an_http_call_keeps_its_secrets_as_references():
    """The journal learns where a secret is, never what it is."""
    call = HttpCall(
        url="https://ci.example/hooks",
        method=Method.PUT,
        headers={
            "X-Plain": "yes",
            "Authorization": SecretRef(env="TOKEN"),
            "X-Key": SecretRef(file="/run/key"),
        },
        body="{}",
        expect_status=(202,),
    )
    spec = RunSpec(run=Invocation(http=call, timeout_s=5.0, on_crash=OnCrash.RERUN))

    (invoke,) = Run().plan(spec, context_of(Run, spec))

    assert Run().problems(spec, step_of(Run, spec)) == ()
    assert (invoke.timeout_s, invoke.rerun_on_crash) == (5.0, True)
    assert json.loads(json.dumps(invoke.request)) == {
        "http": {
            "method": "PUT",
            "url": "https://ci.example/hooks",
            "headers": {
                "X-Plain": "yes",
                "Authorization": {"env": "TOKEN"},
                "X-Key": {"file": "/run/key"},
            },
            "body": "{}",
            "expect_status": [202],
        }
    }


@pytest.mark.parametrize(
    ("notify", "notifiers", "message"),
    [
        ("canary at 5%", ("team", "boss"), "canary at 5%"),
        (Announcement(message="m"), ("team", "boss"), "m"),
        (Announcement(message="m", to=("boss",)), ("boss",), "m"),
    ],
)
def test_people_are_told_by_all_notifiers_or_by_those_named(notify, notifiers, message):
    """One effect, whoever gets it."""
    spec = NotifySpec(notify=notify)

    plan = Notify().plan(spec, context_of(Notify, spec))

    assert plan == (effects.Notify(notifiers=notifiers, message=message),)


URL = "https://ci.example/"


@pytest.mark.parametrize(
    ("kind", "spec", "words"),
    [
        (Shadow(), ShadowSpec(shadow=0), "mirrors nothing"),
        (Wait(), WaitSpec(wait=0.0), "does not wait"),
        (Run(), RunSpec(run=Invocation()), "nothing to run"),
        (Run(), RunSpec(run=Invocation(command=" ")), "nothing to run"),
        (Run(), RunSpec(run=Invocation(command="", http=None)), "nothing to run"),
        (Run(), RunSpec(run=Invocation(command=("",))), "nothing to run"),
        (Run(), RunSpec(run=Invocation(command="a", http=HttpCall(url=URL))), "a command and"),
        (Run(), RunSpec(run=Invocation(command="a", timeout_s=0.0)), "no time"),
        (Run(), RunSpec(run=Invocation(http=HttpCall(url="ftp://x"))), "no HTTP address"),
        (
            Run(),
            RunSpec(run=Invocation(http=HttpCall(url=URL, expect_status=(2,)))),
            "no HTTP status",
        ),
        (Notify(), NotifySpec(notify="  "), "nothing to say"),
    ],
)
def test_a_step_that_does_nothing_or_too_much_is_a_problem(kind, spec, words):
    """Each problem has a message and a fix."""
    ((_, message, fix),) = kind.problems(spec, step_of(kind, spec))

    assert words in message
    assert fix


def test_a_wait_has_one_time():
    """`hold` beside `wait` would be two."""
    spec = WaitSpec(wait=60.0)

    ((key, _, _),) = Wait().problems(spec, step_of(Wait, spec, hold_s=60.0))

    assert key == "hold"


def test_a_switch_gives_everybody_and_ends_the_mirroring():
    """Whole, to every target of the step, whatever was served before."""
    spec = SwitchSpec(switch=Side.CANARY)
    context = context_of(Switch(), spec, {"a": split(0, shadow_bp=1_000), "b": ZERO})

    plan = Switch().plan(spec, context)

    assert [(one.target, one.exposure) for one in plan] == [
        ("a", split(10_000)),
        ("b", split(10_000)),
    ]


def test_a_cleanup_asks_when_it_fails_and_may_be_done_twice():
    """Going back would not mend what it has done; once more is harmless."""
    spec = CleanupSpec(cleanup=OldSide.CONTROL)

    first, _ = Cleanup().plan(spec, context_of(Cleanup(), spec))

    assert effects.cleanup_in(first) == {
        "target": "a",
        "arm": "control",
        "action": "scale-to-zero",
    }
    assert first.asks_on_failure
    assert first.rerun_on_crash
    assert effects.cleanup_in(effects.Restore(target="a")) == {}


def test_a_deletion_needs_a_confirmation():
    """There is nothing to go back to; the other action says what it costs."""
    spec = CleanupSpec(cleanup=OldSide.CONTROL, action=Action.DELETE)

    ((key, _, fix),) = Cleanup().problems(spec, step_of(Cleanup(), spec))

    assert (key, "confirm: true" in fix) == ("action", True)
    assert Cleanup().problems(spec, step_of(Cleanup(), spec, confirm=True)) == ()
    assert "deleted" in Cleanup().remarks(spec)[0]
    assert "start the old side" in Cleanup().remarks(CleanupSpec(cleanup=OldSide.CONTROL))[0]
