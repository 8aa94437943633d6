"""The completion script for bash; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from shlex import quote
from typing import TYPE_CHECKING

from rolloutctl.cli.completion.tree import Takes, walk

if TYPE_CHECKING:
    from rolloutctl.cli.completion.tree import Command, Option

#: Works in bash 3.2 (macOS) and later. The line is split at spaces, not at bash's own word
#: breaks: an address has colons. What is offered is cut to what bash replaces, as
#: bash-completion's __ltrim_colon_completions does.
_TEMPLATE = r"""# bash completion for rolloutctl; made by `rolloutctl completions bash`.
# Once: rolloutctl completions bash > ~/.local/share/bash-completion/completions/rolloutctl
# Or in ~/.bashrc: source <(rolloutctl completions bash)

_rolloutctl_takes() {
    takes='' choices=''
    case "$1 $2" in
@OPTIONS@
        *) return 1 ;;
    esac
}

_rolloutctl_argument() {
    takes='' choices='' many=''
    case "$1" in
@ARGUMENTS@
    esac
}

_rolloutctl_offer() {
    local value
    while IFS= read -r value; do
        value=${value%%$'\t'*}
        [[ $value == "$cur"* ]] && COMPREPLY+=("$prefix$value")
    done
}

_rolloutctl_complete() {
    case "$takes" in
        choice) _rolloutctl_offer < <(printf '%s\n' $choices) ;;
        file | folder | playbook)
            compopt -o filenames 2>/dev/null
            local path
            while IFS= read -r path; do
                [[ -d $path || $takes == file ]] && COMPREPLY+=("$prefix$path")
                [[ $takes == playbook && ! -d $path && ($path == *.yaml || $path == *.yml) ]] &&
                    COMPREPLY+=("$prefix$path")
            done < <(compgen -f -- "$cur")
            ;;
        nothing | '') ;;
        *)
            _rolloutctl_offer < <(
                "${words[0]}" __complete "$takes" "$cur" "${words[@]:1}" 2>/dev/null
            )
            ;;
    esac
}

_rolloutctl() {
    local line=${COMP_LINE:0:COMP_POINT} words cur prefix='' path='' option='' takes choices many
    COMPREPLY=()
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=('')
    local last=$((${#words[@]} - 1)) given=0 i
    cur=${words[last]}
    for ((i = 1; i < last; i++)); do
        case "$path/${words[i]}" in
            @PATHS@) path="$path/${words[i]}"; given=0 ;;
            *)
                if [[ ${words[i]} == -* ]]; then
                    [[ ${words[i]} != *=* ]] && _rolloutctl_takes "$path" "${words[i]}" && ((i++))
                else
                    ((given++))
                fi
                ;;
        esac
    done
    if [[ $cur == --*=* ]]; then
        option=${cur%%=*} prefix="$option=" cur=${cur#*=}
    elif ((last > 1)) && [[ ${words[last - 1]} == -* ]]; then
        option=${words[last - 1]}
    fi
    if [[ -n $option ]] && _rolloutctl_takes "$path" "$option"; then
        _rolloutctl_complete
    elif [[ $cur == -* ]]; then
        case "$path" in
@NAMES@
        esac
    else
        _rolloutctl_argument "$path"
        [[ $given -eq 0 || -n $many ]] && _rolloutctl_complete
    fi
    # After an equals sign comes more; and bash replaces from its last word break only.
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
    local whole=$prefix$cur head=''
    [[ $whole == *[:=]* ]] && head=${whole%"${whole##*[:=]}"}
    for i in "${!COMPREPLY[@]}"; do
        COMPREPLY[i]=${COMPREPLY[i]#"$head"}
    done
}

complete -F _rolloutctl rolloutctl
"""


def bash_script(commands: tuple[Command, ...]) -> str:
    """The whole script, ending with a line break."""
    every = list(walk(commands))
    paths = "|".join("/" + "/".join(command.path) for command in every)
    fills = {
        "@PATHS@": paths,
        "@OPTIONS@": "\n".join(_options(every)),
        "@ARGUMENTS@": "\n".join(_arguments(commands, every)),
        "@NAMES@": "\n".join(_names(every)),
    }
    script = _TEMPLATE
    for mark, text in fills.items():
        script = script.replace(mark, text)
    return script


def _options(every: Iterable[Command]) -> Iterator[str]:
    """What each option's value is, where it takes one; equal ones on one line."""
    grouped: dict[str, list[str]] = {}
    for command in every:
        path = "/" + "/".join(command.path)
        for option in command.options:
            if not option.is_flag:
                words = [f'"{path} {name}"' for name in option.names]
                grouped.setdefault(_says(option.takes, option.choices), []).extend(words)
    for says, words in grouped.items():
        yield f"        {' | '.join(words)})\n            {says} ;;"


def _arguments(commands: tuple[Command, ...], every: Iterable[Command]) -> Iterator[str]:
    names = tuple(command.path[-1] for command in commands)
    yield f"        '')\n            {_says(Takes.CHOICE, names)} ;;"
    for command in every:
        path = "/" + "/".join(command.path)
        if command.commands:
            inner = tuple(one.path[-1] for one in command.commands)
            yield f"        {path})\n            {_says(Takes.CHOICE, inner)} ;;"
        elif command.arguments:
            one = command.arguments[0]
            many = " many=1" if one.is_many else ""
            yield f"        {path}) {_says(one.takes, one.choices)}{many} ;;"


def _says(takes: Takes, choices: tuple[str, ...]) -> str:
    return f"takes={takes.value}" + (f" choices={quote(' '.join(choices))}" if choices else "")


def _names(every: Iterable[Command]) -> Iterator[str]:
    yield "            '') _rolloutctl_offer < <(printf '%s\\n' --help --version) ;;"
    for command in every:
        path = "/" + "/".join(command.path)
        names = " ".join(_long(option) for option in command.options)
        offer = f"_rolloutctl_offer < <(printf '%s\\n' {names}) ;;"
        yield f"            {path})\n                {offer}"


def _long(option: Option) -> str:
    return option.names[0]
