"""Reads a playbook from a YAML file, and the files that it takes alerting rules from.

What the keys mean is `core.parse`'s matter.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from rolloutctl.core.parse import parse_playbook
from rolloutctl.core.parse_way_back import targets_of
from rolloutctl.core.playbook import Playbook, Target
from rolloutctl.core.ports import Catalog
from rolloutctl.errors import InvalidPlaybook, Problem
from rolloutctl.yaml_document import document_of, read


def load(
    path: str | os.PathLike[str],
    *,
    inputs: Mapping[str, str],
    env: Mapping[str, str],
    catalog: Catalog,
) -> Playbook:
    """The playbook in a file.

    Args:
        path: the file, shown in problems as it is given.
        inputs: values of `--input`.
        env: what `${env.X}` reads, usually the process's environment.
        catalog: the installed plug-ins.

    Raises:
        InvalidPlaybook: with every error of the file; also when it cannot be read.
    """
    playbook, problems = _parse(path, inputs=inputs, env=env, catalog=catalog)
    if playbook is None:
        raise InvalidPlaybook(tuple(one for one in problems if one.severity == "error"))
    return playbook


def targets(
    path: str | os.PathLike[str],
    *,
    inputs: Mapping[str, str],
    env: Mapping[str, str],
    catalog: Catalog,
) -> Mapping[str, Target]:
    """Only the targets of a file, for a kill: gates, sources and notifiers are not looked at.

    Args and meaning as in `load`.

    Raises:
        InvalidPlaybook: the file is not YAML, or a target cannot be understood.
    """
    file = os.fspath(path)
    return targets_of(read(file), file=file, catalog=catalog, inputs=inputs, env=env)


def lint(
    path: str | os.PathLike[str],
    *,
    inputs: Mapping[str, str],
    env: Mapping[str, str],
    catalog: Catalog,
) -> tuple[Problem, ...]:
    """Every error and warning of a file, in its order; empty if there is none.

    Args and meaning as in `load`; never raises for what is in the file.
    """
    return _parse(path, inputs=inputs, env=env, catalog=catalog)[1]


def _parse(
    path: str | os.PathLike[str],
    *,
    inputs: Mapping[str, str],
    env: Mapping[str, str],
    catalog: Catalog,
) -> tuple[Playbook | None, tuple[Problem, ...]]:
    from rolloutctl.rule_file import with_rules  # noqa: PLC0415 - where gates are read only

    file = os.fspath(path)
    root, told = document_of(file)
    if root is None:
        return None, told
    root, of_rules = with_rules(root, file=file)
    playbook, problems = parse_playbook(root, file=file, catalog=catalog, inputs=inputs, env=env)
    if not told and not of_rules:
        return playbook, problems
    if told or any(one.severity == "error" for one in of_rules):
        playbook = None
    own = [one for one in of_rules if one.file == file]
    elsewhere = [one for one in of_rules if one.file != file]
    here = sorted((*told, *own, *problems), key=lambda one: (one.line, one.column))
    return playbook, (*here, *elsewhere)
