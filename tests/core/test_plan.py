from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from rolloutctl.core.effects import Expose, Invoke, Notify
from rolloutctl.core.exposure import ZERO, Condition, split
from rolloutctl.core.observation import Capabilities, Finding, Observation, Severity
from rolloutctl.core.plan import TargetSeen, build
from rolloutctl.core.playbook import (
    Arm,
    Gate,
    GateLimits,
    Limits,
    Playbook,
    ShadowFlag,
    Step,
    Target,
)
from rolloutctl.core.ports import Kinds
from rolloutctl.errors import PlanRefused

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ABLE = Capabilities(shadow=True, audience=True, include=True)
BETA = (Condition(attribute="user.beta", values=(True,)),)


@dataclass(frozen=True)
class Spec:
    """Effects as they are to be planned."""

    effects: tuple


class Toy:
    """A step kind whose spec is its effects."""

    name = "toy"

    def plan(self, spec, context):
        """The spec's own effects, for the step's targets."""
        return [
            effect
            for effect in spec.effects
            if not isinstance(effect, Expose) or effect.target in context.step.targets
        ]


KINDS = Kinds(gates={}, steps={"toy": Toy()})


def target(name="llm", *, shadow=True):
    return Target(
        name=name,
        provider="flagd-file",
        spec=None,
        control=Arm(name="control", value="gpt-4"),
        canary=Arm(name="canary", value="claude"),
        shadow=ShadowFlag(flag="llm-shadow") if shadow else None,
    )


def step(*effects, index=0, targets=("llm",), **more):
    return Step(
        index=index, name=f"s{index}", kind="toy", spec=Spec(effects), targets=targets, **more
    )


def expose(exposure, name="llm"):
    return Expose(target=name, exposure=exposure)


def gate(name="floor", **limits):
    return Gate(name=name, kind="threshold", source="p", spec=None, limits=GateLimits(**limits))


def playbook(*steps, targets=(), gates=(), **more):
    every = targets or (target(),)
    return Playbook(
        name="claude-for-gpt4",
        document="{}",
        sha256="0" * 64,
        targets={one.name: one for one in every},
        gates={one.name: one for one in gates},
        steps=steps,
        **more,
    )


def seen(exposure=ZERO, *, address="flagd-file:///f.json#llm", can=ABLE, findings=(), detail=""):
    observation = Observation(
        at=NOW, exposure=exposure, version="1", fingerprint="f", snapshot={}, detail=detail
    )
    return TargetSeen(address=address, capabilities=can, observation=observation, findings=findings)


def plan_of(book, **observed):
    return build(book, KINDS, seen=observed or {"llm": seen()})


def messages(plan, severity):
    return [f.message for f in plan.findings if f.severity is severity]


def test_each_step_shows_what_it_changes_from_what_the_one_before_left():
    """The writes of the plan chain from the observation to the last step."""
    book = playbook(step(expose(split(500))), step(expose(split(2500)), index=1))

    plan = plan_of(book)

    assert [(w.before, w.after) for s in plan.steps for w in s.writes] == [
        (ZERO, split(500)),
        (split(500), split(2500)),
    ]


def test_the_least_duration_counts_holds_warm_up_and_passes_in_row():
    """A hold shorter than its gates need is not believed."""
    slow = gate(warm_up_s=180.0, consecutive_successes=3, interval_s=30.0)
    idle = gate("look", warm_up_s=9_000.0, observe_only=True)
    book = playbook(
        step(expose(split(500)), hold_s=60.0, gates=("floor", "look")),
        step(expose(split(2500)), index=1, hold_s=600.0, before=("floor",)),
        gates=(slow, idle),
    )

    plan = plan_of(book)

    assert [s.least_s for s in plan.steps] == [240.0, 840.0]
    assert plan.least_s == 1080.0


def test_other_effects_are_told_in_words():
    """A plan hides no command that would run and nobody that would be told."""
    book = playbook(
        step(Invoke(request={}, timeout_s=90.0), Notify(notifiers=("chat",), message="hello"))
    )

    plan = plan_of(book)

    assert plan.steps[0].others == ("runs a command or call (at most 1m30s)", "tells chat")


def test_a_quiet_plan_is_safe_and_shows_its_restore_points():
    """Without refusals the plan lets the start go on."""
    plan = plan_of(playbook(step(expose(split(500))), guardrails=("floor",), gates=(gate(),)))

    plan.raise_if_unsafe()

    assert plan.findings == ()
    assert plan.targets[0].observation.version == "1"


@pytest.mark.parametrize(
    ("exposure", "words"),
    [
        (split(500), "exposed already: canary 5%"),
        (split(0, shadow_bp=100), "exposed already: canary 0%, shadow 1%"),
        (split(0, include=BETA), "exposed already: canary 0%, include user.beta = true"),
        (None, "cannot be read as gpt-4 and claude: a third arm has weight"),
    ],
)
def test_a_target_that_is_not_at_control_for_everybody_is_refused(exposure, words):
    """A restore point that serves the canary would make rollback unsafe."""
    plan = plan_of(
        playbook(step(expose(split(500)))),
        llm=seen(exposure, detail="a third arm has weight" if exposure is None else ""),
    )

    with pytest.raises(PlanRefused, match=words) as caught:
        plan.raise_if_unsafe()

    assert caught.value.hint


