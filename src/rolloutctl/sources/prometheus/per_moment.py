"""Something read once for all questions of the same moment.

A tick asks several gates' queries at one time: they are answered from one answer of the
server, so that they are of the same moment and a dead server costs one timeout.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar

from rolloutctl.errors import RolloutctlError

T = TypeVar("T")


class PerMoment(Generic[T]):
    """Remembers the last answer, also when that was an error."""

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._known: tuple[datetime, T | RolloutctlError] | None = None

    def at(self, moment: datetime) -> T:
        """The answer as of `moment`: read now, unless it was for the same one before."""
        with self._lock:
            if self._known is None or self._known[0] != moment:
                self._known = (moment, self._answer())
            answer = self._known[1]
        if isinstance(answer, RolloutctlError):
            raise answer
        return answer

    def _answer(self) -> T | RolloutctlError:
        try:
            return self._read()
        except RolloutctlError as error:
            return error
