"""Asks several services at once: one slow source must not delay the judgement of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")

#: Questions on their way at once, of all rollouts of this process together.
THREADS_MAX = 16


def together(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Runs the calls side by side; their results in order. Each call bounds its own time."""
    if len(calls) < 2:  # noqa: PLR2004 - one call needs no thread
        return [call() for call in calls]
    return list(_threads().map(lambda call: call(), calls))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="ask")
