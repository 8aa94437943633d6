"""What stands in the way of driving a flag file, and what its owner should know."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.playbook import Target
from rolloutctl.errors import NotFound, Rejected, RolloutctlError
from rolloutctl.providers.flagd_file.document import BOM
from rolloutctl.providers.flagd_file.flag import KNOWN_MEMBERS, Arms, Flag, refusals, served
from rolloutctl.providers.flagd_file.place import real_path
from rolloutctl.providers.flagd_file.reading import Reading, View, read_target, view_of
from rolloutctl.providers.flagd_file.targeting import Split
from rolloutctl.providers.flagd_file.writing import owner_of

_MOUNTS = Path("/proc/self/mountinfo")


def findings(target: Target) -> Sequence[Finding]:
    """Every finding at once; reads, writes nothing."""
    try:
        reading = read_target(target)
        view = view_of(reading, target)
    except (NotFound, Rejected) as error:
        return [_refuse(error)]
    found = [*_writability(reading), *_file_warnings(reading)]
    for flag, arms in view.parts:
        found += _flag_findings(flag, arms)
    if not any(each.severity is Severity.REFUSE for each in found):
        found += _good_news(view, target)
    return found


def _refuse(error: RolloutctlError) -> Finding:
    return Finding(severity=Severity.REFUSE, message=error.message, hint=error.hint)


def _warn(message: str, hint: str) -> Finding:
    return Finding(severity=Severity.WARN, message=message, hint=hint)


def _writability(reading: Reading) -> Iterator[Finding]:
    path = reading.state.path
    folder = path.parent
    if not os.access(folder, os.W_OK | os.X_OK | os.R_OK):
        yield Finding(
            severity=Severity.REFUSE,
            message=f"the folder {folder} is not writable ({owner_of(folder.stat())}),"
            " and the file is replaced by rename",
            hint="run rolloutctl as its owner, or give this user write access to the folder",
        )
    elif os.geteuid() not in {0, reading.state.stat.st_uid}:
        yield Finding(
            severity=Severity.REFUSE,
            message=f"{path} belongs to {owner_of(reading.state.stat)}:"
            " replacing it would change its owner",
            hint="run rolloutctl as that user",
        )


def _file_warnings(reading: Reading) -> Iterator[Finding]:
    path = reading.state.path
    if _is_mount_point(path):
        yield Finding(
            severity=Severity.REFUSE,
            message=f"{path} is a mount point of its own: it cannot be replaced atomically",
            hint="mount the folder that holds the file, not the single file",
        )
    if reading.text.startswith(BOM):
        yield _warn(
            f"{path} begins with a byte order mark: flagd's Python SDK refuses such a file",
            "save it as UTF-8 without one",
        )
    if reading.state.stat.st_nlink > 1:
        yield _warn(
            f"{path} has {reading.state.stat.st_nlink} names (hard links);"
            " only this one will have the new content",
            "use symlinks: they are followed",
        )


def _is_mount_point(path: Path) -> bool:
    """True for a bind-mounted file; proc(5) describes how mountinfo escapes names."""
    with suppress(OSError):
        escaped = str(path).replace("\\", "\\134").replace(" ", "\\040")
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        return any(line.split(" ")[4] == escaped for line in lines)
    return False


def _flag_findings(flag: Flag, arms: Arms) -> list[Finding]:
    found = [
        Finding(
            severity=Severity.REFUSE,
            message=f"flag {flag.name!r}: {refusal.reason}",
            hint=refusal.fix,
        )
        for refusal in refusals(flag, arms)
    ]
    detail = served(flag, arms)
    if not found and detail.canary_bp is None:
        found.append(Finding(severity=Severity.REFUSE, message=detail.detail, hint="correct it"))
    strange = sorted({member.key for member in flag.members} - KNOWN_MEMBERS)
    if strange:
        found.append(
            _warn(
                f"flag {flag.name!r} has the unknown key {', '.join(strange)}:"
                " flagd's Python SDK then refuses the whole file",
                "remove it, or move it into `metadata`",
            )
        )
    return found


def _good_news(view: View, target: Target) -> Iterator[Finding]:
    flag, arms = view.flag, view.arms
    rule = flag.targeting
    by = "the flag's key and targetingKey"
    if isinstance(rule, Split) and rule.bucketing is not None:
        by = "the flag's own bucketing expression"
    yield Finding(
        severity=Severity.OK,
        message=f"{real_path(target)}: flag {flag.name!r}, control {arms.control!r},"
        f" canary {arms.canary!r}, units bucketed by {by}",
    )
    yield _warn(
        f"units that cannot be bucketed (no targetingKey) get {arms.control!r}, the"
        " defaultVariant, which stays control: at 100% canary too",
        "give every evaluation a targetingKey; make the canary the defaultVariant yourself"
        " once the rollout is done",
    )
