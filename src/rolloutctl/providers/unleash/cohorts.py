"""Cohorts as Unleash says them: constraints and segments of a strategy."""

from __future__ import annotations

from collections.abc import Mapping

from rolloutctl.core.exposure import Cohort, Condition
from rolloutctl.core.json_types import Json
from rolloutctl.errors import Rejected
from rolloutctl.providers.unleash.configuration import Strategy

#: The attribute that stands for a segment, by its id.
SEGMENT = "segment"
#: Server 8.2.0 takes no more values in one constraint.
VALUES_MAX = 250
_PLAIN_FIELDS = frozenset({"contextName", "operator", "values", "inverted", "caseInsensitive"})


def restrict(cohort: Cohort | None) -> tuple[tuple[Mapping[str, Json], ...], tuple[int, ...]]:
    """Constraints and segments that only the cohort satisfies; all of them must hold.

    Raises:
        Rejected: a condition that Unleash cannot hold.
    """
    constraints: list[Mapping[str, Json]] = []
    segments: list[int] = []
    for condition in cohort or ():
        if condition.attribute == SEGMENT:
            segments.append(_segment(condition))
            continue
        if len(condition.values) > VALUES_MAX:
            raise Rejected(
                f"{condition.attribute}: {len(condition.values)} values;"
                f" Unleash takes {VALUES_MAX}",
                hint=f"make a segment in Unleash and write {SEGMENT}: ID",
            )
        values = [text_of(each) for each in condition.values]
        constraints.append({"contextName": condition.attribute, "operator": "IN", "values": values})
    return tuple(constraints), tuple(segments)


def _segment(condition: Condition) -> int:
    found = condition.values[0] if len(condition.values) == 1 else None
    if not isinstance(found, int) or isinstance(found, bool):
        raise Rejected(
            f"{SEGMENT}: {condition.values} is not the id of one segment",
            hint="write the number in the address of the segment's page, such as segment: 3",
        )
    return found


def text_of(found: str | float) -> str:
    """A value as applications must send it: Unleash compares texts."""
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found)


def cohort_of(strategy: Strategy) -> Cohort | None:
    """Whom the strategy is for; None is everybody.

    Raises:
        ValueError: another operator, or anything that a cohort cannot say.
    """
    conditions = [_condition(each) for each in strategy.constraints]
    conditions += [Condition(attribute=SEGMENT, values=(each,)) for each in strategy.segments]
    return tuple(conditions) or None


def _condition(constraint: Mapping[str, Json]) -> Condition:
    name, found = constraint.get("contextName"), constraint.get("values")
    is_plain = (
        constraint.get("operator") == "IN"
        and not constraint.get("inverted")
        and not constraint.get("caseInsensitive")
        and set(constraint) <= _PLAIN_FIELDS
    )
    if not is_plain or not isinstance(name, str) or not isinstance(found, list) or not found:
        raise ValueError(f"the constraint on {name} is not a plain list of values")
    return Condition(attribute=name, values=tuple(str(each) for each in found))
