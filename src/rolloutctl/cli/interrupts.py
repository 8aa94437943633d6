"""SIGINT, SIGTERM and SIGHUP become a word that the driving loop reads between two acts.

SAFETY: a write that is on its way is finished and recorded before anybody stops.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """How often this process was told to stop. `count` only grows."""

    def __init__(self) -> None:
        self.count = 0

    def note(self, number: int, frame: FrameType | None) -> None:
        """The signal handler: counts, nothing else."""
        del number, frame
        self.count += 1


@contextmanager
def noted() -> Iterator[Interrupts]:
    """Collects signals within the block; afterwards they mean what they meant before."""
    interrupts = Interrupts()
    before = [(number, signal.signal(number, interrupts.note)) for number in SIGNALS]
    try:
        yield interrupts
    finally:
        for number, handler in before:
            signal.signal(number, handler)
