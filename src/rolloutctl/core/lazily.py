"""A property computed once per object; for objects that live as short as a decision.

`functools.cached_property` takes a lock at every first use in Python 3.11, which costs more
than what is computed here. A view is used by one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class lazily(Generic[T]):  # noqa: N801 - used like `property`
    """Computes on first access and keeps the result in the object's `__dict__`."""

    def __init__(self, compute: Callable[[Any], T]) -> None:  # Any: the object that owns it
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, owner: Any, kind: type) -> T:  # Any: as above
        """The value; later accesses find it in the object itself."""
        value: T = self._compute(owner)
        owner.__dict__[self._name] = value
        return value
