"""Where the journal lies: the option, then the environment, then the platform's place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rolloutctl.errors import UsageError

#: The environment variable that places the journal.
STORE_VARIABLE = "ROLLOUTCTL_STORE"
_FILE_NAME = "journal.db"


def default_path(env: Mapping[str, str], *, store: str = "") -> Path:
    """The journal's absolute path; touches no disk.

    Args:
        env: the process's environment.
        store: the value of `--store`; empty if it was not given.

    Raises:
        UsageError: the path starts with `~` and there is no such home.
    """
    for origin, text in _named(env, store):
        if text:
            return _expanded(text, origin)
    # platformdirs is imported here because a placed journal does not need it.
    from platformdirs import user_state_path  # noqa: PLC0415 - 5 ms that --store saves

    return user_state_path("rolloutctl", appauthor=False) / _FILE_NAME


def is_placed(env: Mapping[str, str], *, store: str = "") -> bool:
    """Whether somebody said where it lies; otherwise it is the platform's place."""
    return any(text for _, text in _named(env, store))


def _named(env: Mapping[str, str], store: str) -> tuple[tuple[str, str], ...]:
    return (("--store", store), (STORE_VARIABLE, env.get(STORE_VARIABLE, "")))


def _expanded(text: str, origin: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(
            f"{origin} {text}: there is no such home directory",
            hint="write the whole path of the journal file",
        ) from error
