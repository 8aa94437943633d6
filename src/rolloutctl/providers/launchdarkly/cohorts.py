"""Cohorts as LaunchDarkly says them: the clauses of a rule."""

from __future__ import annotations

from collections.abc import Sequence

from rolloutctl.core.exposure import Cohort, Condition
from rolloutctl.errors import Rejected
from rolloutctl.providers.launchdarkly.configuration import Clause

#: The attribute that stands for a segment, by its key.
SEGMENT = "segment"
_SEGMENT_OP = "segmentMatch"
_IN = "in"
#: More values are a segment's matter.
VALUES_MAX = 500


def clauses_of(cohort: Cohort | None, kind: str) -> tuple[Clause, ...]:
    """Clauses that only the cohort satisfies; all of them must hold.

    Args:
        cohort: `region`, or with another context kind `organization.tier`.
        kind: the context kind of attributes that name none.

    Raises:
        Rejected: a condition that a clause cannot hold.
    """
    return tuple(_clause(each, kind) for each in cohort or ())


def _clause(condition: Condition, kind: str) -> Clause:
    name, values = condition.attribute, condition.values
    if len(values) > VALUES_MAX:
        raise Rejected(
            f"{name}: {len(values)} values; a rule of rolloutctl holds {VALUES_MAX}",
            hint=f"make a segment in LaunchDarkly and write {SEGMENT}: KEY",
        )
    if name == SEGMENT:
        keys = tuple(str(each) for each in values)
        return Clause(attribute=_SEGMENT_OP, op=_SEGMENT_OP, values=keys, context_kind=kind)
    own, dot, attribute = name.partition(".")
    # A name with a slash is a reference into an object (/address/city): dots are its own.
    if not dot or "/" in own:
        own, attribute = kind, name
    return Clause(attribute=attribute, op=_IN, values=tuple(values), context_kind=own)


def cohort_of(clauses: Sequence[Clause], kind: str) -> Cohort | None:
    """Whom the clauses select; None is everybody.

    Raises:
        ValueError: another operator, or anything that a cohort cannot say.
    """
    return tuple(_condition(each, kind) for each in clauses) or None


def _condition(clause: Clause, kind: str) -> Condition:
    values = tuple(v for v in clause.values if isinstance(v, str | int | float | bool))
    if clause.negate or not values or len(values) != len(clause.values):
        raise ValueError(f"the clause on {clause.attribute} is not a plain list of values")
    if clause.op == _SEGMENT_OP:
        return Condition(attribute=SEGMENT, values=values)
    if clause.op != _IN:
        raise ValueError(f"the clause on {clause.attribute} has the operator {clause.op}")
    is_default = clause.context_kind == kind and "." not in clause.attribute
    name = clause.attribute if is_default else f"{clause.context_kind}.{clause.attribute}"
    return Condition(attribute=name, values=values)
