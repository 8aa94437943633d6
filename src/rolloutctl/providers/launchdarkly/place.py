"""Where a flag is: the target's own keys, and `launchdarkly://HOST/PROJECT/ENVIRONMENT/FLAG`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

from rolloutctl.core.secret import SecretRef
from rolloutctl.core.target import Target
from rolloutctl.core.units import Name, doc
from rolloutctl.errors import Rejected, UsageError
from rolloutctl.http.access import Tls
from rolloutctl.providers.launchdarkly.configuration import USER, Variation

SCHEME = "launchdarkly"
#: Also https://app.eu.launchdarkly.com and, for the federal instance, https://app.launchdarkly.us.
URL = "https://app.launchdarkly.com"
#: The environment variables that are read where a target names no other place.
API_TOKEN = SecretRef(env="LAUNCHDARKLY_API_TOKEN")
SDK_KEY = SecretRef(env="LAUNCHDARKLY_SDK_KEY")
_FORM = f"{SCHEME}://app.launchdarkly.com/PROJECT/ENVIRONMENT/FLAG"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SCHEMES = frozenset({"http", "https"})
_PLACE_PARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    """The keys of a `launchdarkly` target."""

    environment: Name = doc("Key of the environment, such as production.")
    flag: Name = doc("Key of the flag.")
    project: Name = doc("Key of the project (default).", default="default")
    url: str = doc(f"Base address ({URL}).", default=URL)
    token: SecretRef = doc("API access token (${env.LAUNCHDARKLY_API_TOKEN}).", default=API_TOKEN)
    sdk_key: SecretRef = doc(
        "SDK key of the environment, for verify (${env.LAUNCHDARKLY_SDK_KEY}).", default=SDK_KEY
    )
    rule: str = doc(
        "Description or id of the rule whose rollout is driven; else the default rule.",
        default="",
    )
    context_kind: Name = doc(
        "Context kind that keeps its arm; by default what `unit` says, else user.", default=""
    )
    bucket_by: str = doc("Attribute that keeps its arm; by default the key.", default="")
    bypass_approvals: bool = doc(
        "The token may bypass required approvals; without it such a flag is refused.",
        default=False,
    )
    stream_url: str = doc("Where SDKs get their stream, if not the usual place.", default="")
    tls: Tls = doc("Certificates.", default=Tls())

    def __post_init__(self) -> None:
        """Raises `ValueError`, which lint shows at the target's place."""
        for name, given in (("url", self.url), ("stream_url", self.stream_url or URL)):
            parts = urlsplit(given)
            if parts.scheme not in _SCHEMES or not parts.hostname:
                raise ValueError(f"{name} must be http(s)://host, such as {URL}")
            if parts.username or parts.password or parts.query or parts.fragment:
                raise ValueError(f"{name} must not carry a user, a query or a fragment")


def spec_of(target: Target) -> TargetSpec:
    """The target's own keys."""
    if not isinstance(target.spec, TargetSpec):
        raise TypeError(f"target {target.name} was not built for {SCHEME}")
    return target.spec


def context_kind_of(target: Target) -> str:
    """The context kind that new rollouts bucket by."""
    return spec_of(target).context_kind or target.unit or USER


def base_url(spec: TargetSpec) -> str:
    """The service's address without the paths that people copy along with it."""
    return spec.url.rstrip("/").removesuffix("/api/v2").removesuffix("/api")


def format_address(target: Target) -> str:
    """The address, equal for all spellings. A named rule is a part of its flag."""
    spec = spec_of(target)
    parts = urlsplit(base_url(spec))
    host = (parts.hostname or "").lower()
    is_default = parts.scheme == _scheme_of(host)
    default_port = 443 if parts.scheme == "https" else 80
    shown = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port not in {None, default_port} else ""
    place = "/".join(quote(each, safe="") for each in (spec.project, spec.environment, spec.flag))
    ending = "" if is_default else f"?scheme={parts.scheme}"
    return f"{SCHEME}://{shown}{port}{parts.path.rstrip('/')}/{place}{ending}"


def parse_address(address: str) -> Mapping[str, str]:
    """Fields of `TargetSpec`. Raises `UsageError` with the right form."""
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError as error:
        raise UsageError(f"{address!r} is not an address: {error}", hint=f"write {_FORM}") from None
    *base, project, environment, flag = [""] * _PLACE_PARTS + parts.path.split("/")
    host = parts.hostname or ""
    scheme = parse_qs(parts.query).get("scheme", [_scheme_of(host)])[0]
    if parts.scheme != SCHEME or not (host and project and environment and flag):
        raise UsageError(f"{address!r} is not the address of a flag", hint=f"write {_FORM}")
    if scheme not in _SCHEMES or parts.username or parts.password:
        raise UsageError(
            f"{address!r} is not the address of a flag",
            hint=f"write {_FORM}; tokens are read from ${API_TOKEN.env}",
        )
    shown = f"[{host}]" if ":" in host else host
    path = "".join(f"/{each}" for each in base if each)
    return {
        "url": f"{scheme}://{shown}{port}{path}",
        "project": unquote(project),
        "environment": unquote(environment),
        "flag": unquote(flag),
    }


def _scheme_of(host: str) -> str:
    """What is spoken to a host that says nothing else: TLS, except on this machine."""
    return "http" if host in _LOOPBACK else "https"


class Names(NamedTuple):
    """The two arms of one flag as the playbook names them, and the rule they stand in."""

    control: str
    canary: str
    rule: str = ""


#: A shadow flag is a boolean one.
SHADOW = Names("false", "true")


def flags_of(target: Target) -> tuple[tuple[str, Names], ...]:
    """The flags of the target with what counts in each; the shadow flag is second."""
    spec = spec_of(target)
    names = Names(target.control.value, target.canary.value, spec.rule)
    flags = [(spec.flag, names)]
    if target.shadow:
        flags.append((target.shadow.flag, SHADOW))
    return tuple(flags)


class Arms(NamedTuple):
    """The two arms as ids of variations; `canary` is empty where nobody named it."""

    control: str
    canary: str
    rule: str = ""


def arms_of(
    variations: Sequence[Variation], names: Names, flag: str, *, needs_canary: bool = True
) -> Arms:
    """The arms by id, name or value, in this order.

    Raises:
        Rejected: a name that no variation has, or several; with the names there are.
    """
    control = _named(variations, names.control, flag)
    # A kill by address knows the safe arm only: whatever else is served is the other one.
    canary = ""
    if names.canary or needs_canary:
        try:
            canary = _named(variations, names.canary, flag)
        except Rejected:
            if needs_canary:
                raise
    if control == canary:
        raise Rejected(
            f"flag {flag!r}: {names.control!r} and {names.canary!r} are the same variation",
            hint="name two different variations",
        )
    return Arms(control, canary, names.rule)


def _named(variations: Sequence[Variation], name: str, flag: str) -> str:
    for field in ("id", "name", "text"):
        found = [each.id for each in variations if getattr(each, field) == name]
        if len(found) == 1:
            return found[0]
        if found:
            raise Rejected(
                f"flag {flag!r}: {len(found)} variations have the {field} {name!r}",
                hint=f"name it by its id: {', '.join(found)}",
            )
    known = [each.label for each in variations]
    raise Rejected(
        f"flag {flag!r} has no variation {name!r}",
        hint=f"{_meant(name, known)}its variations are: {', '.join(known)}",
    )


def _meant(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only for this message

    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}? " if near else ""
