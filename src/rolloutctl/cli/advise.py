"""`rolloutctl advise`: which strategy fits a change, compared with the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli.options import OutputOption
from rolloutctl.cli.starter.asking import ask_choice
from rolloutctl.cli.starter.strategies import (
    TRAITS,
    Advice,
    Back,
    Change,
    Goal,
    Situation,
    advise,
)
from rolloutctl.errors import ExitCode, UsageError
from rolloutctl.ui.console import Console, Output, Style
from rolloutctl.ui.messages import API_VERSION
from rolloutctl.ui.table import table, wrapped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rolloutctl.core.json_types import Json

#: A strategy's playbook in the folder `playbooks/`, where there is one to read.
READY = {
    "shadow-canary": "unleash-model-canary.yaml",
    "canary": "quickstart.yaml",
    "ab-test": "ab-test.yaml",
    "blue-green": "kubernetes-blue-green.yaml",
    "blue-green-canary": "kubernetes-blue-green-canary.yaml",
}
_CHANGES = (
    (Change.MODEL, "a language model, or its version"),
    (Change.PROMPT, "a prompt"),
    (Change.FEATURE, "a feature that users see"),
    (Change.CONFIG, "a configuration"),
    (Change.SERVICE, "a version of a service"),
    (Change.INFRASTRUCTURE, "what it runs on"),
)
_GOALS = (
    (Goal.SAFE, "that it does no harm"),
    (Goal.BETTER, "that users, or the business, are better off"),
    (Goal.SWITCH, "only that it runs: users see no difference"),
)
_BACKS = (
    (Back.MINUTES, "minutes are fine: few users have it by then"),
    (Back.SECONDS, "everybody, in seconds"),
)


def run(
    *,
    change: Annotated[
        Change | None, typer.Option("--change", help="What is changed.", show_default=False)
    ] = None,
    goal: Annotated[
        Goal | None, typer.Option("--goal", help="What must be known first.", show_default=False)
    ] = None,
    mirror: Annotated[
        bool | None,
        typer.Option(
            "--mirror/--no-mirror",
            help="Requests may be answered twice, the second answer unseen.",
            show_default=False,
        ),
    ] = None,
    back: Annotated[
        Back | None,
        typer.Option("--back", help="How fast everybody must be back.", show_default=False),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Say which strategy fits a change, why, and how to begin. Reads and writes nothing.

    Asks at a terminal for what is not given. Elsewhere --change and --goal must be; the rest is
    --no-mirror and --back minutes.

    Example: rolloutctl advise --change model --goal safe --mirror
    """
    console = Console(output=output)
    situation = _situation(console, change, goal, mirror=mirror, back=back)
    advice = advise(situation)
    console.document(_document(situation, advice), lambda: _text(advice, console))
    return ExitCode.DONE


def _situation(
    console: Console,
    change: Change | None,
    goal: Goal | None,
    *,
    mirror: bool | None,
    back: Back | None,
) -> Situation:
    if console.can_ask:
        change = change or ask_choice(console, "what is changed?", _CHANGES, Change.MODEL)
        goal = goal or ask_choice(console, "what must be known first?", _GOALS, Goal.SAFE)
        if mirror is None and goal is Goal.SAFE:
            question = "may requests be answered twice, the second answer unseen? (yes, no) [no]: "
            console.talk(question)
            mirror = console.answer().strip().lower() in {"y", "yes"}
        if back is None and goal is not Goal.BETTER:
            back = ask_choice(console, "how fast must everybody be back?", _BACKS, Back.MINUTES)
    if change is None or goal is None:
        missing = "--change" if change is None else "--goal"
        raise UsageError(
            f"{missing} is missing, and there is no terminal to ask at",
            hint="e.g. rolloutctl advise --change model --goal safe --mirror",
        )
    return Situation(change=change, goal=goal, can_mirror=bool(mirror), back=back or Back.MINUTES)


def _text(advice: Advice, console: Console) -> str:
    width = console.width
    rows = [
        (
            ">" if one is advice.strategy else " ",
            one.value,
            traits.risk,
            traits.speed,
            traits.cost,
            traits.feedback,
            traits.way_back,
        )
        for one, traits in TRAITS.items()
    ]
    headers = ("", "STRATEGY", "RISK", "SPEED", "COST", "FEEDBACK", "WAY BACK")
    traits = TRAITS[advice.strategy]
    lines = [
        table(headers, rows, width),
        "",
        console.styled(f"take {advice.strategy}: {traits.summary}", Style.BOLD),
        wrapped(f"because {advice.because}", width),
        *(wrapped(f"- {one}", width, indent="  ") for one in advice.heed),
        "",
        f"begin:  rolloutctl init --strategy {advice.strategy}",
    ]
    if advice.strategy.value in READY:
        lines.append(f"read:   playbooks/{READY[advice.strategy.value]}")
    return "\n".join(lines)


def _document(situation: Situation, advice: Advice) -> Mapping[str, Json]:
    return {
        "apiVersion": API_VERSION,
        "kind": "Advice",
        "change": situation.change.value,
        "goal": situation.goal.value,
        "mirror": situation.can_mirror,
        "back": situation.back.value,
        "strategy": advice.strategy.value,
        "because": advice.because,
        "heed": list(advice.heed),
        "playbook": READY.get(advice.strategy.value),
        "strategies": {
            one.value: {
                "summary": traits.summary,
                "risk": traits.risk,
                "speed": traits.speed,
                "cost": traits.cost,
                "feedback": traits.feedback,
                "way_back": traits.way_back,
            }
            for one, traits in TRAITS.items()
        },
    }
