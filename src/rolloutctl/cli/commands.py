"""The table of commands, and the Typer group that imports one only when it is invoked."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

#: Typer keeps its vendored Command, Context and HelpFormatter private: nothing to name here.
Vendored = Any


class Entry(NamedTuple):
    """One command: the module and function behind it, and its line in the help."""

    name: str
    module: str
    summary: str


#: Sections of `--help`, in the order in which a rollout needs them.
SECTIONS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "To begin",
        (
            Entry("demo", "demo", "A whole rollout on this machine, in less than a minute."),
            Entry("advise", "advise", "Which strategy fits a change, and why."),
            Entry("init", "init", "Write a first playbook that passes lint."),
            Entry("help", "help", "The manual: language, gates, kill, exit codes, …"),
        ),
    ),
    (
        "Before a rollout",
        (
            Entry("lint", "lint", "Check playbooks: file:line:column, what is wrong, the fix."),
            Entry("doctor", "doctor", "Look whether everything is there that a rollout needs."),
            Entry("plan", "plan", "Show what would be written, where, in which order."),
            Entry("check", "check", "Judge the gates once, now, without a rollout."),
            Entry("verify", "verify", "Compare the exposure real SDKs see with the intended one."),
            Entry("simulate", "simulate", "Rehearse a rollout on a virtual clock, faults planted."),
            Entry("certify", "certify", "Measure how often the gates err, over many rehearsals."),
            Entry("backtest", "backtest", "Run the playbook over recorded metrics."),
            Entry("abtest", "abtest", "Size an A/B test; judge the counts of one."),
            Entry("schema", "schema", "Print the playbook's JSON Schema for editors."),
            Entry("completions", "completions", "Print the script for bash, zsh or fish."),
        ),
    ),
    (
        "A rollout",
        (
            Entry("start", "start", "Plan, confirm, and drive a rollout step by step."),
            Entry("status", "status", "Where it is, why it waits, what comes next."),
            Entry("watch", "watch", "Follow it until it is over: a live view, or a line a change."),
            Entry("list", "listing", "The rollouts of the journal."),
            Entry("wait", "wait", "Block until it is done or needs a human."),
            Entry("approve", "approve", "Answer the question of a step with yes."),
            Entry("reject", "reject", "Answer it with no: roll back."),
            Entry("promote", "promote", "End the hold now, if the gates pass."),
            Entry("pause", "pause", "Freeze the weight where it is."),
            Entry("resume", "resume", "Undo a pause."),
            Entry("rollback", "rollback", "Write the restore points back, verified."),
            Entry("abort", "rollback", "The same as rollback."),
            Entry("explain", "explain", "Every decision: query, numbers, threshold, reason."),
            Entry("report", "report", "Write it as one HTML file, or as Markdown."),
        ),
    ),
    (
        "The kill switch",
        (Entry("kill", "kill", "Control for everybody, now, past plan and gates."),),
    ),
    (
        "Unattended",
        (
            Entry("tick", "tick", "One pass over every rollout, then exit: for cron."),
            Entry("agent", "agent", "Drive every rollout whose lease is free."),
        ),
    ),
)

EPILOG = """\
Example:

  rolloutctl plan playbook.yaml
"""


def entries() -> dict[str, Entry]:
    """Every command by its name, in the order of the help."""
    return {entry.name: entry for _, section in SECTIONS for entry in section}


class LazyGroup(TyperGroup):
    """Knows its commands by name; imports the module of the one that is used."""

    def list_commands(self, ctx: Vendored) -> list[str]:
        """Names in the order of the help."""
        del ctx
        return list(entries())

    def get_command(self, ctx: Vendored, cmd_name: str) -> Vendored:
        """The command, built from its module's function."""
        del ctx
        entry = entries().get(cmd_name)
        return None if entry is None else build_command(entry)

    def resolve_command(self, ctx: Vendored, args: list[str]) -> Vendored:
        """The command that the first argument names, or a suggestion."""
        if args[0] not in entries() and not args[0].startswith("-"):
            from difflib import get_close_matches  # noqa: PLC0415 - typing errors only

            close = get_close_matches(args[0], list(entries()), n=1)
            meant = f" Did you mean {close[0]!r}?" if close else ""
            ctx.fail(f"No such command {args[0]!r}.{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Vendored, formatter: Vendored) -> None:
        """Sections of names and summaries, without importing any command."""
        del ctx
        width = max(len(name) for name in entries())
        for title, section in SECTIONS:
            with formatter.section(title):
                formatter.write_dl([(entry.name.ljust(width), entry.summary) for entry in section])

    def format_epilog(self, ctx: Vendored, formatter: Vendored) -> None:
        """The example, its line breaks kept."""
        del ctx
        formatter.write(f"\n{EPILOG}")


def build_command(entry: Entry) -> Vendored:
    """Imports a command's module and makes its function a command."""
    module = import_module(f"rolloutctl.cli.{entry.module}")
    if hasattr(module, "build_group"):  # a command with commands of its own
        return module.build_group()
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name=entry.name)(module.run)
    return typer.main.get_command(app)


def build_app() -> Vendored:
    """The whole command line."""
    app = typer.Typer(
        cls=LazyGroup,
        name="rolloutctl",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(rolloutctl)
    return typer.main.get_command(app)


def rolloutctl(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Change what production serves, one judged step at a time."""
    del version  # answered in `main` before typer is imported
