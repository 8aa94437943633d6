"""`rolloutctl help [TOPIC]`: a page of the manual, or a command's options."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated

import typer

from rolloutctl.cli.commands import build_app, entries
from rolloutctl.cli.topics import TOPICS
from rolloutctl.errors import ExitCode, NotFound
from rolloutctl.ui.console import Console


def run(
    topic: Annotated[str, typer.Argument(metavar="[TOPIC]", help="A topic or a command.")] = "",
) -> ExitCode:
    """Show a page of the manual, or the options of a command.

    Without a topic, the list of them. A word that is both a topic and a command is the topic;
    the command's options are `rolloutctl COMMAND --help`.

    Example: rolloutctl help exit-codes
    """
    console = Console()
    if not topic:
        width = max(len(name) for name in TOPICS)
        lines = [f"  {name.ljust(width)}  {one.summary}" for name, one in TOPICS.items()]
        console.data("\n".join(["rolloutctl help TOPIC:", "", *lines, "", "or a command's name"]))
    elif topic in TOPICS:
        console.data(TOPICS[topic].text(console.width))
        if topic in entries():
            console.talk(f"the options: rolloutctl {topic} --help")
    elif topic in entries():
        build_app()([topic, "--help"], prog_name="rolloutctl", standalone_mode=False)
    else:
        near = get_close_matches(topic, [*TOPICS, *entries()], n=1)
        raise NotFound(
            f"there is no topic and no command {topic!r}"
            + (f"; did you mean {near[0]}?" if near else ""),
            hint="rolloutctl help lists the topics, rolloutctl --help the commands",
        )
    return ExitCode.DONE
