"""How bad a schedule may get, what a seed stands for, and the playbook that is driven."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from rolloutctl.core.playbook import Gate, GateLimits, Limits, OnDrift, Playbook, Step
from rolloutctl.gates.threshold_spec import ThresholdSpec
from rolloutctl.steps.canary import CanarySpec
from rolloutctl.steps.run import Invocation, OnCrash, RunSpec
from rolloutctl.steps.shadow import ShadowSpec
from rolloutctl.steps.wait import WaitSpec
from worlds.rollouts import target

HOLD_S = 15.0
DEADLINE_S = 240.0
ROLLBACK_S = 120.0
#: No command takes longer: one whose driver died is over before it may be run again.
RUN_LIMIT_S = 60.0
VERBS = (
    "pause",
    "resume",
    "reapply",
    "promote",
    "override",
    "full",
    "rollback",
    "approve",
    "reject",
    "kill",
    "edit",
    "outside-kill",
    "undo-edit",
    "unfenced-kill",
)
WEATHER = ("good", "good", "good", "bad", "missing", "error", "floor-bad")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dials:
    """How bad a schedule may get. Everything else follows from `seed`."""

    seed: int
    targets: int = 1
    conditional: bool = False
    canary_before_bp: int = 0  # what the targets served before the rollout
    drivers: int = 1
    latency_s: float = 0.0
    fault_rate: float = 0.0
    crashes: int = 0
    stalls: int = 0
    journal_faults: int = 0
    confirm: bool = False
    on_drift: OnDrift = OnDrift.PAUSE
    run_s: float = 0.0  # how long the command of a `run` step takes; 0: no such step
    run_fails: bool = False
    run_again: bool = False  # `on_crash: rerun`
    acts: tuple[tuple[float, str], ...] = ()
    weather: tuple[tuple[float, str], ...] = ()


def dials_of(seed: int) -> Dials:
    """The dials that a seed stands for; small schedules are as likely as wild ones."""
    random = Random(seed)  # noqa: S311 - schedules are repeatable by their seed
    span_s = random.choice((60.0, 100.0, 160.0))
    acts = sorted(
        (round(random.uniform(0.0, span_s), random.choice((0, 3))), random.choice(VERBS))
        for _ in range(random.choice((0, 1, 1, 2, 2, 3, 5)))
    )
    weather = sorted(
        (round(random.uniform(0.0, span_s)), random.choice(WEATHER))
        for _ in range(random.choice((0, 1, 1, 2)))
    )
    return Dials(
        seed=seed,
        targets=random.choice((1, 1, 2)),
        conditional=random.random() < 0.4,
        canary_before_bp=random.choice((0, 0, 300)),
        drivers=random.choice((1, 1, 2)),
        latency_s=random.choice((0.0, 0.0, 0.05, 1.0)),
        fault_rate=random.choice((0.0, 0.05, 0.2, 0.5)),
        crashes=random.choice((0, 0, 1, 2, 4)),
        stalls=random.choice((0, 0, 1, 2, 4)),
        journal_faults=random.choice((0, 0, 0, 2)),
        confirm=random.random() < 0.3,
        on_drift=random.choice(tuple(OnDrift)),
        run_s=random.choice((0.0, 0.0, 1.0, 20.0, 50.0)),
        run_fails=random.random() < 0.2,
        run_again=random.random() < 0.5,
        acts=tuple(acts),
        weather=tuple(weather),
    )


def model_playbook(dials: Dials) -> Playbook:
    """Shadow, 5 %, perhaps a command, a wait, 100 %: every transition with few events."""
    names = ("llm", "prompt")[: dials.targets]
    limits = GateLimits(interval_s=10.0)

    def gate(name: str) -> Gate:
        spec = ThresholdSpec(query=name, fail="< 0.95")
        return Gate(name=name, kind="threshold", source="fake", spec=spec, limits=limits)

    def step(index: int, kind: str, spec: object) -> Step:
        is_wait = kind in {"wait", "run"}
        return Step(
            index=index,
            name=f"{kind}-{index}",
            kind=kind,
            spec=spec,
            targets=names,
            hold_s=0.0 if is_wait else HOLD_S,
            gates=() if is_wait else ("success",),
            confirm=dials.confirm and index == 1,
        )

    on_crash = OnCrash.RERUN if dials.run_again else OnCrash.ASK
    run = Invocation(command=("migrate",), timeout_s=RUN_LIMIT_S, on_crash=on_crash)
    entries: list[tuple[str, object]] = [
        ("shadow", ShadowSpec(shadow=1000)),
        ("canary", CanarySpec(canary=500, shadow=1000)),
        *([("run", RunSpec(run=run))] if dials.run_s else []),
        ("wait", WaitSpec(wait=5.0)),
        ("canary", CanarySpec(canary=10000)),
    ]
    return Playbook(
        name="model",
        document="{}",
        sha256="0" * 64,
        targets={name: target(name) for name in names},
        gates={"success": gate("success"), "floor": gate("floor")},
        guardrails=("floor",),
        steps=tuple(step(index, *entry) for index, entry in enumerate(entries)),
        on_drift=dials.on_drift,
        limits=Limits(deadline_s=DEADLINE_S, rollback_s=ROLLBACK_S, observe_s=10.0),
    )
