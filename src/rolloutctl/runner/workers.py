"""Daemon threads for work that may hang; a bounded number, started when needed.

Not `ThreadPoolExecutor`: its threads are joined when the interpreter exits, so one webhook
that hangs would keep a finished process alive.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

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
