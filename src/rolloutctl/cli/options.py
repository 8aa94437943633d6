"""Options that several commands share, spelt once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from rolloutctl.errors import UsageError
from rolloutctl.ui.console import Output


def never_empty(ctx: typer.Context, parameter: typer.CallbackParam, value: str) -> str:
    """SAFETY: an empty variable of a script must not mean "the only open rollout".

    Raises `UsageError` if it was typed; left out, it is empty too.
    """
    source = ctx.get_parameter_source(parameter.name or "")
    if not value and source is not None and source.name != "DEFAULT":
        raise UsageError(
            f"{parameter.human_readable_name} is empty",
            hint="an unset variable? leave it out to mean the only open rollout, or name one",
        )
    return value


PlaybookFile = Annotated[Path, typer.Argument(metavar="FILE", help="The playbook (YAML).")]
OneRollout = Annotated[
    str,
    typer.Argument(
        metavar="[ROLLOUT]",
        help="Its id, or how it begins. Default: the only open one.",
        callback=never_empty,
    ),
]
NamedRollout = Annotated[
    str,
    typer.Argument(metavar="ROLLOUT", help="Its id, or how it begins.", show_default=False),
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="Form of the data on stdout.")]
InputOption = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", metavar="KEY=VALUE", help="Sets an input; repeatable."),
]


def _named_in_hints(store: str) -> str:
    """From the first error on, also one before the journal is opened, hints name it."""
    from rolloutctl.ui.hints import name_store  # noqa: PLC0415 - with a store only

    if not store:
        name_store("")
        return store
    from rolloutctl.store.place import default_path  # noqa: PLC0415 - same

    try:
        name_store(str(default_path({}, store=store)))
    except UsageError:
        # SAFETY: whoever opens it says so; `kill ADDRESS` works without a journal.
        name_store("")
    return store


StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="FILE",
        callback=_named_in_hints,
        help="The journal's file. Default: $ROLLOUTCTL_STORE, else the platform's state directory.",
    ),
]
ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; recorded in the journal.")
]


def parse_limit(text: str, *, example: str) -> float:
    """Seconds of a `--timeout`. Raises `UsageError` for what is no duration."""
    from rolloutctl.core.units import parse_duration  # noqa: PLC0415 - not for `kill ADDRESS`

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--timeout {text}: {error}", hint=f"e.g. --timeout {example}") from error


def parse_inputs(pairs: Sequence[str] | None) -> dict[str, str]:
    """Parses `--input` values.

    Raises:
        UsageError: one is not KEY=VALUE, or a key is given twice.
    """
    inputs: dict[str, str] = {}
    for pair in pairs or ():
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise UsageError(
                f"--input {pair!r} is not KEY=VALUE", hint="e.g. --input environment=staging"
            )
        if key in inputs:
            raise UsageError(f"--input {key} is given twice", hint="give it once")
        inputs[key] = value
    return inputs
