"""Threads for what may take long beside the ticks: commands, HTTP calls, notifications.

Whatever the reason for which this process ends, short of SIGKILL, it ends its commands
first: a command that runs on without its driver would work for a rollout that nobody
watches.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable

from rolloutctl.clock import monotonic_s
from rolloutctl.core.effects import Invoke
from rolloutctl.runner.adapters import Ending, InvokeResult, Running
from rolloutctl.runner.invoke import GRACE_S, invoke, is_command

#: How long the end of this process waits for its commands to be gone, in seconds.
EXIT_S = GRACE_S + 3.0


def begin(effect: Invoke, key: str, timeout_s: float) -> Running:
    """Begins a command or an HTTP call; the `Invoker` of the real world."""

    def work(ending: Ending) -> InvokeResult:
        return invoke(effect, key, timeout_s, ending=ending)

    return in_thread(work) if is_command(effect) else in_thread_left_behind(work)


def in_thread(work: Callable[[Ending], InvokeResult]) -> Running:
    """Begins the work in a thread; asked to end, it is waited for until it has."""
    return InThread(work)


def in_thread_left_behind(work: Callable[[Ending], InvokeResult]) -> Running:
    """Begins the work in a thread; asked to end, nobody waits for it any more.

    For what cannot be interrupted: a request whose answer has not come yet.
    """
    return InThread(work, is_left_behind=True)


class InThread:
    """Work in a daemon thread, as a `Running`.

    Args:
        work: must look at its `Ending` often, or else be left behind.
        is_left_behind: it counts as ended once it was asked to.
    """

    def __init__(
        self, work: Callable[[Ending], InvokeResult], *, is_left_behind: bool = False
    ) -> None:
        self._work = work
        self._is_left_behind = is_left_behind
        self._ending = threading.Event()
        self._result: InvokeResult | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="invoke", daemon=True)
        if not is_left_behind:
            _note(self)
        self._thread.start()

    def result(self) -> InvokeResult | None:
        """See `Running.result`."""
        if self._error is not None:
            raise self._error
        if self._result is None and self._is_left_behind and self._ending.is_set():
            message = "not waited for any longer; it may have taken effect all the same"
            return InvokeResult(ok=False, message=message, output="")
        return self._result

    def end(self) -> None:
        """See `Running.end`."""
        self._ending.set()

    def join(self, limit_s: float) -> None:
        """Waits until its thread has ended, at most `limit_s`."""
        self._thread.join(timeout=max(0.0, limit_s))

    def _run(self) -> None:
        try:
            self._result = self._work(self._ending)
        except BaseException as error:  # noqa: BLE001 - it is raised again where `result` is asked
            self._error = error
        finally:
            _forget(self)


_lock = threading.Lock()
_alive: set[InThread] = set()


def _note(running: InThread) -> None:
    with _lock:
        _alive.add(running)


def _forget(running: InThread) -> None:
    with _lock:
        _alive.discard(running)


def end_all() -> None:
    """Ends every command of this process; the net under every other way to end them."""
    with _lock:
        running = tuple(_alive)
    for one in running:
        one.end()
    until_s = monotonic_s() + EXIT_S
    for one in running:
        one.join(until_s - monotonic_s())


# This module is loaded when the first command is begun, so nobody else pays for it.
atexit.register(end_all)
