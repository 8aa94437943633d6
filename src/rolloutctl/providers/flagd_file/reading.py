"""One consistent read of the file: our flag, the shadow flag, and what they add up to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from json import JSONDecodeError
from typing import NamedTuple

from rolloutctl.clock import SystemClock
from rolloutctl.core.answers import Observation
from rolloutctl.core.exposure import Exposure, split
from rolloutctl.core.target import Target
from rolloutctl.errors import NotFound, Rejected
from rolloutctl.providers.flagd_file.document import Node, flags_of
from rolloutctl.providers.flagd_file.flag import SHADOW, Arms, Flag, read_flag, served
from rolloutctl.providers.flagd_file.place import real_path, spec_of
from rolloutctl.providers.flagd_file.writing import FileState, read_file

#: Reads until a file is found whole that somebody is saving in place.
READ_TRIES = 3
#: Seconds that an editor needs to finish such a save.
TORN_READ_PAUSE_S = 0.05


class Reading(NamedTuple):
    """The file as text, and the members of its `flags`."""

    state: FileState
    text: str
    flags: tuple[Node, ...]

    def nodes(self, name: str) -> list[Node]:
        """All members with this name; more than one only in a broken file."""
        return [node for node in self.flags if node.key == name]

    def flag(self, name: str) -> Flag:
        """The flag. Raises `NotFound` with near names."""
        nodes = self.nodes(name)
        if not nodes:
            raise NotFound(
                f"{self.state.path} has no flag {name!r}",
                hint=near_names(name, [node.key for node in self.flags], what="flags"),
            )
        return read_flag(self.text, nodes)


def near_names(name: str, known: Iterable[str], *, what: str) -> str:
    """The hint for a name that is not there: those that look like it, or what there is."""
    import difflib  # noqa: PLC0415 - only for this message

    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=3)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"its {what} are: {', '.join(names[:10]) or 'none'}{', …' if names[10:] else ''}"


def read_target(target: Target) -> Reading:
    """Reads the target's file. Raises `Rejected` with the position if it is not JSON.

    A file that somebody is just writing in place is read again, a few times.
    """
    path = real_path(target)
    for _ in range(READ_TRIES - 1):
        state = read_file(path)
        try:
            return parse_reading(state)
        except Rejected:
            SystemClock().sleep(TORN_READ_PAUSE_S)
            if state.is_current():
                raise
    return parse_reading(read_file(path))


def parse_reading(state: FileState) -> Reading:
    """Text and flags of a file's content. Raises `Rejected` with the position."""
    try:
        text = state.data.decode()
        return Reading(state=state, text=text, flags=flags_of(text))
    except UnicodeDecodeError as error:
        line = state.data.count(b"\n", 0, error.start) + 1
        raise Rejected(
            f"{state.path}:{line}: not UTF-8 text (byte {error.start})",
            hint="save the file as UTF-8",
        ) from error
    except JSONDecodeError as error:
        raise Rejected(
            f"{state.path}:{error.lineno}:{error.colno}: not a flag file: {error.msg}",
            hint="correct the file; running applications keep the flags they read before",
        ) from error


def arms_of(target: Target) -> Arms:
    """The target's variants."""
    return Arms(control=target.control.value, canary=target.canary.value)


class View(NamedTuple):
    """The two flags of a target in one reading."""

    reading: Reading
    arms: Arms
    flag: Flag
    shadow: Flag | None

    @property
    def parts(self) -> list[tuple[Flag, Arms]]:
        """The flags with the variants that count in each."""
        shadow = [(self.shadow, SHADOW)] if self.shadow else []
        return [(self.flag, self.arms), *shadow]

    @property
    def sources(self) -> tuple[str, str | None]:
        """The exact texts of the two flags: what a restore point keeps."""
        return self.flag.source, self.shadow.source if self.shadow else None

    @property
    def fingerprint(self) -> str:
        """SHA-256 over both texts: equal means that nobody edited either."""
        return hashlib.sha256(json.dumps(self.sources).encode()).hexdigest()

    @property
    def version(self) -> str:
        """Moves with every write of the file, ours or not."""
        return version_text(self.reading.state.mtime_ns, self.fingerprint)

    @property
    def exposure(self) -> tuple[Exposure | None, str]:
        """What is served, and a line where that is unsayable or surprising."""
        main = served(self.flag, self.arms)
        shadow = served(self.shadow, SHADOW) if self.shadow else None
        details = [each.detail for each in (main, shadow) if each and each.detail]
        details += [
            f"the key {key!r} stands twice" for flag, _ in self.parts for key in flag.duplicates
        ]
        shadow_bp = shadow.canary_bp if shadow else 0
        if main.canary_bp is None or shadow_bp is None:
            return None, "; ".join(details)
        return split(main.canary_bp, shadow_bp=shadow_bp), "; ".join(details)


def version_text(mtime_ns: int, fingerprint: str) -> str:
    """The token for compare-and-set."""
    return f"{mtime_ns}-{fingerprint[:16]}"


def view_of(reading: Reading, target: Target) -> View:
    """Builds the view. Raises `NotFound` for either flag."""
    return View(
        reading=reading,
        arms=arms_of(target),
        flag=reading.flag(spec_of(target).flag),
        shadow=reading.flag(target.shadow.flag) if target.shadow else None,
    )


def observation_of(view: View) -> Observation:
    """What is true of the target, said in the port's words."""
    exposure, detail = view.exposure
    flag, shadow = view.sources
    return Observation(
        at=SystemClock().now(),
        exposure=exposure,
        version=view.version,
        fingerprint=view.fingerprint,
        snapshot={"flag": flag, "shadow": shadow},
        detail=detail,
    )
