"""The shape of JSON, for evidence and snapshots that cross the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

#: Numbers are finite: NaN and infinities are written as strings or not at all.
Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
