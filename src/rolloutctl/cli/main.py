"""The entry point: starts a command, and is the one place that makes exit codes.

A broken pipe (`rolloutctl list | head`) is silent and changes no exit code: the console
drops what nobody reads and the command goes on.
"""

from __future__ import annotations

import sys

from rolloutctl import __version__

TYPE_CHECKING = False  # `typing` itself would cost `--version` 3 ms; type checkers know the name
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rolloutctl.core.json_types import Json
    from rolloutctl.errors import ExitCode, RolloutctlError
    from rolloutctl.ui.console import Console

#: Objects allocated before the collector looks for cycles; Python's own is 700. Imports only
#: allocate what stays, so that looking costs 5 of the 55 ms of `import typer` (Python 3.11).
GC_THRESHOLD = 50_000
#: Commands whose data is all they do: lost data is their failure. The exit code of the others
#: says what became of the rollout, whoever reads it.
READING = frozenset({"list", "status", "explain", "schema", "lint", "plan"})
#: What the shells' completions ask with; not for people (`cli.completion.values`).
COMPLETE = "__complete"
#: Set to 1 to see the traceback of an uncaught error.
DEBUG_VARIABLE = "ROLLOUTCTL_DEBUG"


def main() -> None:
    """Runs `sys.argv` and exits."""
    if sys.argv[1:2] == ["--version"]:  # answered before anything is imported
        sys.stdout.write(f"rolloutctl {__version__}\n")
        return
    import gc  # noqa: PLC0415 - as above
    import os  # noqa: PLC0415 - same

    if sys.argv[1:2] == [COMPLETE]:
        _complete(sys.argv[2:], os.environ)
        return
    gc.set_threshold(GC_THRESHOLD)
    code = int(run(sys.argv[1:], os.environ))
    gc.freeze()  # the interpreter's own end would look for cycles in everything once more: 8 ms
    sys.exit(code)


def _complete(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Answers a shell at a TAB, or says nothing: an error has no place in a prompt."""
    from contextlib import suppress  # noqa: PLC0415 - as above

    from rolloutctl.cli.completion.values import answer  # noqa: PLC0415 - as above

    with suppress(Exception):
        answer(arguments, environ)


def run(words: Sequence[str], environ: Mapping[str, str]) -> ExitCode:
    """Runs one command line to its exit code; the only `except Exception` of the CLI."""
    from rolloutctl.errors import ExitCode, RolloutctlError  # noqa: PLC0415 - not for --version

    arguments = list(words)
    if arguments[:1] == ["--version"]:
        sys.stdout.write(f"rolloutctl {__version__}\n")
        return ExitCode.DONE
    try:
        return _unless_lost(_invoke(arguments), arguments)
    except RolloutctlError as error:
        _report(error, arguments)
        return error.exit_code
    except KeyboardInterrupt:
        _console().talk("interrupted")
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug becomes one line
        _report_bug(error, arguments, debug=environ.get(DEBUG_VARIABLE) == "1")
        return ExitCode.BUG


def _unless_lost(code: ExitCode, arguments: Sequence[str]) -> ExitCode:
    """The code, unless it praises a command that only reads and whose data got lost."""
    from rolloutctl.errors import ExitCode  # noqa: PLC0415 - as above

    if code is not ExitCode.DONE or not READING.intersection(arguments[:1]):
        return code
    from rolloutctl.ui.console import lost_data  # noqa: PLC0415 - as above

    return ExitCode.UNAVAILABLE if lost_data() else code


def output_wanted(arguments: Sequence[str]) -> str:
    """The `--output` of a command line that may not even parse; "table" if none."""
    words = list(arguments)
    for word, following in zip(words, [*words, ""][1:], strict=True):
        if word in ("--output", "-o"):
            return following
        if word.startswith("--output="):
            return word.partition("=")[2]
    return "table"


def _invoke(arguments: Sequence[str]) -> ExitCode:
    import typer  # noqa: PLC0415 - `--version` must not pay for it
    from typer.exceptions import TyperException  # noqa: PLC0415 - same

    from rolloutctl.cli.commands import build_app  # noqa: PLC0415 - same
    from rolloutctl.errors import ExitCode  # noqa: PLC0415 - same

    try:
        answer = build_app()(list(arguments), prog_name="rolloutctl", standalone_mode=False)
    except typer.Abort:
        _console().talk("interrupted")
        return ExitCode.INTERRUPTED
    except SystemExit:
        # With standalone_mode=False typer exits by itself only when help met a broken pipe.
        return ExitCode.DONE
    except TyperException as error:
        return _usage(error, arguments)
    return ExitCode(answer or 0)


def _usage(error: Exception, arguments: Sequence[str]) -> ExitCode:
    """A command line that typer could not parse: usage, what is wrong, exit 2."""
    context = getattr(error, "ctx", None)
    text = str(error)
    if not text.startswith("Usage:"):
        # An option without its value knows no context: its command is the first word.
        words = ["rolloutctl", *arguments[:1]]
        command = " ".join(words) if context is None else context.command_path
        said = getattr(error, "format_message", lambda: text)()
        text = f"error: {said}\n  hint: {command} --help"
    _console().talk(text)
    from rolloutctl.errors import ExitCode  # noqa: PLC0415 - as above

    return ExitCode.USAGE


def _report(error: RolloutctlError, arguments: Sequence[str]) -> None:
    from rolloutctl.cli.excerpt import line_of  # noqa: PLC0415 - errors only
    from rolloutctl.ui.messages import error_document, error_text  # noqa: PLC0415 - same

    _console().talk(error_text(error, line_of))
    _machine(error_document(error), arguments)


def _report_bug(error: Exception, arguments: Sequence[str], *, debug: bool) -> None:
    import traceback  # noqa: PLC0415 - bugs only

    from rolloutctl.ui.messages import bug_document, bug_text  # noqa: PLC0415 - same

    if debug:
        _console().talk("".join(traceback.format_exception(error)))
    _console().talk(bug_text(error))
    _machine(bug_document(error), arguments)


def _machine(document: Mapping[str, Json], arguments: Sequence[str]) -> None:
    wanted = output_wanted(arguments)
    if wanted in ("json", "ndjson", "yaml"):
        _console(wanted).document(document, str)


def _console(output: str = "table") -> Console:
    from rolloutctl.ui.console import Console, Output  # noqa: PLC0415 - `--version` needs none

    return Console(output=Output(output))


if __name__ == "__main__":
    main()
