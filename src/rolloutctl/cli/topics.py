"""Short pages for the terminal, made from the tables that the program itself works by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rolloutctl.cli.wiring import catalog
from rolloutctl.core.message_events import MESSAGE_EVENTS
from rolloutctl.core.spec_fields import fields_of
from rolloutctl.errors import ExitCode
from rolloutctl.ui.table import table, wrapped

#: What each exit code means; the table of docs/exit-codes.md, in the fewest words.
EXIT_CODES: Mapping[ExitCode, str] = {
    ExitCode.DONE: "done as asked; also a rollback or kill that was asked for and is confirmed",
    ExitCode.BUG: "a bug in rolloutctl: report it",
    ExitCode.USAGE: "the command line cannot be obeyed",
    ExitCode.INVALID: "invalid playbook, setting or plan, or no such thing; nothing was touched",
    ExitCode.UNAUTHORIZED: "credentials missing, wrong or too weak",
    ExitCode.UNAVAILABLE: "a provider, source or the journal is unavailable or damaged",
    ExitCode.CONFLICT: "somebody else drives or edited it, or the verb does not fit the phase",
    ExitCode.PENDING: "needs a human or time: answer, or go on with start --id",
    ExitCode.JUDGED_BAD: "judged bad and rolled back, confirmed",
    ExitCode.INCONCLUSIVE: "inconclusive at the deadline; the weight is held, nobody watches it",
    ExitCode.TIMED_OUT: "timed out; the weight is held, nobody watches it",
    ExitCode.KILLED: "killed, confirmed",
    ExitCode.ROLLED_BACK: "rolled back by an operator or an interrupt, confirmed",
    ExitCode.STUCK: "STUCK: a rollback or kill is not confirmed; page somebody",
    ExitCode.INTERRUPTED: "interrupted, or answered with no; state is kept",
}
#: The environment that the program reads, secrets of playbooks aside.
ENVIRONMENT: Mapping[str, str] = {
    "ROLLOUTCTL_STORE": "the journal's file, where --store does not name one",
    "ROLLOUTCTL_RETENTION": "how long rollouts that ended are kept, such as 30d; off keeps all",
    "ROLLOUTCTL_LISTEN": "where agent answers /metrics, /healthz and /readyz",
    "ROLLOUTCTL_DEBUG": "1 shows the traceback of a bug",
    "NO_COLOR": "any value: no colours",
    "COLUMNS": "the width to write in",
    "GITHUB_STEP_SUMMARY": "start --auto appends its summary to this file",
    "SUDO_USER": "who called; the journal names them beside the account",
    "XDG_STATE_HOME": "where the journal's folder is by default",
}
_KILL = """\
Control for everybody, now, past plan and gates. Pick what you have:

  rolloutctl kill ROLLOUT            its targets to their control
  rolloutctl kill --playbook FILE    the playbook's targets
  rolloutctl kill ADDRESS --to ARM   one place, without any playbook or journal
  rolloutctl kill --all              every open rollout

An address is provider://place, such as flagd-file:///etc/flags.json#llm-model;
`status` shows those of your rollouts. --reason TEXT is recorded.

Exit 0: every target was read back at zero, twice. Exit 20: at least one is not
confirmed: look at the lines above, repair what stands in the way, and give the
same command again. Killing twice is safe."""
_FIRST = """\
A rollout goes in steps: each step states the whole exposure, holds, and is left
when its gates pass (and somebody approves, with `confirm: true`).

apiVersion: rolloutctl/v1
kind: Playbook
name: new-model
targets:
  llm:
    provider: flagd-file
    file: /etc/flags.json
    flag: llm
    control: gpt-4
    canary: claude
sources:
  prometheus: {url: "http://127.0.0.1:9090"}
defaults: {on_no_data: wait, on_error: wait, on_inconclusive: wait}
gates:
  errors:
    kind: threshold
    source: prometheus
    query: 'error_rate{arm="${canary.is}"}'
    fail: "> 5%"
steps:
  - {canary: 5%, hold: 1h, gates: [errors]}
  - {canary: 100%, hold: 1h, gates: [errors]}

rolloutctl init writes one with every line explained. Keys of the document:"""

_FURTHER = "; see the module's docstring."


@dataclass(frozen=True, slots=True)
class Topic:
    """One page: what it is about, and what makes its text for a width."""

    summary: str
    text: Callable[[int], str]


def _language(width: int) -> str:
    from rolloutctl.core.schema import build  # noqa: PLC0415 - this topic alone

    properties: Any = build(catalog())["properties"]
    rows = [(name, one.get("description", "")) for name, one in properties.items()]
    return f"{_FIRST}\n\n{table(('KEY', 'IS'), rows, width)}"


def _kinds(group: str, spec: str) -> Callable[[int], str]:
    """Every kind of a group with its keys, plug-ins included."""

    def text(width: int) -> str:
        known = catalog()
        return "\n\n".join(
            "\n".join(_kind(name, known.load(group, name), spec, width))
            for name in known.names(group)
        )

    return text


def _kind(name: str, cls: Any, spec: str, width: int) -> Iterator[str]:
    said = (cls.__doc__ or "").strip().partition("\n")[0]
    yield wrapped(f"{name}: {said.removesuffix(_FURTHER)}", width, indent="  ")
    keys = fields_of(getattr(cls, spec))
    if keys:
        rows = [(f"  {one.key}{' *' if one.is_required else ''}", one.doc) for one in keys]
        yield table(("  KEY", "IS"), rows, width)


def _exit_codes(width: int) -> str:
    rows = [(str(code.value), text) for code, text in EXIT_CODES.items()]
    return table(("CODE", "MEANS"), rows, width)


def _pairs(headers: tuple[str, str], pairs: Mapping[str, str]) -> Callable[[int], str]:
    return lambda width: table(headers, list(pairs.items()), width)


TOPICS: Mapping[str, Topic] = {
    "language": Topic("the playbook: a short one, and its keys", _language),
    "gates": Topic("every kind of gate and its keys (* required)", _kinds("gates", "Spec")),
    "steps": Topic("every kind of step and its keys", _kinds("steps", "Spec")),
    "providers": Topic(
        "what can be driven, and a target's keys", _kinds("providers", "TargetSpec")
    ),
    "sources": Topic("where numbers come from", _kinds("sources", "Spec")),
    "notifiers": Topic("who can be told, and how", _kinds("notifiers", "Spec")),
    "events": Topic("what notifiers hear of", _pairs(("EVENT", "TELLS"), MESSAGE_EVENTS)),
    "kill": Topic("the kill switch", lambda _: _KILL),
    "exit-codes": Topic("what a pipeline can tell outcomes apart by", _exit_codes),
    "environment": Topic("variables that are read", _pairs(("VARIABLE", "IS"), ENVIRONMENT)),
}
