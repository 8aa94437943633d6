"""Makes known every secret that a playbook names, so that no output can show one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass

from rolloutctl.core.playbook import Playbook
from rolloutctl.core.secret import SecretRef
from rolloutctl.credentials import read_place, read_secret
from rolloutctl.errors import Rejected, Unauthorized
from rolloutctl.http import without_user


def remember_secrets(playbook: Playbook, environ: Mapping[str, str]) -> None:
    """Reads each secret of the playbook once; from then on `redact` replaces it.

    One that cannot be read is left to whoever needs it: it cannot be shown either. Of a
    source's address only `user:password@` is secret; the rest an operator must see.
    """
    addresses = {url for one in playbook.sources.values() for url in _addresses_in(one.spec)}
    for ref in set(secrets_in(playbook)):
        with suppress(Unauthorized, Rejected):
            if ref in addresses:
                without_user(read_place(ref, environ))
            else:
                read_secret(ref, environ)


def _addresses_in(spec: object) -> Iterator[SecretRef]:
    """Where a source is, and where what it asks besides is: an Alertmanager's Prometheus."""
    if not is_dataclass(spec):
        return
    for field in fields(spec):
        value = getattr(spec, field.name)
        if field.name == "url" and isinstance(value, SecretRef):
            yield value
        yield from _addresses_in(value)


def secrets_in(part: object) -> Iterator[SecretRef]:
    """Every reference to a secret in a playbook, or in a part of one."""
    if isinstance(part, SecretRef):
        yield part
    elif is_dataclass(part):
        for field in fields(part):
            yield from secrets_in(getattr(part, field.name))
    elif isinstance(part, Mapping):
        for each in part.values():
            yield from secrets_in(each)
    elif isinstance(part, tuple | list):
        for each in part:
            yield from secrets_in(each)
