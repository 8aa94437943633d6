"""The whole command line as data: commands, options, and what their values can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rolloutctl.cli.commands import build_command, entries
from rolloutctl.cli.topics import TOPICS


class Takes(StrEnum):
    """What a value can be completed with; the last ones by asking rolloutctl itself."""

    NOTHING = "nothing"
    CHOICE = "choice"
    FILE = "file"
    PLAYBOOK = "playbook"
    FOLDER = "folder"
    ROLLOUT = "rollout"
    SUBJECT = "subject"  # a rollout, or the address of a target
    GATE = "gate"
    GATE_VALUE = "gate-value"  # GATE=
    INPUT = "input"  # KEY=
    TARGET = "target"
    ARM = "arm"
    SOURCE = "source"


#: Those that only a running rolloutctl knows.
ASKED = frozenset(
    {
        Takes.ROLLOUT,
        Takes.SUBJECT,
        Takes.GATE,
        Takes.GATE_VALUE,
        Takes.INPUT,
        Takes.TARGET,
        Takes.ARM,
        Takes.SOURCE,
    }
)
#: By what an argument or option is called in its usage.
_BY_METAVAR = {
    "ROLLOUT": Takes.ROLLOUT,
    "[ROLLOUT]": Takes.ROLLOUT,
    "[ROLLOUT | ADDRESS]": Takes.SUBJECT,
    "TARGET": Takes.TARGET,
    "FILE…": Takes.PLAYBOOK,
    "[FILE]": Takes.PLAYBOOK,
    "KEY=VALUE": Takes.INPUT,
    "GATE=VALUE": Takes.GATE_VALUE,
    "ARM": Takes.ARM,
    "DIR": Takes.FOLDER,
    "ID": Takes.ROLLOUT,
    "[TOPIC]": Takes.CHOICE,
}
#: Where the usage is not enough.
_BY_OPTION = {
    "--gate": Takes.GATE,
    "--fault": Takes.GATE_VALUE,
    "--source": Takes.SOURCE,
    "--playbook": Takes.PLAYBOOK,
    "--store": Takes.FILE,
    "--against": Takes.ROLLOUT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option. `names` begins with the long one; `is_flag`: it takes no value."""

    names: tuple[str, ...]
    summary: str
    is_flag: bool
    is_repeatable: bool
    takes: Takes
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One positional argument; `is_many` takes the rest of the line."""

    name: str
    takes: Takes
    is_many: bool
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: `path` is what is typed after `rolloutctl`."""

    path: tuple[str, ...]
    summary: str
    options: tuple[Option, ...] = ()
    arguments: tuple[Argument, ...] = ()
    commands: tuple[Command, ...] = ()


def command_tree() -> tuple[Command, ...]:
    """Every command, in the order of the help; imports all of them."""
    return tuple(
        _command((name,), entry.summary, build_command(entry)) for name, entry in entries().items()
    )


def walk(commands: tuple[Command, ...]) -> Iterator[Command]:
    """Commands and the commands in them."""
    for command in commands:
        yield command
        yield from walk(command.commands)


def _command(
    path: tuple[str, ...], summary: str, built: Any
) -> Command:  # typer's own types are private
    inner = getattr(built, "commands", None) or {}
    options, arguments = [], []
    for parameter in built.params:
        if parameter.name == "help":
            continue
        if parameter.param_type_name == "option":
            options.append(_option(parameter))
        else:
            arguments.append(_argument(parameter))
    options.append(
        Option(
            names=("--help", "-h"),
            summary="Show the options and an example.",
            is_flag=True,
            is_repeatable=False,
            takes=Takes.NOTHING,
        )
    )
    return Command(
        path=path,
        summary=summary,
        options=tuple(options),
        arguments=tuple(arguments),
        commands=tuple(
            _command((*path, name), _first_line(one.help), one) for name, one in inner.items()
        ),
    )


def _option(parameter: Any) -> Option:  # typer's own types are private
    names = tuple(sorted(parameter.opts, key=len, reverse=True))
    choices = _choices(parameter)
    takes = _BY_OPTION.get(names[0]) or _takes(parameter, choices)
    return Option(
        names=names,
        summary=_first_line(parameter.help),
        is_flag=bool(parameter.is_flag),
        is_repeatable=bool(parameter.multiple),
        takes=Takes.NOTHING if parameter.is_flag else takes,
        choices=choices,
    )


def _argument(parameter: Any) -> Argument:  # typer's own types are private
    choices = _choices(parameter)
    takes = _takes(parameter, choices)
    if takes is Takes.FILE:
        takes = Takes.PLAYBOOK
    name = (parameter.metavar or parameter.name).strip("[]…").lower()
    return Argument(name=name, takes=takes, is_many=parameter.nargs != 1, choices=choices)


def _choices(parameter: Any) -> tuple[str, ...]:  # typer's own types are private
    if parameter.metavar == "[TOPIC]":
        return (*TOPICS, *entries())
    return tuple(str(one) for one in getattr(parameter.type, "choices", None) or ())


def _takes(parameter: Any, choices: tuple[str, ...]) -> Takes:  # typer's own types are private
    if choices:
        return Takes.CHOICE
    found = _BY_METAVAR.get(parameter.metavar or "")
    if found is not None:
        return found
    is_path = type(parameter.type).__name__.endswith("Path")
    return Takes.FILE if is_path else Takes.NOTHING


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
