"""`rolloutctl abtest`: plan an A/B test, and read its counts, without a rollout."""

from __future__ import annotations

from typing import Any

import typer

from rolloutctl.cli import abtest_analyze, abtest_size


def build_group() -> Any:  # Any: Typer's vendored Group, as in `cli.commands`
    """The command with its two sub-commands."""
    app = typer.Typer(
        name="abtest",
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(abtest)
    app.command("size")(abtest_size.run)
    app.command("analyze")(abtest_analyze.run)
    return typer.main.get_command(app)


def abtest() -> None:
    """Plan an A/B test, or judge the counts of one, without a rollout.

    Example: rolloutctl abtest size --baseline 10% --effect +5pp --traffic 3/s
    """
