"""Reads secrets from their places and keeps them out of everything that leaves.

Every secret read is remembered for the life of the process, so that `redact` can
replace it in errors, logs and captured output. It must not know who uses a secret.
"""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from rolloutctl.errors import Unauthorized

if TYPE_CHECKING:
    from rolloutctl.core.secret import SecretRef, SecretText

#: A secret's file may be this large; a private key with its chain is about 10 KiB.
SECRET_BYTES_MAX = 64 * 1024
#: Secrets remembered at once; a token that rotates hourly fills this in ten days.
REMEMBERED_MAX = 256
#: Shorter texts are not redacted: replacing every "on" or "42" would destroy each message
#: and tell more than it hides.
REDACTED_CHARS_MIN = 4
#: Lines of a secret of several lines (a key file) are also redacted one by one from here on.
_LINE_CHARS_MIN = 8

MASK = "***"

_remembered: dict[str, None] = {}  # insertion-ordered: the oldest is forgotten first
_forms: tuple[str, ...] = ()  # what to replace, longest first
_lock = threading.Lock()


def read_secret(ref: SecretRef, env: Mapping[str, str] | None = None) -> SecretText:
    """Reads the secret from its place, now, and remembers it for `redact`.

    One trailing line break is not part of the secret. Nothing is cached: a rotated
    token is seen by the next call.

    Args:
        ref: the secret's place.
        env: the environment to look in; the process's own by default.

    Raises:
        Unauthorized: the variable or file is missing, empty, too large or not text.
    """
    from rolloutctl.core.secret import SecretText  # noqa: PLC0415 - most commands read no secret

    text = _read(ref, os.environ if env is None else env)
    remember(text)
    return SecretText(text)


def read_place(place: str | SecretRef, env: Mapping[str, str] | None = None) -> str:
    """Resolves a text that may stand in the environment but is not itself secret.

    For addresses: an operator must still see the host in an error. What is secret
    inside it (user and password) is the caller's to remember.

    Raises:
        Unauthorized: as `read_secret`.
    """
    return place if isinstance(place, str) else _read(place, os.environ if env is None else env)


def remember(text: str) -> None:
    """Makes `redact` replace `text` from now on, in plain and in encoded forms."""
    global _forms  # noqa: PLW0603 - one memory a process: a secret has no owner
    if len(text) < REDACTED_CHARS_MIN:
        return
    with _lock:
        if text in _remembered:
            _remembered[text] = _remembered.pop(text)
            return
        _remembered[text] = None
        while len(_remembered) > REMEMBERED_MAX:
            del _remembered[next(iter(_remembered))]
        every = {form for secret in _remembered for form in _forms_of(secret)}
        _forms = tuple(sorted(every, key=lambda form: (-len(form), form)))


def redact(text: str) -> str:
    """Replaces every remembered secret in `text` by `***`.

    Must be called before a text is cut: half a secret is no longer recognised.
    """
    for form in _forms:
        if form in text:
            text = text.replace(form, MASK)
    return text


def secret_file_note(ref: SecretRef) -> str:
    """One line if the secret's file can be read by every user here; "" otherwise.

    A note, not a refusal: mounted secrets in containers are often like this.
    """
    if not ref.file:
        return ""
    try:
        mode = stat.S_IMODE(Path(ref.file).stat().st_mode)
    except OSError:
        return ""
    readable = mode & stat.S_IROTH
    return f"{ref.file} can be read by every user here (mode {mode:04o})" if readable else ""


def _read(ref: SecretRef, env: Mapping[str, str]) -> str:
    text = _from_environment(ref.env, env) if ref.env else _from_file(ref.file)
    if not text:
        where = f"environment variable {ref.env}" if ref.env else ref.file
        raise Unauthorized(f"{where} is empty; it should hold a secret", hint=_hint(ref))
    return text


def _from_environment(name: str, env: Mapping[str, str]) -> str:
    from rolloutctl.core.secret import SecretRef  # noqa: PLC0415 - as above

    if name not in env:
        raise Unauthorized(
            f"environment variable {name} is not set; it should hold a secret",
            hint=_hint(SecretRef(env=name)),
        )
    return env[name].removesuffix("\n")


def _from_file(file: str) -> str:
    from rolloutctl.core.secret import SecretRef  # noqa: PLC0415 - as above

    ref = SecretRef(file=file)
    try:
        # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:  # noqa: PTH123 - by descriptor
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise Unauthorized(f"secret file {file}: not a regular file", hint=_hint(ref))
            content = stream.read(SECRET_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a possible file name"
        raise Unauthorized(f"secret file {file}: {reason}", hint=_hint(ref)) from error
    if len(content) > SECRET_BYTES_MAX:
        limit = f"larger than {SECRET_BYTES_MAX} bytes"
        raise Unauthorized(f"secret file {file}: {limit}", hint=_hint(ref))
    try:
        text = content.decode()
    except UnicodeDecodeError:
        # SAFETY: not chained; the exception carries the file's bytes.
        raise Unauthorized(f"secret file {file}: not UTF-8 text", hint=_hint(ref)) from None
    return text.removesuffix("\n").removesuffix("\r")


def _hint(ref: SecretRef) -> str:
    if ref.env:
        return f"set it for this process: export {ref.env}=…"
    return f"write the secret into {ref.file} and make it readable for this user"


def _forms_of(secret: str) -> set[str]:
    """The secret as it may turn up: plain, URL-encoded, JSON-escaped, in base64."""
    encoded = quote(secret, safe="")
    forms = {secret, encoded, encoded.lower(), quote(secret), quote_plus(secret)}
    forms.add(json.dumps(secret)[1:-1])
    forms.add(json.dumps(secret, ensure_ascii=False)[1:-1])
    forms |= _base64_forms(secret.encode())
    forms |= {line for line in secret.splitlines() if len(line) >= _LINE_CHARS_MIN}
    return {form for form in forms if len(form) >= REDACTED_CHARS_MIN}


def _base64_forms(secret: bytes) -> set[str]:
    """Base64 of the secret alone and inside a longer text such as `user:password`.

    Base64 takes three bytes at a time, so the secret looks different by its offset modulo
    three; the characters that mix it with its neighbours are left out.
    """
    import base64  # noqa: PLC0415 - as above

    forms = {base64.b64encode(secret).decode(), base64.urlsafe_b64encode(secret).decode()}
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + secret)
        first = -(-offset * 8 // 6)
        last = (offset + len(secret)) * 8 // 6
        inner = text[first:last].decode()
        forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    return forms
