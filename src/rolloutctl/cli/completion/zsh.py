"""The completion script for zsh; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rolloutctl.cli.completion.tree import ASKED, Argument, Takes

if TYPE_CHECKING:
    from rolloutctl.cli.completion.tree import Command, Option

_TEMPLATE = r"""#compdef rolloutctl
# zsh completion for rolloutctl; made by `rolloutctl completions zsh`.
# Once: rolloutctl completions zsh > "${fpath[1]}/_rolloutctl", then a new shell
# Or in ~/.zshrc after compinit: source <(rolloutctl completions zsh)

_rolloutctl_asks() {
    local line value
    local -a found
    local -a ask=("$_rolloutctl_line[1]" __complete "$1" "$PREFIX" "${(@)_rolloutctl_line[2,-1]}")
    for line in "${(@f)$("${(@)ask}" 2>/dev/null)}"; do
        [[ -n $line ]] || continue
        value=${line%%$'\t'*}
        if [[ $line == *$'\t'* ]]; then
            found+=("${value//:/\\:}:${line#*$'\t'}")
        else
            found+=("${value//:/\\:}")
        fi
    done
    if [[ $1 == gate-value || $1 == input ]]; then
        _describe -t values "$1" found -S ''
    else
        _describe -t values "$1" found
    fi
}

@FUNCTIONS@
_rolloutctl() {
    local curcontext="$curcontext" state
    local -a line commands _rolloutctl_line
    typeset -A opt_args
    _rolloutctl_line=("${(@Q)words[1,CURRENT-1]}")
    _arguments -C \
        '(- *)'{-h,--help}'[Show the commands.]' \
        '(- *)--version[Print the version.]' \
        '1:command:->command' \
        '*::argument:->argument'
    case $state in
        command)
            commands=(
@COMMANDS@
            )
            _describe -t commands 'command' commands
            ;;
        argument)
            (( $+functions[_rolloutctl_$words[1]] )) && _rolloutctl_$words[1]
            ;;
    esac
}

if [[ $funcstack[1] == _rolloutctl ]]; then
    _rolloutctl "$@"
else
    compdef _rolloutctl rolloutctl
fi
"""


def zsh_script(commands: tuple[Command, ...]) -> str:
    """The whole script, ending with a line break."""
    functions = "\n".join(text for command in commands for text in _functions(command))
    described = "\n".join(f"                {_quoted(_described(command))}" for command in commands)
    return _TEMPLATE.replace("@FUNCTIONS@", functions).replace("@COMMANDS@", described)


def _functions(command: Command) -> Iterator[str]:
    """A function for each command, and for each command in it."""
    for inner in command.commands:
        yield from _functions(inner)
    name = "_rolloutctl_" + "_".join(command.path)
    if command.commands:
        described = "\n".join(f"        {_quoted(_described(one))}" for one in command.commands)
        yield (
            f"{name}() {{\n"
            "    local state\n    local -a line commands\n"
            "    _arguments -C '1:command:->command' '*::argument:->argument'\n"
            f"    commands=(\n{described}\n    )\n"
            "    case $state in\n"
            "        command) _describe -t commands 'command' commands ;;\n"
            f"        argument) (( $+functions[{name}_$words[1]] )) && {name}_$words[1] ;;\n"
            "    esac\n}\n"
        )
        return
    specs = [spec for option in command.options for spec in _option(option)]
    specs += [_argument(one) for one in command.arguments]
    lines = " \\\n        ".join(specs)
    yield f"{name}() {{\n    _arguments -s \\\n        {lines}\n}}\n"


def _option(option: Option) -> Iterator[str]:
    """A spec for each name; one of them given, none is offered again, unless it repeats."""
    names = " ".join(option.names)
    before = "*" if option.is_repeatable else f"({names})"
    for name in option.names:
        assign = "=" if not option.is_flag and name.startswith("--") else ""
        value = "" if option.is_flag else f":{_what(option.takes)}:{_action(option)}"
        yield _quoted(f"{before}{name}{assign}[{_escaped(option.summary)}]{value}")


def _argument(argument: Argument) -> str:
    place = "*" if argument.is_many else "1"
    return _quoted(f"{place}:{_escaped(argument.name)}:{_action(argument)}")


def _action(value: Option | Argument) -> str:
    match value.takes:
        case Takes.CHOICE:
            return f"({' '.join(value.choices)})"
        case Takes.FILE:
            return "_files"
        case Takes.PLAYBOOK:
            return '_files -g "*.y(a|)ml(-.)"'
        case Takes.FOLDER:
            return "_files -/"
        case asked if asked in ASKED:
            # The space keeps _arguments from adding options of its own to the call.
            return f" _rolloutctl_asks {asked.value}"
        case _:
            return " "


def _what(takes: Takes) -> str:
    return "value" if takes in {Takes.NOTHING, Takes.CHOICE} else takes.value


def _described(command: Command) -> str:
    name = command.path[-1].replace(":", r"\:")
    return f"{name}:{command.summary}"


def _escaped(text: str) -> str:
    for character in ("\\", "[", "]", ":"):
        text = text.replace(character, "\\" + character)
    return text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
