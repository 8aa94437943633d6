"""`rolloutctl completions SHELL`: the script that makes a shell complete this command."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from rolloutctl.errors import ExitCode
from rolloutctl.ui.console import Console


class Shell(StrEnum):
    """A shell that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def run(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> ExitCode:
    """Print the script that makes a shell complete commands, rollouts, gates and addresses.

    The first lines of the script say where it goes.

    Example: source <(rolloutctl completions bash)
    """
    Console().data(script_for(shell).removesuffix("\n"))
    return ExitCode.DONE


def script_for(shell: Shell) -> str:
    """The script, as the folder `completions` of the repository has it."""
    from rolloutctl.cli.completion.bash import bash_script  # noqa: PLC0415 - one of three
    from rolloutctl.cli.completion.fish import fish_script  # noqa: PLC0415 - same
    from rolloutctl.cli.completion.tree import command_tree  # noqa: PLC0415 - imports every command
    from rolloutctl.cli.completion.zsh import zsh_script  # noqa: PLC0415 - same

    make = {Shell.BASH: bash_script, Shell.ZSH: zsh_script, Shell.FISH: fish_script}[shell]
    return make(command_tree())
