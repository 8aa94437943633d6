"""The provider `flagd-file`: observe, apply, restore and kill on a flag file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from json import JSONDecodeError
from typing import TYPE_CHECKING, ClassVar

from rolloutctl.clock import Deadline
from rolloutctl.core.answers import Capabilities, Observation, Receipt
from rolloutctl.core.exposure import CANARY, CONTROL, Exposure, describe
from rolloutctl.core.json_types import Json
from rolloutctl.core.target import Target
from rolloutctl.errors import Conflict, Rejected, RolloutctlError, Unavailable
from rolloutctl.providers.flagd_file import place
from rolloutctl.providers.flagd_file.document import Edit, children, edited
from rolloutctl.providers.flagd_file.flag import (
    SHADOW,
    edits_to_kill,
    edits_to_serve,
    read_flag,
    refusals,
)
from rolloutctl.providers.flagd_file.place import (
    TargetSpec,
    format_address,
    parse_address,
    real_path,
    spec_of,
    spec_problems,
)
from rolloutctl.providers.flagd_file.reading import (
    Reading,
    View,
    near_names,
    observation_of,
    parse_reading,
    read_target,
    version_text,
    view_of,
)
from rolloutctl.providers.flagd_file.writing import (
    FileState,
    Moved,
    folder_lock,
    replace,
)

if TYPE_CHECKING:
    from rolloutctl.core.observation import ArmCounts, Finding

#: The longest time between sending a write and its landing.
WRITE_TIMEOUT_S = 5.0
#: The SDKs look at the file's mtime every 500 ms by default (provider 0.6.1, `deadline_ms`).
PROPAGATION_S = 0.5
#: A kill waits this long for another writer's lock, then acts without it.
KILL_LOCK_WAIT_S = 1.0
#: A kill starts over this often when somebody else replaces the file under it.
KILL_TRIES = 20


class _Death:
    """What a kill will do to the text, and what it could not; filled part by part."""

    __slots__ = ("changed", "edits", "failure", "untouched")

    def __init__(self) -> None:
        self.edits: list[Edit] = []
        self.changed: list[str] = []
        self.untouched: list[str] = []
        self.failure: RolloutctlError | None = None


class FlagdFile:
    """Drives flags in a flagd flag-definition file; holds no state."""

    name: ClassVar[str] = "flagd-file"
    capabilities: ClassVar[Capabilities] = Capabilities(
        weight_step_bp=1,
        shadow=True,
        conditional_write=True,
        write_timeout_s=WRITE_TIMEOUT_S,
        propagation_s=PROPAGATION_S,
    )
    TargetSpec: ClassVar[type] = TargetSpec

    def problems(self, spec: place.TargetSpec) -> Sequence[tuple[str, str, str]]:
        """See `core.ports.problems_of`."""
        return spec_problems(spec)

    def address(self, target: Target) -> str:
        """See `Provider.address`."""
        return format_address(target)

    def parse_address(self, address: str) -> Mapping[str, str]:
        """See `Provider.parse_address`."""
        return parse_address(address)

    def probe(self, target: Target) -> Sequence[Finding]:
        """See `Provider.probe`."""
        from rolloutctl.providers.flagd_file.probing import findings  # noqa: PLC0415 - not on kill

        return findings(target)

    def observe(self, target: Target) -> Observation:
        """See `Provider.observe`."""
        return observation_of(view_of(read_target(target), target))

    def apply(
        self,
        target: Target,
        exposure: Exposure,
        *,
        key: str,  # noqa: ARG002 - the write states the whole exposure: idempotent by content
        expect: str | None,
        timeout_s: float,
    ) -> Receipt:
        """See `Provider.apply`."""

        def edits(view: View) -> list[Edit]:
            return _edits_to_apply(view, exposure, target)

        return _change(target, edits, describe(exposure), expect=expect, timeout_s=timeout_s)

    def restore(
        self,
        target: Target,
        snapshot: Json,
        *,
        key: str,  # noqa: ARG002 - as in apply
        expect: str | None,
        timeout_s: float,
    ) -> Receipt:
        """See `Provider.restore`."""

        def edits(view: View) -> list[Edit]:
            return _edits_to_restore(view, snapshot)

        what = "the flag's text of the restore point"
        return _change(target, edits, what, expect=expect, timeout_s=timeout_s)

    def kill(self, target: Target, *, timeout_s: float) -> Receipt:
        """See `Provider.kill`.

        Waits at most 1 s for another writer's lock, then acts without it and says so by
        `Receipt.unsettled_s`. Reads again only if the file is replaced under it.
        """
        deadline = Deadline(timeout_s)
        wait_s = min(KILL_LOCK_WAIT_S, timeout_s / 2)
        try:
            with folder_lock(real_path(target), wait_s=wait_s, is_kill=True) as holds_lock:
                return _kill(target, deadline, holds_lock=holds_lock)
        except Moved:
            raise Unavailable(
                f"{real_path(target)} kept being replaced by somebody else while it was killed"
                f" (at most {KILL_TRIES} tries in {timeout_s:g} s)",
                hint="stop what writes this file, then kill again",
            ) from None

    def sample(self, target: Target, units: int, *, timeout_s: float) -> ArmCounts:
        """See `Provider.sample`."""
        from rolloutctl.providers.flagd_file.sampling import sample  # noqa: PLC0415 - loads the SDK

        return sample(target, units, timeout_s=timeout_s)


def _change(
    target: Target,
    edits_for: Callable[[View], list[Edit]],
    what: str,
    *,
    expect: str | None,
    timeout_s: float,
) -> Receipt:
    """Reads, compares, edits and replaces under the lock; no write if nothing changes."""
    deadline = Deadline(timeout_s)
    path = real_path(target)
    with folder_lock(path, wait_s=timeout_s) as holds_lock:
        if not holds_lock:
            raise Unavailable(
                f"another process held the lock of {path}'s folder for {timeout_s:g} s;"
                " nothing was written",
                hint=f"see who: fuser -v {path.parent}",
            )
        view = view_of(read_target(target), target)
        _raise_if_moved(view, expect)
        edits = edits_for(view)
        if not edits:
            return Receipt(version=view.version)
        data = edited(view.reading.text, edits).encode()
        after = _checked(view.reading.state, data, target)
        try:
            written = replace(view.reading.state, data, deadline=deadline, holds_lock=True)
        except Moved:
            raise Conflict(
                f"{path} was edited while it was being changed; nothing was written",
                hint="look at the edit, then try again",
            ) from None
    return Receipt(version=version_text(written.st_mtime_ns, after.fingerprint), changed=what)


def _raise_if_moved(view: View, expect: str | None) -> None:
    if expect is None or expect == view.version:
        return
    is_ours = expect.partition("-")[2] != view.version.partition("-")[2]
    whose = "our flag in it" if is_ours else "another part of it"
    raise Conflict(
        f"{view.reading.state.path} was edited since it was read ({whose}); nothing was written",
        hint="look at the edit; rolloutctl reads the file again before its next write",
    )


def _checked(state: FileState, data: bytes, target: Target) -> View:
    """The edited text, read as any reader will: SAFETY, no broken file is ever written."""
    return view_of(parse_reading(FileState(path=state.path, data=data, stat=state.stat)), target)


def _edits_to_apply(view: View, exposure: Exposure, target: Target) -> list[Edit]:
    if exposure.audience is not None or exposure.include is not None:
        raise Rejected(
            "flagd-file cannot restrict a rollout to an audience or include a cohort",
            hint="remove `audience` and `include`, or use a flag service that has them",
        )
    strangers = [arm for arm, bp in exposure.weights if bp and arm not in {CONTROL, CANARY}]
    if strangers:
        raise Rejected(f"flagd-file serves two arms, not {', '.join(strangers)}")
    if exposure.shadow_bp and view.shadow is None:
        raise Rejected(
            f"target {target.name} names no shadow flag, so nothing can be mirrored",
            hint="add `shadow: {flag: NAME}` to the target",
        )
    wanted = [exposure.weight_bp(CANARY), exposure.shadow_bp]
    edits: list[Edit] = []
    for (flag, arms), canary_bp in zip(view.parts, wanted, strict=False):
        for refusal in refusals(flag, arms):
            raise Rejected(f"flag {flag.name!r}: {refusal.reason}", hint=refusal.fix)
        edits += edits_to_serve(flag, arms, canary_bp)
    return edits


def _edits_to_restore(view: View, snapshot: Json) -> list[Edit]:
    texts = snapshot if isinstance(snapshot, Mapping) else {}
    edits: list[Edit] = []
    for (flag, _), part in zip(view.parts, ("flag", "shadow"), strict=False):
        text = texts.get(part)
        if not isinstance(text, str) or not _is_object(text):
            raise Rejected(
                f"the restore point has no text for the {part} {flag.name!r}",
                hint="restore it from version control",
            )
        if text != flag.source:
            edits.append(Edit(start=flag.node.start, end=flag.node.end, text=text))
    return edits


def _is_object(text: str) -> bool:
    try:
        return text.startswith("{") and children(text, 0)[1] == len(text)
    except JSONDecodeError:
        return False


def _kill(target: Target, deadline: Deadline, *, holds_lock: bool) -> Receipt:
    for _ in range(KILL_TRIES):
        reading = read_target(target)
        death = _death_of(reading, target)
        data = edited(reading.text, death.edits).encode()
        after = parse_reading(
            FileState(path=reading.state.path, data=data, stat=reading.state.stat)
        )
        if death.failure and not death.edits:
            raise death.failure
        try:
            written = replace(reading.state, data, deadline=None, holds_lock=holds_lock)
        except Moved:
            if deadline.remaining_s <= 0:
                break
            continue
        if death.failure:
            raise death.failure
        return Receipt(
            version=_version_after(after, target, written.st_mtime_ns),
            changed="; ".join(death.changed) or "nothing to change; the file was written anew",
            untouched="; ".join(death.untouched),
            unsettled_s=0.0 if holds_lock else WRITE_TIMEOUT_S,
        )
    raise Moved


def _version_after(after: Reading, target: Target, mtime_ns: int) -> str:
    if target.shadow and not after.nodes(target.shadow.flag):
        return ""
    return version_text(mtime_ns, view_of(after, target).fingerprint)


def _death_of(reading: Reading, target: Target) -> _Death:
    """Edits for both flags; what stands in the way of one does not protect the other."""
    death = _Death()
    control = target.control.value
    name = spec_of(target).flag
    flag = reading.flag(name)
    if control in flag.variants:
        _add_death(death, reading, name, control)
    else:
        death.failure = Rejected(
            f"flag {name!r} has no variant {control!r}: it cannot be brought to it",
            hint=near_names(control, flag.variants, what="variants"),
        )
    shadow = target.shadow.flag if target.shadow else None
    if shadow and not reading.nodes(shadow):
        death.untouched.append(f"shadow: there is no flag {shadow!r}")
    elif shadow and SHADOW.control not in reading.flag(shadow).variants:
        death.untouched.append(f"shadow: {shadow} has no variant {SHADOW.control!r}")
    elif shadow:
        _add_death(death, reading, shadow, SHADOW.control)
    return death


def _add_death(death: _Death, reading: Reading, name: str, control: str) -> None:
    for node in reading.nodes(name):
        found = edits_to_kill(read_flag(reading.text, [node]), control)
        death.edits += found.edits
        death.changed += found.changed
        death.untouched += found.untouched
