"""`rolloutctl lint FILE…`: every problem of every playbook in one run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from rolloutctl.cli.excerpt import line_of
from rolloutctl.cli.options import InputOption, OutputOption, parse_inputs
from rolloutctl.cli.wiring import catalog
from rolloutctl.core.json_types import Json
from rolloutctl.errors import ExitCode, Problem
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.messages import API_VERSION, problem_text, problems_json, without_secrets

Files = Annotated[list[Path], typer.Argument(metavar="FILE…", help="Playbooks (YAML).")]


def run(files: Files, given: InputOption = None, output: OutputOption = Output.TABLE) -> ExitCode:
    """Check playbooks without touching anything.

    Exit 0 if there is no error (warnings are shown), 3 if there is one.

    Example: rolloutctl lint playbooks/*.yaml
    """
    from rolloutctl import playbook_file  # noqa: PLC0415 - YAML, where a playbook is read

    console = Console(output=output)
    inputs, known = parse_inputs(given), catalog()
    found = {
        str(file): playbook_file.lint(file, inputs=inputs, env=os.environ, catalog=known)
        for file in files
    }
    every = [problem for problems in found.values() for problem in problems]
    errors = sum(problem.severity == "error" for problem in every)
    if output is Output.NDJSON:
        for problem in problems_json(every):
            console.data_line(problem)
    else:
        console.document(_document(found, errors), lambda: _text(found))
    console.talk(_summary(len(files), errors, warnings=len(every) - errors))
    return ExitCode.INVALID if errors else ExitCode.DONE


def _document(found: dict[str, tuple[Problem, ...]], errors: int) -> dict[str, Json]:
    return {
        "apiVersion": API_VERSION,
        "kind": "Lint",
        "valid": errors == 0,
        "files": [
            {
                "file": file,
                "valid": all(problem.severity != "error" for problem in problems),
                "problems": problems_json(problems),
            }
            for file, problems in found.items()
        ],
    }


def _text(found: dict[str, tuple[Problem, ...]]) -> str:
    parts = []
    for file, problems in found.items():
        shown = without_secrets(line_of, problems)
        parts += [problem_text(problem, shown) for problem in problems]
        if not problems:
            parts.append(f"{file}: ok")
    return "\n".join(parts)


def _summary(files: int, errors: int, *, warnings: int) -> str:
    return f"{_count(files, 'file')}: {_count(errors, 'error')}, {_count(warnings, 'warning')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
