"""How to be let in: the parts of a spec that several adapters share.

The dataclasses are decoded from a playbook; secrets are read anew for each
request, so that a rotated token is used at once.
"""

from __future__ import annotations

import base64
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.secret import SecretRef, SecretText
from rolloutctl.core.units import DurationS, doc, key
from rolloutctl.credentials import read_secret, remember, secret_file_note
from rolloutctl.errors import Rejected, Unauthorized
from rolloutctl.http.address import is_clear_text, shown

#: A measurement that takes longer comes too late for its gate.
TIMEOUT_MAX_S = 120.0

#: How an address begins.
_SCHEMES = ("http://", "https://")
#: What the name of a header may consist of (RFC 9110 5.6.2).
_TOKEN_CHARACTERS = frozenset("!#$%&'*+-.^_`|~" + string.ascii_letters + string.digits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How the other side's certificate is checked, and ours is shown.

    Empty paths mean: the usual authorities, no client certificate.
    """

    ca_file: str = doc("PEM file of the authorities to trust instead of the usual", default="")
    cert_file: str = doc("PEM file of our own certificate", default="")
    key_file: str = doc("PEM file of its private key", default="")
    insecure_skip_verify: bool = doc("trust any certificate; for trials only", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuth:
    """User name and password (RFC 7617)."""

    username: str
    password: SecretRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The keys by which a spec says how it is let in; a spec derives from it.

    At most one of bearer_token, basic_auth and `user:password@` in an address.
    """

    bearer_token: SecretRef | None = doc("sent as Authorization: Bearer …", default=None)
    basic_auth: BasicAuth | None = doc("user name and password", default=None)
    headers: Mapping[str, SecretRef] = doc(
        "further headers; their values are secrets", default_factory=dict
    )
    tls: Tls = doc("certificates", default=Tls())
    timeout_s: DurationS = key("timeout", doc="limit of one request (10s)", default=10.0)

    def __post_init__(self) -> None:
        """Raises `ValueError`, which lint shows at the spec's place."""
        if self.bearer_token and self.basic_auth:
            raise ValueError("bearer_token and basic_auth exclude each other")
        for url in (getattr(self, "url", None), *getattr(self, "urls", ())):
            if isinstance(url, str) and not url.lower().startswith(_SCHEMES):
                raise ValueError(f"{url!r:.80} is no address: it begins with http:// or https://")
        if not 0 < self.timeout_s <= TIMEOUT_MAX_S:
            raise ValueError(f"timeout must be above 0s and at most {TIMEOUT_MAX_S:g}s")
        for name in self.headers:
            if not name or not set(name) <= _TOKEN_CHARACTERS:
                raise ValueError(f"{name!r} cannot be the name of an HTTP header")

    def sent_headers(self, user: tuple[str, str] | None = None) -> dict[str, str]:
        """The headers to send, secrets read now.

        Args:
            user: the (name, password) found in an address from the environment.

        Raises:
            Unauthorized: a secret is missing or cannot stand in a header.
            Rejected: there are two ways to be let in.
        """
        if user and (self.bearer_token or self.basic_auth):
            raise Rejected("the url carries a user name although there are other credentials")
        headers = {name: checked_header(name, ref) for name, ref in self.headers.items()}
        if self.bearer_token:
            headers["Authorization"] = (
                f"Bearer {checked_header('Authorization', self.bearer_token)}"
            )
        elif self.basic_auth:
            password = read_secret(self.basic_auth.password)
            headers["Authorization"] = _basic(self.basic_auth.username, password)
        elif user:
            headers["Authorization"] = _basic(user[0], SecretText(user[1]))
        return headers

    def findings(self, url: str) -> Sequence[Finding]:
        """What is allowed but worth a warning when talking to `url`."""
        refs = [*self.headers.values()]
        if self.bearer_token:
            refs.append(self.bearer_token)
        if self.basic_auth:
            refs.append(self.basic_auth.password)
        found = [
            _warn(note, "make it readable for this user only")
            for ref in refs
            if (note := secret_file_note(ref))
        ]
        if self.tls.insecure_skip_verify:
            found.append(_warn(f"{shown(url)}: its certificate is not checked", "use tls.ca_file"))
        if refs and is_clear_text(url):
            found.append(_warn(f"{shown(url)}: credentials are sent in clear text", "use https"))
        return found


def _warn(message: str, hint: str) -> Finding:
    return Finding(severity=Severity.WARN, message=message, hint=hint)


def checked_header(name: str, ref: SecretRef) -> str:
    """The secret as the value of header `name`. Raises `Unauthorized` if it cannot be one."""
    value = read_secret(ref).reveal()
    # SAFETY: checked here because the HTTP library quotes a bad value in its own error.
    if not (value.isascii() and value.isprintable()):
        raise Unauthorized(
            f"the secret in {ref} cannot stand in the header {name}: "
            "it holds a line break or another character that is not printable ASCII"
        )
    return value


def _basic(username: str, password: SecretText) -> str:
    pair = base64.b64encode(f"{username}:{password.reveal()}".encode()).decode()
    remember(pair)
    return f"Basic {pair}"
