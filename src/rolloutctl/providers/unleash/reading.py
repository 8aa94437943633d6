"""One read of a flag and its shadow flag, and what they add up to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rolloutctl.clock import Deadline
from rolloutctl.core.exposure import Exposure
from rolloutctl.core.json_types import Json
from rolloutctl.core.target import Target
from rolloutctl.errors import NotFound, Rejected
from rolloutctl.providers.unleash.api import READ_TIMEOUT_S, Api
from rolloutctl.providers.unleash.configuration import (
    Configuration,
    digest,
    parse_configuration,
)
from rolloutctl.providers.unleash.place import (
    Arms,
    flags_of,
    spec_of,
    stickiness_of,
)
from rolloutctl.providers.unleash.serving import served
from rolloutctl.providers.unleash.weighing import Maker


class FlagView(NamedTuple):
    """One flag in the target's environment.

    `facts` is the whole answer of the API, `around` what it says of the environment beside the
    configuration: release plans and safeguards.
    """

    flag: str
    arms: Arms
    found: Configuration
    facts: Mapping[str, object]
    maker: Maker
    around: Mapping[str, object]

    @property
    def release_plan(self) -> str:
        """The release plan that moves the flag at present: Unleash's own automation, enterprise.

        Source: `releasePlanSchema` in the server's OpenAPI description, 8.2.0.
        """
        plans = self.around.get("releasePlans")
        for each in plans if isinstance(plans, list) else []:
            if isinstance(each, Mapping) and each.get("activeMilestoneId"):
                return str(each.get("name") or "without a name")
        return ""


class View(NamedTuple):
    """The flag of a target and, if it has one, its shadow flag; read one after the other."""

    flags: tuple[FlagView, ...]

    @property
    def fingerprint(self) -> str:
        """Equal as long as nobody changed what the environment says of either flag."""
        return fingerprint_of([view.found for view in self.flags])

    @property
    def version(self) -> str:
        """Moves whenever the configuration does, ids of strategies included."""
        return digest([view.found.as_json(with_ids=True) for view in self.flags])[:24]

    @property
    def snapshot(self) -> Json:
        """What `restore` writes back."""
        names = ("flag", "shadow")
        return {
            name: view.found.as_json(with_ids=True)
            for name, view in zip(names, self.flags, strict=False)
        }

    @property
    def exposure(self) -> tuple[Exposure | None, str]:
        """What is served, and a line where that is unsayable or surprising."""
        for view in self.flags:
            if view.found.enabled and view.release_plan:
                # SAFETY: strategies of its milestones need not be among those that can be read.
                why = f"{view.flag}: the release plan {view.release_plan!r} drives it"
                return None, why
        parts = [served(view.found, view.arms) for view in self.flags]
        pairs = zip(self.flags, parts, strict=True)
        detail = "; ".join(f"{view.flag}: {part.detail}" for view, part in pairs if part.detail)
        shadow_bp: int | None = 0
        if len(parts) > 1:
            shadow = parts[1]
            is_for_all = shadow.audience is None or not shadow.canary_bp
            shadow_bp = shadow.canary_bp if is_for_all and shadow.include is None else None
        if shadow_bp is None:
            return None, detail or f"{self.flags[1].flag}: it is for some units only"
        return parts[0].exposure(shadow_bp), detail


def fingerprint_of(configurations: list[Configuration]) -> str:
    """The hash over the configurations of a target's flags, ids excluded.

    A strategy that somebody removed is made anew by a restore, with another id.
    """
    return digest([each.as_json(with_ids=False) for each in configurations])


def read_target(target: Target, *, deadline: Deadline | None = None) -> View:
    """Reads both flags. Raises mapped errors; `NotFound` for a flag or environment."""
    limit = deadline or Deadline(READ_TIMEOUT_S)
    views = [read_flag(target, flag, arms, deadline=limit) for flag, arms in flags_of(target)]
    return View(flags=tuple(views))


def read_flag(target: Target, flag: str, arms: Arms, *, deadline: Deadline) -> FlagView:
    """Reads one flag with everything that its environment says."""
    api = Api(spec_of(target))
    facts = api.get(
        api.flag_path(flag),
        # Environment variants are left out of the answer unless they are asked for.
        {"variantEnvironments": "true"},
        timeout_s=min(deadline.remaining_s, READ_TIMEOUT_S),
    )
    if not isinstance(facts, Mapping):
        raise Rejected(f"{flag}: the answer is not a flag", hint="check the target's url")
    around = _environment(facts, flag, target)
    return FlagView(
        flag=flag,
        arms=arms,
        found=parse_configuration(around, flag),
        facts=facts,
        maker=maker_for(target, flag),
        around=around,
    )


def maker_for(target: Target, flag: str) -> Maker:
    """What new strategies and variants of the flag are made with."""
    payload = spec_of(target).payload if flag == spec_of(target).flag else None
    return Maker(flag, stickiness_of(target), payload)


def _environment(facts: Mapping[str, object], flag: str, target: Target) -> Mapping[str, object]:
    wanted = spec_of(target).environment
    environments = facts.get("environments")
    known = []
    for each in environments if isinstance(environments, list) else []:
        if isinstance(each, Mapping):
            if each.get("name") == wanted:
                return each
            known.append(str(each.get("name")))
    raise NotFound(
        f"flag {flag} has no environment {wanted!r}",
        hint=f"its environments are: {', '.join(known) or 'none'}",
    )
