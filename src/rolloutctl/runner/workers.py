"""Daemon threads for work that may hang; a bounded number, started when needed.

Not `ThreadPoolExecutor`: its threads are joined when the interpreter exits, so one webhook
that hangs would keep a finished process alive.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

Answer = TypeVar("Answer")

#: Work as the workers take it; must not raise.
Work = Callable[[], None]


class Workers:
    """Runs work on at most `count` threads, in the order it was given.

    Args:
        count: the most threads; they are started one by one, when work has to wait.
        name: what the threads are called.
    """

    def __init__(self, count: int, *, name: str) -> None:
        self._count = count
        self._name = name
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._unfinished = 0

    def run(self, work: Work) -> None:
        """Queues the work; never blocks."""
        with self._lock:
            self._unfinished += 1
            must_start = self._unfinished > self._threads and self._threads < self._count
            self._threads += must_start
        self._queue.put(work)
        if must_start:
            threading.Thread(target=self._serve, name=self._name, daemon=True).start()

    def close(self) -> None:
        """Lets the threads end after the work they have; a hanging one is left behind."""
        with self._lock:
            threads = self._threads
        for _ in range(threads):
            self._queue.put(None)

    def _serve(self) -> None:
        while (work := self._queue.get()) is not None:
            try:
                work()
            finally:
                with self._lock:
                    self._unfinished -= 1


def at_once(work: Work) -> None:
    """Runs the work here and now: what stands for workers on a fake clock."""
    work()


class Begun(Generic[Answer]):
    """Work begun in a daemon thread, for a caller that waits for it as long as it likes.

    Args:
        work: what may hang; it goes on when nobody waits any more.
        name: what the thread is called.
    """

    def __init__(self, work: Callable[[], Answer], *, name: str) -> None:
        self._work = work
        self._is_done = threading.Event()
        self._answers: list[Answer] = []
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def ends_within(self, limit_s: float) -> bool:
        """Waits up to `limit_s` seconds; whether the work has ended."""
        return self._is_done.wait(limit_s)

    @property
    def error(self) -> BaseException | None:
        """What the work raised; None if it did not, or has not ended."""
        return self._error

    def answer(self) -> Answer:
        """What the work returned; raises what it raised. Only once it has ended."""
        if self._error is not None:
            raise self._error
        return self._answers[0]

    def _run(self) -> None:
        try:
            self._answers.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised in the thread that asks
            self._error = error
        finally:
            self._is_done.set()
