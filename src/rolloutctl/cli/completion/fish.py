"""The completion script for fish; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rolloutctl.cli.completion.tree import ASKED, Argument, Takes

if TYPE_CHECKING:
    from rolloutctl.cli.completion.tree import Command, Option

_HEAD = r"""# fish completion for rolloutctl; made by `rolloutctl completions fish`.
# Once: rolloutctl completions fish > ~/.config/fish/completions/rolloutctl.fish

function __rolloutctl_asks
    set -l words (commandline -opc)
    set -l current (commandline -ct | string replace -r -- '^--[^=]+=' '')
    $words[1] __complete $argv[1] "$current" $words[2..-1] 2>/dev/null
end

function __rolloutctl_typed
    set -l words (commandline -opc)
    string match -v -- '-*' $words[2..-1]
end

function __rolloutctl_at
    set -l typed (__rolloutctl_typed)
    set -l wanted (count $argv)
    test (count $typed) -ge $wanted; and test "$typed[1..$wanted]" = "$argv"
end

function __rolloutctl_chooses
    set -l typed (__rolloutctl_typed)
    test "$typed" = "$argv"
end

complete -c rolloutctl -f
complete -c rolloutctl -n __rolloutctl_chooses -s h -l help -d 'Show the commands.'
complete -c rolloutctl -n __rolloutctl_chooses -l version -d 'Print the version.'
"""


def fish_script(commands: tuple[Command, ...]) -> str:
    """The whole script, ending with a line break."""
    return _HEAD + "\n".join(line for command in commands for line in _lines(command)) + "\n"


def _lines(command: Command) -> Iterator[str]:
    *before, name = command.path
    chooses = _quoted(" ".join(["__rolloutctl_chooses", *before]))
    yield f"complete -c rolloutctl -n {chooses} -a {name} -d {_quoted(command.summary)}"
    for inner in command.commands:
        yield from _lines(inner)
    at = _quoted(" ".join(["__rolloutctl_at", *command.path]))
    for option in command.options:
        yield f"complete -c rolloutctl -n {at}{_option(option)}"
    if not command.commands:
        for argument in command.arguments[:1]:
            yield f"complete -c rolloutctl -n {at}{_value(argument)}"


def _option(option: Option) -> str:
    names = "".join(
        f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}" for name in option.names
    )
    value = "" if option.is_flag else f" -x{_value(option)}"
    return f"{names} -d {_quoted(option.summary)}{value}"


def _value(value: Option | Argument) -> str:
    match value.takes:
        case Takes.CHOICE:
            return f" -a {_quoted(' '.join(value.choices))}"
        case Takes.FILE:
            return " -a '(__fish_complete_path (commandline -ct))'"
        case Takes.PLAYBOOK:
            return " -k -a '(__fish_complete_suffix .yaml; __fish_complete_suffix .yml)'"
        case Takes.FOLDER:
            return " -a '(__fish_complete_directories (commandline -ct))'"
        case asked if asked in ASKED:
            return f" -a '(__rolloutctl_asks {asked.value})'"
        case _:
            return ""


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
