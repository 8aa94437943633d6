"""Tells the notifiers of one rollout while this process drives it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rolloutctl.runner.rollout import Rollout
    from rolloutctl.runner.telling import Teller


@contextmanager
def told(rollout: Rollout) -> Iterator[Teller | None]:
    """A teller for `loop.drive`, beside the driving; None where nobody is to be told.

    The lease must be taken: only who drives tells. Raises `JournalUnavailable`.
    """
    if not rollout.adapters.notifiers:
        yield None
        return
    from rolloutctl.runner.telling import THREADS_MAX, Teller  # noqa: PLC0415 - if there are any
    from rolloutctl.runner.workers import Workers  # noqa: PLC0415 - same

    workers = Workers(min(THREADS_MAX, len(rollout.adapters.notifiers)), name="tell")
    teller = Teller(rollout, run=workers.run)
    try:
        yield teller
    finally:
        teller.close()
        workers.close()
