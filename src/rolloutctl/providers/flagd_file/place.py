"""Where a flag is: the target's own keys, and `flagd-file:///abs/path.json#flag`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from rolloutctl.core.target import Target
from rolloutctl.core.units import Name, doc
from rolloutctl.errors import Rejected, UsageError

SCHEME = "flagd-file"
_FORM = f"{SCHEME}:///path/to/flags.json#flag"
_YAML_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    """The keys of a `flagd-file` target."""

    file: str = doc("Absolute path of the flagd flag-definition file (JSON).")
    flag: Name = doc("Key of the flag in the file.")


def spec_of(target: Target) -> TargetSpec:
    """The target's own keys."""
    if not isinstance(target.spec, TargetSpec):
        raise TypeError(f"target {target.name} was not built for {SCHEME}")
    return target.spec


def real_path(target: Target) -> Path:
    """The file's real path, symlinks followed. Raises `Rejected` for a path we do not take."""
    spec = spec_of(target)
    for _, message, fix in spec_problems(spec):
        raise Rejected(f"target {target.name}: {message}", hint=fix)
    return Path(os.path.realpath(spec.file))


def spec_problems(spec: TargetSpec) -> Sequence[tuple[str, str, str]]:
    """Why we do not take the path: (key, message, fix) each.

    SAFETY: a relative path would name another file when the rollout is taken over from
    another working directory.
    """
    file = spec.file
    if not Path(file).is_absolute():
        absolute = Path(file).absolute()
        return (("file", f"{file!r} is a relative path", f"write the absolute path: {absolute}"),)
    if file.lower().endswith(_YAML_SUFFIXES):
        message = f"{file} is a YAML flag file; only JSON can be edited without losing its comments"
        return (("file", message, "convert the file to JSON; flagd reads both"),)
    return ()


def format_address(target: Target) -> str:
    """The address, equal for all names of one file."""
    path = quote_from_bytes(os.fsencode(real_path(target)))
    flag = quote_from_bytes(spec_of(target).flag.encode("utf-8", "surrogateescape"))
    return f"{SCHEME}://{path}#{flag}"


def parse_address(address: str) -> Mapping[str, str]:
    """Fields of `TargetSpec`. Raises `UsageError` with the right form."""
    rest = address.removeprefix(f"{SCHEME}://")
    place, mark, fragment = rest.partition("#")
    file = os.fsdecode(unquote_to_bytes(os.fsencode(place)))
    raw_flag = unquote_to_bytes(fragment.encode("utf-8", "surrogateescape"))
    flag = raw_flag.decode("utf-8", "surrogateescape")
    if rest == address or not mark or not flag or not file or "\0" in file:
        raise UsageError(f"{address!r} is not the address of a flag", hint=f"write {_FORM}")
    if not Path(file).is_absolute():
        raise UsageError(
            f"{address!r} has a relative path",
            hint=f"write {SCHEME}://{Path(file).absolute()}#{fragment}",
        )
    return {"file": file, "flag": flag}