def test_a_target_that_another_rollout_holds_is_that_rollouts_affair():
    """What is exposed there is its doing: it is named, and no kill of its target is."""
    held = replace(seen(split(500)), holder="new-checkout-x7k2")
    plan = plan_of(playbook(step(expose(split(2500)))), llm=held)

    (refused,) = plan.refusals

    assert "is being changed by the open rollout new-checkout-x7k2" in refused.message
    assert "rolloutctl status new-checkout-x7k2" in refused.hint
    assert "kill" not in refused.hint


def test_a_target_that_could_not_be_observed_is_refused_once():
    """Not knowing what is there is a refusal, and its reason is said one time."""
    why = Finding(severity=Severity.REFUSE, message="the flag does not exist", hint="create it")
    blind = replace(seen(), observation=None)

    told = plan_of(playbook(step(expose(split(500)))), llm=replace(blind, findings=(why,)))
    silent = plan_of(playbook(step(expose(split(500)))), llm=blind)

    assert messages(told, Severity.REFUSE) == ["the flag does not exist"]
    assert "could not be observed" in messages(silent, Severity.REFUSE)[0]
    assert [w.after for one in told.steps for w in one.writes] == [split(500)]


@pytest.mark.parametrize(
    ("can", "exposure", "words"),
    [
        (replace(ABLE, weight_step_bp=100), split(50), "weights come in steps of 1%"),
        (replace(ABLE, shadow=False), split(0, shadow_bp=100), "cannot do shadow"),
        (replace(ABLE, audience=False), split(100, audience=BETA), "cannot do audience"),
        (replace(ABLE, include=False), split(100, include=BETA), "cannot do include"),
    ],
)
def test_what_the_provider_cannot_do_is_refused(can, exposure, words):
    """Capabilities are checked before the run, not met in the middle of it."""
    plan = plan_of(playbook(step(expose(exposure))), llm=seen(can=can))

    assert any(words in message for message in messages(plan, Severity.REFUSE))


def test_a_share_off_the_grid_is_answered_with_its_neighbours():
    """The refusal says which weights would work."""
    plan = plan_of(
        playbook(step(expose(split(250)))), llm=seen(can=replace(ABLE, weight_step_bp=100))
    )

    assert plan.refusals[0].hint == "write 2% or 3%"


def test_mirroring_without_a_shadow_flag_is_refused():
    """A shadow share that nobody asks for would mirror nothing, silently."""
    book = playbook(step(expose(split(0, shadow_bp=1000))), targets=(target(shadow=False),))

    plan = plan_of(book)

    assert "names no shadow flag" in messages(plan, Severity.REFUSE)[0]


def test_two_targets_at_one_address_are_refused():
    """Two targets writing one flag would undo each other."""
    book = playbook(step(expose(split(500))), targets=(target("a"), target("b")), guardrails=())
    book = replace(book, steps=(step(targets=("a", "b")),))

    plan = plan_of(book, a=seen(), b=seen())

    assert "targets a and b are the same thing" in messages(plan, Severity.REFUSE)[0]


def test_a_deadline_shorter_than_the_steps_is_refused():
    """A rollout that must time out does not begin."""
    book = playbook(step(expose(split(500)), hold_s=7200.0), limits=Limits(deadline_s=3600.0))

    plan = plan_of(book)

    assert "at least 2h, the deadline is 1h" in messages(plan, Severity.REFUSE)[0]


def test_a_long_rollout_is_warned_of_nobody_watching():
    """SIGKILL cannot be obeyed; the plan says what watches on."""
    plan = plan_of(playbook(step(expose(split(500)), hold_s=3600.0)))

    assert any("nobody watches it" in message for message in messages(plan, Severity.WARN))
    plan.raise_if_unsafe()


def test_a_step_without_any_acting_gate_is_called_blind():
    """A gate that only observes protects nobody."""
    book = playbook(
        step(expose(split(500)), gates=("look",)), gates=(gate("look", observe_only=True),)
    )

    guarded = replace(book, guardrails=("floor",), gates={**book.gates, "floor": gate()})

    assert any("is blind" in message for message in messages(plan_of(book), Severity.WARN))
    assert messages(plan_of(guarded), Severity.WARN) == []


def test_refusals_come_before_warnings_and_are_counted_when_many():
    """The message of a refused plan stays readable however much is wrong."""
    notes = tuple(
        Finding(severity=severity, message=f"{severity} {number}")
        for severity in (Severity.OK, Severity.WARN, Severity.REFUSE)
        for number in range(7)
    )
    plan = plan_of(playbook(step(), limits=Limits()), llm=seen(findings=notes))

    assert [f.severity for f in plan.findings[:7]] == [Severity.REFUSE] * 7
    with pytest.raises(PlanRefused, match="refuse 4; and 2 more"):
        plan.raise_if_unsafe()
