"""Step kind `run`: a command or an HTTP call, its outcome recorded.

The request of its `Invoke` effect, as JSON, is one of

* `{"command": ["argv0", "argv1", …]}`: run without a shell. A command written as one text is
  already `["sh", "-c", TEXT]` here.
* `{"http": {"method": "POST", "url": "https://…", "headers": {NAME: VALUE, …},
  "body": "…", "expect_status": [200, …]}}`: `body` is "" for none; an empty
  `expect_status` means any 2xx; a header's VALUE is a text, or `{"env": NAME}` or
  `{"file": PATH}`: a secret that the process which sends it reads itself.

Exit status 0, or an expected status, is success; anything else and the time limit are not.
What it did cannot be observed, so after a crash it is run again only with
`on_crash: rerun`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from rolloutctl.core.effects import Effect, Invoke
from rolloutctl.core.json_types import Json
from rolloutctl.core.playbook import Step
from rolloutctl.core.ports import Leave, StepAdvice, StepContext, StepProgress
from rolloutctl.core.secret import SecretRef
from rolloutctl.core.units import DurationS, Name, doc, key

TIMEOUT_S = 60.0
_STATUS_FIRST, _STATUS_LAST = 100, 599


class OnCrash(StrEnum):
    """What an invocation whose end is unknown leads to."""

    RERUN = "rerun"
    ASK = "ask"


class Method(StrEnum):
    """HTTP methods."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    HEAD = "HEAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """One HTTP request and the answers that are a success."""

    url: str = doc("where to send it; no credentials in it")
    method: Method = doc("the method (POST)", default=Method.POST)
    headers: Mapping[str, str | SecretRef] = doc("headers", default_factory=dict)
    body: str = doc("the body, as it is", default="")
    expect_status: tuple[int, ...] = doc("statuses that are a success (any 2xx)", default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """A command or an HTTP call, with its limits."""

    command: str | tuple[Name, ...] = doc("a list is run as it is, a text by sh -c", default=())
    http: HttpCall | None = doc("an HTTP call instead of a command", default=None)
    timeout_s: DurationS = key("timeout", doc="time limit (60s)", default=TIMEOUT_S)
    on_crash: OnCrash = doc(
        "rerun, or ask a person, when its end is unknown (ask)", default=OnCrash.ASK
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """`run: {command: [...]}`."""

    run: Invocation = field(metadata={"doc": "what to run"})


class Run:
    """One invocation; if it fails, the playbook's `on_fail` follows."""

    name: ClassVar[str] = "run"
    Spec: ClassVar[type] = RunSpec

    def problems(self, spec: RunSpec, step: Step) -> Sequence[tuple[str, str, str]]:  # noqa: ARG002 - the port's signature
        """Nothing to run, two things to run, no time."""
        return tuple(_problems(spec.run))

    def plan(self, spec: RunSpec, context: StepContext) -> Sequence[Effect]:  # noqa: ARG002 - the port's signature
        """The one invocation."""
        run = spec.run
        return (
            Invoke(
                request=_request(run),
                timeout_s=run.timeout_s,
                rerun_on_crash=run.on_crash is OnCrash.RERUN,
            ),
        )

    def advance(self, spec: RunSpec, progress: StepProgress, now: datetime) -> StepAdvice:  # noqa: ARG002 - the port's signature
        """Nothing against leaving: a failed invocation does not come this far."""
        return Leave(because="it ran and succeeded")


def _problems(run: Invocation) -> Iterator[tuple[str, str, str]]:
    """Everything wrong with an invocation."""
    program = run.command if isinstance(run.command, str) else "".join(run.command[:1])
    if run.http is None and not program.strip():
        yield "run", "nothing to run", "write command: [./migrate, --now] or http: {url: …}"
    if run.http is not None and run.command:
        yield "run", "a command and an HTTP call", "keep one; make a step of the other"
    if not run.timeout_s:
        yield "run", "a timeout of 0s leaves no time to run", "write timeout: 60s"
    if run.http is not None:
        yield from _http_problems(run.http)


def _http_problems(call: HttpCall) -> Iterator[tuple[str, str, str]]:
    """Everything wrong with an HTTP call."""
    if not call.url.startswith(("http://", "https://")):
        yield "run", f"{call.url!r} is no HTTP address", "write url: https://…"
    for status in call.expect_status:
        if not _STATUS_FIRST <= status <= _STATUS_LAST:
            yield "run", f"{status} is no HTTP status", "write expect_status: [200]"


def _request(run: Invocation) -> Json:
    """The request as the module's docstring has it."""
    if run.http is None:
        is_text = isinstance(run.command, str)
        return {"command": ["sh", "-c", str(run.command)] if is_text else list(run.command)}
    call = run.http
    return {
        "http": {
            "method": call.method.value,
            "url": call.url,
            "headers": {name: _header(one) for name, one in call.headers.items()},
            "body": call.body,
            "expect_status": list(call.expect_status),
        }
    }


def _header(written: str | SecretRef) -> Json:
    """A header's text, or where its secret is."""
    if isinstance(written, str):
        return written
    return {"env": written.env} if written.env else {"file": written.file}
