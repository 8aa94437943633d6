"""One read of a flag and its shadow flag, and what they add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rolloutctl.clock import Deadline
from rolloutctl.core.exposure import Exposure
from rolloutctl.core.json_types import Json
from rolloutctl.core.target import Target
from rolloutctl.errors import NotFound
from rolloutctl.providers.launchdarkly.api import READ_TIMEOUT_S, Api
from rolloutctl.providers.launchdarkly.configuration import (
    Configuration,
    Flag,
    digest,
    parse_flag,
)
from rolloutctl.providers.launchdarkly.place import (
    Arms,
    Names,
    arms_of,
    context_kind_of,
    flags_of,
    spec_of,
)
from rolloutctl.providers.launchdarkly.serving import Served, served
from rolloutctl.providers.launchdarkly.shaping import Maker

#: What the parts of a snapshot are called.
PARTS = ("flag", "shadow")


class FlagView(NamedTuple):
    """One flag in the target's environment."""

    flag: Flag
    arms: Arms
    maker: Maker

    def served(self, *, strict: bool) -> Served:
        """What applications get."""
        kind = self.maker.context_kind
        return served(self.flag, self.flag.found, self.arms, kind=kind, strict=strict)


class View(NamedTuple):
    """The flag of a target and, if it has one, its shadow flag; read one after the other."""

    flags: tuple[FlagView, ...]

    @property
    def fingerprint(self) -> str:
        """Equal as long as nobody changed whom the environment serves what."""
        return fingerprint_of([view.flag.found for view in self.flags])

    @property
    def version(self) -> str:
        """LaunchDarkly counts every change of the flag's environment."""
        return "/".join(str(view.flag.version) for view in self.flags)

    @property
    def snapshot(self) -> Json:
        """What `restore` writes back."""
        pairs = zip(PARTS, self.flags, strict=False)
        return {name: view.flag.found.as_json(with_ids=True) for name, view in pairs}

    def exposure(self, *, strict: bool) -> tuple[Exposure | None, str]:
        """What is served, and a line where that is unsayable or surprising."""
        parts = [view.served(strict=strict) for view in self.flags]
        pairs = zip(self.flags, parts, strict=True)
        detail = "; ".join(f"{view.flag.key}: {part.detail}" for view, part in pairs if part.detail)
        shadow_bp: int | None = 0
        if len(parts) > 1:
            shadow = parts[1]
            is_for_all = shadow.audience is None or not shadow.canary_bp
            shadow_bp = shadow.canary_bp if is_for_all and shadow.include is None else None
        if shadow_bp is None:
            return None, detail or f"{self.flags[1].flag.key}: it is for some contexts only"
        return parts[0].exposure(shadow_bp), detail


def fingerprint_of(configurations: Sequence[Configuration]) -> str:
    """The hash over the configurations of a target's flags, ids of rules excluded.

    A rule that somebody removed is made anew by a restore, with another id.
    """
    return digest([each.as_json(with_ids=False) for each in configurations])


def read_target(
    target: Target, *, deadline: Deadline | None = None, needs_canary: bool = False
) -> View:
    """Reads both flags. Raises mapped errors; `NotFound` for a flag or environment."""
    limit = deadline or Deadline(READ_TIMEOUT_S)
    views = []
    for key, names in flags_of(target):
        facts = read_facts(target, key, deadline=limit)
        views.append(view_of(target, facts, names, needs_canary=needs_canary))
    return View(flags=tuple(views))


def view_of(
    target: Target, facts: Mapping[str, object], names: Names, *, needs_canary: bool
) -> FlagView:
    """The answer of the API as a view. Raises `Rejected` for arms that it does not have."""
    flag = parse_flag(facts, spec_of(target).environment)
    arms = arms_of(flag.variations, names, flag.key, needs_canary=needs_canary)
    return FlagView(flag=flag, arms=arms, maker=maker_for(target))


def read_facts(
    target: Target, flag: str, *, deadline: Deadline, expand: str = ""
) -> Mapping[str, object]:
    """The API's whole answer for one flag in the target's environment."""
    api, environment = Api(spec_of(target)), spec_of(target).environment
    query = {"env": environment} | ({"expand": expand} if expand else {})
    facts = api.get(api.flag_path(flag), query, timeout_s=min(deadline.remaining_s, READ_TIMEOUT_S))
    environments = facts.get("environments") if isinstance(facts, Mapping) else None
    if not isinstance(facts, Mapping) or not isinstance(environments, Mapping):
        raise NotFound(f"{flag}: the answer is not a flag", hint="check the target's url")
    if environment not in environments:
        raise NotFound(
            f"flag {flag} has no environment {environment!r}",
            hint=f"check environment and project ({spec_of(target).project})",
        )
    return facts


def maker_for(target: Target) -> Maker:
    """What new rollouts of the flag bucket by."""
    return Maker(context_kind_of(target), spec_of(target).bucket_by)
