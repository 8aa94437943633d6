"""Where a flag is: the target's own keys, and `unleash://HOST/PROJECT/ENVIRONMENT/FLAG`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlsplit

from rolloutctl.core.secret import SecretRef
from rolloutctl.core.target import Target
from rolloutctl.core.units import Name, doc
from rolloutctl.errors import UsageError
from rolloutctl.http.access import Tls

SCHEME = "unleash"
#: The environment variables that are read where a target names no other place.
ADMIN_TOKEN = SecretRef(env="UNLEASH_ADMIN_TOKEN")
CLIENT_TOKEN = SecretRef(env="UNLEASH_CLIENT_TOKEN")
_FORM = f"{SCHEME}://unleash.example.com/PROJECT/ENVIRONMENT/FLAG"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SCHEMES = frozenset({"http", "https"})
_PLACE_PARTS = 3
_PAYLOAD_TYPES = ("string", "json", "csv", "number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What a variant carries that does not exist yet; one that exists keeps its own."""

    type: str = doc("string, json, csv or number", default="string")
    control: str = doc("the control's payload", default="")
    canary: str = doc("the canary's payload", default="")

    def __post_init__(self) -> None:
        """Raises `ValueError`, which lint shows at the target's place."""
        if self.type not in _PAYLOAD_TYPES:
            raise ValueError(f"payload.type must be one of {', '.join(_PAYLOAD_TYPES)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    """The keys of an `unleash` target."""

    url: str = doc("Base address of the server, such as https://unleash.example.com.")
    environment: Name = doc("Environment, such as production.")
    flag: Name = doc("Name of the flag.")
    project: Name = doc("Project that the flag is in (default).", default="default")
    token: SecretRef = doc(
        "Admin API token or personal access token (${env.UNLEASH_ADMIN_TOKEN}).",
        default=ADMIN_TOKEN,
    )
    client_token: SecretRef = doc(
        "Backend token of the environment, for verify (${env.UNLEASH_CLIENT_TOKEN}).",
        default=CLIENT_TOKEN,
    )
    stickiness: Name = doc(
        "Context field that keeps a unit in its arm; by default what `unit` says, else default.",
        default="",
    )
    payload: Payload | None = doc("Payloads for variants that are missing.", default=None)
    tls: Tls = doc("Certificates.", default=Tls())

    def __post_init__(self) -> None:
        """Raises `ValueError`, which lint shows at the target's place."""
        parts = urlsplit(self.url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise ValueError("url must be http(s)://host, such as https://unleash.example.com")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("url must not carry a user, a query or a fragment")


def spec_of(target: Target) -> TargetSpec:
    """The target's own keys."""
    if not isinstance(target.spec, TargetSpec):
        raise TypeError(f"target {target.name} was not built for {SCHEME}")
    return target.spec


def stickiness_of(target: Target) -> str:
    """The context field that new strategies bucket by."""
    spec = spec_of(target)
    if spec.stickiness:
        return spec.stickiness
    return {"": "default", "user": "userId", "session": "sessionId"}.get(target.unit, target.unit)


def base_url(spec: TargetSpec) -> str:
    """The server's address without the paths that people copy along with it."""
    return spec.url.rstrip("/").removesuffix("/api/admin").removesuffix("/api")


def format_address(target: Target) -> str:
    """The address, equal for all spellings of one server's address."""
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
            hint=f"write {_FORM}; tokens are read from ${ADMIN_TOKEN.env}",
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


class Arms:
    """The two arms of a target, and which kind of flag they make it.

    `off` and `on` are a plain flag: the canary's share is the rollout of a strategy. Any
    other two names are variants: the canary's share is its weight.
    """

    __slots__ = ("canary", "control")

    def __init__(self, control: str, canary: str) -> None:
        self.control = control
        self.canary = canary

    @property
    def is_switch(self) -> bool:
        """A plain on/off flag."""
        return self.control == "off"

    @property
    def objection(self) -> tuple[str, str]:
        """(reason, way out) why these arms cannot be served; ("", "") if they can."""
        words = {self.control, self.canary} & {"on", "off"}
        if words and (self.control, self.canary) != ("off", "on"):
            reason = (
                f"control {self.control!r} and canary {self.canary!r} are neither off and on"
                " nor two variants"
            )
            hint = (
                "a plain flag is written control: off, canary: on; switch a feature off by"
                " hand once nobody needs it"
            )
            return reason, hint
        return "", ""


def arms_of(target: Target) -> Arms:
    """The target's arms. Their names are checked by the probe, not here: kill must act."""
    return Arms(target.control.value, target.canary.value)


#: A shadow flag is a plain one.
SHADOW = Arms("off", "on")


def flags_of(target: Target) -> tuple[tuple[str, Arms], ...]:
    """The flags of the target with what counts in each; the shadow flag is second."""
    flags = [(spec_of(target).flag, arms_of(target))]
    if target.shadow:
        flags.append((target.shadow.flag, SHADOW))
    return tuple(flags)
