"""Where a flag is: the target's own keys, and `appconfig://app/env/profile#flag`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rolloutctl.core.target import Target
from rolloutctl.core.units import Name, doc
from rolloutctl.errors import Rejected, UsageError
from rolloutctl.providers.appconfig.strategy import AT_ONCE, FORM, PREDEFINED, parse_strategy

SCHEME = "appconfig"
_FORM = f"{SCHEME}://REGION/APPLICATION-ID/ENVIRONMENT-ID/PROFILE-ID#FLAG?by=KEY"
#: Ids of applications, environments and profiles; the service model's own pattern.
_ID = re.compile(r"[a-z0-9]{4,7}")
#: Flag keys and context keys; AppConfig's schema of feature flags.
_KEY = re.compile(r"[a-zA-Z][a-zA-Z\d_-]{0,63}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_ADDRESS = re.compile(r"appconfig://([^/#?]+)/([^/#?]+)/([^/#?]+)/([^/#?]+)#([^?#]+)\?by=([^#?]+)")
_WHOLE_ADDRESS = re.compile(r"appconfig://([^/#?]+)/([^/#?]+)/([^/#?]+)/([^/#?]+)")

ON, OFF = "on", "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    """The keys of an `appconfig` target."""

    region: Name = doc("AWS region: eu-west-1.")
    application: Name = doc("Id of the application (aws appconfig list-applications).")
    environment: Name = doc("Id of the environment.")
    profile: Name = doc("Id of the configuration profile.")
    flag: str = doc("Key of the flag; without it, whole versions of the profile.", default="")
    strategy: str = doc("Without a flag: how AppConfig grows a version.", default="")
    split_by: str = doc("Context key that `split` hashes: userId.", default="userId")
    endpoint: str = doc("Base address of another endpoint, for tests.", default="")


def spec_of(target: Target) -> TargetSpec:
    """The target's own keys. Raises `Rejected` for what cannot be an AppConfig flag."""
    if not isinstance(target.spec, TargetSpec):
        raise TypeError(f"target {target.name} was not built for {SCHEME}")
    for key, message, fix in spec_problems(target.spec):
        raise Rejected(f"target {target.name}: {key}: {message}", hint=fix)
    return target.spec


def spec_problems(spec: TargetSpec) -> Sequence[tuple[str, str, str]]:
    """What is wrong with the keys: (key, message, fix) each."""
    found = []
    for key in ("application", "environment", "profile"):
        if not _ID.fullmatch(value := getattr(spec, key)):
            fix = f"write its id, not its name: aws appconfig list-{key}s"
            if key != "application":
                fix = f"write its id; aws appconfig help names the call that lists {key}s"
            found.append((key, f"{value!r} is no id of AppConfig (4 to 7 of a-z, 0-9)", fix))
    found += _mode_problems(spec)
    for key in ("flag", "split_by") if spec.flag else ():
        if not _KEY.fullmatch(value := getattr(spec, key)):
            message = f"{value!r} is no key of AppConfig"
            found.append((key, message, "a letter, then up to 63 letters, digits, _ or -"))
    # SAFETY: never from the environment; another terminal's would name another flag.
    if not _REGION.fullmatch(spec.region):
        found.append(("region", f"{spec.region!r} is no region", "write for example eu-west-1"))
    return found


def _mode_problems(spec: TargetSpec) -> Sequence[tuple[str, str, str]]:
    if spec.flag and spec.strategy:
        fix = "remove strategy; or remove flag, and name hosted versions as control and canary"
        return (("strategy", "a flag is split in steps that rolloutctl makes", fix),)
    if spec.flag:
        return ()
    if not spec.strategy:
        fix = f"add flag: KEY, or strategy: {AT_ONCE} (or {', '.join(PREDEFINED)}, or {FORM})"
        return (("flag", "neither a flag nor a strategy", fix),)
    try:
        parse_strategy(spec.strategy)
    except Rejected as error:
        return (("strategy", error.message, error.hint),)
    return ()


def is_whole(target: Target) -> bool:
    """Are the arms whole hosted versions, grown by AppConfig, and not a flag's variants?"""
    return isinstance(target.spec, TargetSpec) and not target.spec.flag


def is_switch(target: Target) -> bool:
    """Are the arms the flag's on and off, and not two of its variants?"""
    return {target.control.value, target.canary.value} == {ON, OFF}


def format_address(target: Target) -> str:
    """The address: region, ids, flag, split key; a test's endpoint is not part of it."""
    spec = spec_of(target)
    place = f"{spec.region}/{spec.application}/{spec.environment}/{spec.profile}"
    if not spec.flag:
        return f"{SCHEME}://{place}"
    return f"{SCHEME}://{place}#{spec.flag}?by={spec.split_by}"


def parse_address(address: str) -> Mapping[str, str]:
    """Fields of `TargetSpec`. Raises `UsageError` with the right form."""
    match = _ADDRESS.fullmatch(address)
    whole = _WHOLE_ADDRESS.fullmatch(address)
    keys = ("region", "application", "environment", "profile", "flag", "split_by")
    found = match or whole
    if found is None:
        message = f"{address!r} is not the address of an AppConfig flag or profile"
        raise UsageError(message, hint=f"write {_FORM}, or only up to PROFILE-ID")
    fields = dict(zip(keys, found.groups(), strict=False))
    if whole:
        fields["strategy"] = AT_ONCE  # the way back and the kill never grow
    for _, message, _ in spec_problems(TargetSpec(**fields)):
        raise UsageError(f"{address!r}: {message}", hint=f"write {_FORM}")
    return fields
