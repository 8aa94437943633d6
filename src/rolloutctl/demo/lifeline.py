"""How the demo's processes end: on SIGTERM at once, and never after their parent."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

_CHUNK_BYTES = 4096


def end_on_sigterm() -> None:
    """Ends the process at the first SIGTERM; there is nothing worth saving."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        os._exit(0)

    signal.signal(signal.SIGTERM, end)


def end_with_parent() -> None:
    """Ends the process when its standard input closes.

    The parent holds the other end of that pipe and nobody else does, so the kernel
    closes it however the parent ends, `kill -9` included, on every platform. A Ctrl-C
    is left to the parent, which may still need the application while it rolls back.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_read_to_the_end, name="lifeline", daemon=True).start()


def _read_to_the_end() -> None:
    stdin = sys.stdin.fileno()
    while os.read(stdin, _CHUNK_BYTES):
        pass
    os._exit(0)
