"""`rolloutctl agent`: drives every rollout whose lease is free, until it is told to stop."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.agent_log import AgentLog
from rolloutctl.cli.interrupts import noted
from rolloutctl.cli.options import OutputOption, StoreOption
from rolloutctl.cli.retention import parse_retention, prune
from rolloutctl.cli.unattended import ports
from rolloutctl.errors import ExitCode
from rolloutctl.runner.agent import POLL_S, AgentEvent, run_agent
from rolloutctl.runner.workers import Workers
from rolloutctl.ui.console import Console, Output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rolloutctl.core.ports import Clock, Journal
    from rolloutctl.runner.agent import AgentPorts

#: How often a running agent removes old rollouts from the journal, in seconds.
UPKEEP_S = 3_600.0

ListenOption = Annotated[
    str,
    typer.Option(
        "--listen",
        metavar="HOST:PORT",
        envvar="ROLLOUTCTL_LISTEN",
        help="Answer /metrics, /healthz and /readyz there; nothing else, and no orders.",
    ),
]


def run(
    *,
    poll: Annotated[
        float,
        typer.Option(min=0.05, help="Seconds between two looks at the journal for requests."),
    ] = POLL_S,
    listen: ListenOption = "",
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Drive every open rollout whose lease is free, on this machine or many, until stopped.

    One rollout that fails does not stop the others. SIGINT and SIGTERM leave the exposure
    where it is and say what is unwatched; exit 130. With --output ndjson every line of
    standard output is one JSON object: events, and what becomes of rollouts here.

    Example: rolloutctl agent --output ndjson --listen 127.0.0.1:9464
    """
    console, clock = Console(output=output), wiring.clock()
    retention_s = parse_retention(os.environ)
    ledger = wiring.journal(store, os.environ)
    log = AgentLog(console, clock)
    upkeep = _Upkeep(clock, partial(prune, ledger, clock, console, retention_s=retention_s))
    with noted() as interrupts, _listening(listen, console, ledger, clock, log) as watched:

        def stop() -> bool:
            watched.beat()
            if interrupts.count:
                log.says("stopping", "stopping between two acts of each rollout")
                return True
            upkeep.look()
            return False

        log.says("started", "driving every rollout whose lease is free; interrupt to stop")
        run_agent(watched.ports, stop=stop, poll_s=poll)
    return ExitCode.INTERRUPTED


@dataclass(frozen=True, slots=True)
class _Watched:
    """What the agent drives with; `beat` is called in every round of its loop."""

    ports: AgentPorts
    beat: Callable[[], None]


@contextmanager
def _listening(
    listen: str, console: Console, ledger: Journal, clock: Clock, log: AgentLog
) -> Iterator[_Watched]:
    """The agent's ports; with an address, their pages are served as long as the block runs."""
    if not listen:
        told = replace(ports(console, ledger, clock), on_event=log.event, on_trouble=log.trouble)
        yield _Watched(told, lambda: None)
        return
    from rolloutctl.cli.agent_metrics import AgentMetrics  # noqa: PLC0415 - only if asked for
    from rolloutctl.cli.agent_page import AgentPage, parse_listen, served  # noqa: PLC0415 - same

    address = parse_listen(listen)
    metrics = AgentMetrics(clock)
    page = AgentPage(metrics, clock.now)

    def event(one: AgentEvent) -> None:
        metrics.event(one)
        log.event(one)

    def trouble(because: str) -> None:
        metrics.trouble(because)
        log.trouble(because)

    told = replace(
        ports(console, ledger, clock, watch=metrics.watch),
        on_event=event,
        on_trouble=trouble,
        on_turn=metrics.turn,
        on_look=metrics.looked,
    )
    with served(page, *address) as url:
        log.says("listening", f"{url}/metrics, /healthz, /readyz")
        yield _Watched(told, page.beat)


@dataclass(slots=True)
class _Upkeep:
    """Removes old rollouts now and then, in a thread of its own: no rollout waits for it."""

    clock: Clock
    work: Callable[[], None]
    _workers: Workers = field(default_factory=lambda: Workers(1, name="upkeep"))
    _next_at: datetime | None = None

    def look(self) -> None:
        """Begins the work if it is time."""
        now = self.clock.now()
        if self._next_at is None or now >= self._next_at:
            self._next_at = now + timedelta(seconds=UPKEEP_S)
            self._workers.run(self.work)
