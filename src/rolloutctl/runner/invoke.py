"""Runs the command or the HTTP call of a `run` step; every end is a result, never an error.

The request's shape is the one of `steps.run`. A command gets no standing input, a session
of its own and the key of its intent as `ROLLOUTCTL_KEY`; an HTTP call gets it as
`Idempotency-Key`: with it the other side can recognise a repetition.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import quote

from rolloutctl.clock import monotonic_s
from rolloutctl.core.effects import Invoke
from rolloutctl.core.json_types import Json
from rolloutctl.core.secret import SecretRef
from rolloutctl.credentials import redact
from rolloutctl.errors import RolloutctlError, Unavailable
from rolloutctl.http import HttpClient, HttpRequest, HttpResponse, checked_header
from rolloutctl.runner.adapters import NEVER, Ending, InvokeResult

#: What the journal keeps of an output: its end, where the error stands.
OUTPUT_CHARS_MAX = 4096
#: Raw output kept while a command runs; more than the journal keeps, because secrets are
#: replaced before it is cut and may be shorter afterwards.
_KEPT_BYTES = 128 * 1024
#: The longest secret that may be cut in two at the front of what was kept.
_HALF_SECRET_CHARS_MAX = 16 * 1024
#: How long a command may tidy up after SIGTERM, in seconds; then SIGKILL. At its time
#: limit, and when it is ended before: rollback, kill, a driver that stops.
GRACE_S = 2.0
#: How often a silent command is looked at, in seconds.
_LOOK_S = 0.02
_READ_BYTES = 64 * 1024
_KEY_CHARS_MAX = 200
_SAFE_METHODS = frozenset({"GET", "HEAD"})


def is_command(effect: Invoke) -> bool:
    """Whether it runs a process here, which can be ended; a request that was sent cannot."""
    return isinstance(effect.request, Mapping) and "command" in effect.request


def invoke(effect: Invoke, key: str, timeout_s: float, *, ending: Ending = NEVER) -> InvokeResult:
    """Runs the effect's request within `timeout_s`, or until `ending` is set.

    An HTTP call goes on until its own limit: whoever waits for it has to leave it behind.
    """
    if ending.is_set():
        return InvokeResult(ok=False, message="not begun", output="")
    match effect.request:
        case {"command": [*words]} if words and all(isinstance(word, str) for word in words):
            return _command([str(word) for word in words], key, timeout_s, ending=ending)
        case {"http": call} if isinstance(call, Mapping) and {"method", "url"} <= call.keys():
            return _http(call, key, timeout_s)
        case _:
            message = f"{key}: neither a command nor an HTTP call"
            return InvokeResult(ok=False, message=message, output="")


# -- commands -------------------------------------------------------------------


def _command(words: list[str], key: str, timeout_s: float, *, ending: Ending) -> InvokeResult:
    began_s = monotonic_s()
    try:
        process = subprocess.Popen(  # noqa: S603 - what a reviewed playbook says, without a shell
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "ROLLOUTCTL_KEY": key},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = redact(f"{words[0]!r} cannot be started: {reason}")
        return InvokeResult(ok=False, message=message, output="")
    running = _Running(process=process)
    try:
        is_by_itself = running.wait(began_s + timeout_s, ending=ending)
        if not is_by_itself:
            running.signal_group(signal.SIGTERM)
            running.wait(monotonic_s() + GRACE_S)
    finally:
        running.end()
    taken = f"after {monotonic_s() - began_s:.1f} s"
    code = process.returncode
    message = f"killed by {_signal_name(-code)} {taken}" if code < 0 else f"exit {code} {taken}"
    if not is_by_itself and not ending.is_set():
        message = f"stopped at its limit of {timeout_s:g} s"
    return InvokeResult(ok=is_by_itself and code == 0, message=message, output=running.output())


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@dataclass(slots=True)
class _Running:
    """A command in its own process group, and the end of what it has said so far."""

    process: subprocess.Popen[bytes]
    _kept: bytearray = field(default_factory=bytearray)
    _is_cut: bool = False
    _is_silent: bool = False  # nobody holds the other end of the pipe any more

    def wait(self, until_s: float, *, ending: Ending = NEVER) -> bool:
        """Reads and waits; True once the command itself has ended, False once it must.

        Its end counts, not the pipe's: a background process may hold that for ever.
        """
        stream = self._stream()
        os.set_blocking(stream.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while self.process.poll() is None:
                left_s = until_s - monotonic_s()
                if left_s <= 0 or ending.is_set():
                    return False
                if self._is_silent:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self.process.wait(min(left_s, _LOOK_S))
                elif selector.select(min(left_s, _LOOK_S)):
                    self._read_once()
        return True

    def signal_group(self, number: signal.Signals) -> None:
        """Signals the command and everything that it started in its session."""
        # SAFETY: the group's number is the command's; it cannot be given to another process
        # while a member lives, and nobody is signalled once the group is empty.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def end(self) -> None:
        """Leaves no process of the group behind, and nothing unread that was said."""
        self.signal_group(signal.SIGKILL)
        self.process.wait()
        for _ in range(_KEPT_BYTES // _READ_BYTES):
            if self._is_silent or not self._read_once():
                break
        self._stream().close()

    def output(self) -> str:
        """The end of what was said, without secrets; empty if that cannot be promised."""
        text = redact(self._kept.decode(errors="replace")).strip()
        if self._is_cut and len(text) < OUTPUT_CHARS_MAX + _HALF_SECRET_CHARS_MAX:
            # SAFETY: so much of it was secret that half of one may stand at the front.
            return "(not kept: almost all of it was secrets)"
        return text[-OUTPUT_CHARS_MAX:]

    def _stream(self) -> IO[bytes]:
        if self.process.stdout is None:
            raise AssertionError("a command is started with a pipe")
        return self.process.stdout

    def _read_once(self) -> bool:
        """Reads what is there; False if that is nothing."""
        try:
            chunk = os.read(self._stream().fileno(), _READ_BYTES)
        except BlockingIOError:
            return False
        self._is_silent = not chunk
        self._kept += chunk
        if len(self._kept) > _KEPT_BYTES:
            del self._kept[:-_KEPT_BYTES]
            self._is_cut = True
        return bool(chunk)


# -- HTTP calls -----------------------------------------------------------------


def _http(call: Mapping[str, Json], key: str, timeout_s: float) -> InvokeResult:
    began_s = monotonic_s()
    try:
        request = _request(call, key)
        response = HttpClient(total_timeout_s=timeout_s).send(request, timeout_s=timeout_s)
    except Unavailable as error:
        doubt = "; it may have taken effect all the same" if error.may_have_landed else ""
        return InvokeResult(ok=False, message=redact(f"{error.message}{doubt}"), output="")
    except RolloutctlError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return InvokeResult(ok=False, message=redact(f"{error.message}{hint}"), output="")
    message = f"{request.title}: {response.status} after {monotonic_s() - began_s:.1f} s"
    if request.expected and response.status not in request.expected:
        wanted = ", ".join(str(status) for status in sorted(request.expected))
        return InvokeResult(
            ok=False, message=f"{message}, expected {wanted}", output=_body(response)
        )
    return InvokeResult(ok=True, message=message, output=_body(response))


def _request(call: Mapping[str, Json], key: str) -> HttpRequest:
    """The request to send, secrets read now. Raises `Unauthorized` if one is missing."""
    method, body, expected = str(call["method"]), call.get("body"), call.get("expect_status")
    headers = call.get("headers")
    named = headers if isinstance(headers, Mapping) else {}
    return HttpRequest(
        method=method,
        url=str(call["url"]),
        headers={
            **{name: _header(name, value) for name, value in named.items()},
            "Idempotency-Key": quote(key, safe=":/-_.~ ")[:_KEY_CHARS_MAX],
        },
        body=body.encode() if isinstance(body, str) else b"",
        writes=method not in _SAFE_METHODS,
        expected=frozenset(
            status
            for status in (expected if isinstance(expected, list | tuple) else ())
            if isinstance(status, int)
        ),
    )


def _header(name: str, value: Json) -> str:
    match value:
        case {"env": str(variable)}:
            return checked_header(name, SecretRef(env=variable))
        case {"file": str(path)}:
            return checked_header(name, SecretRef(file=path))
        case _:
            return str(value)


def _body(response: HttpResponse) -> str:
    """The start of an answer: there the service says what it did."""
    return redact(response.body.decode(errors="replace")).strip()[:OUTPUT_CHARS_MAX]
