"""Which alerts are meant, `NAME{label="value"}`, and how a source tells of their states; pure.

The name may be anything that Prometheus takes for one (`High error rate` too); the conditions on
labels are those of a series selector. https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from rolloutctl.core.selector import (
    Matcher,
    Operator,
    Selector,
    SelectorError,
    build_predicate,
    parse_selector,
)

#: The label that names an alert.
NAME_LABEL = "alertname"
#: The label under which a source tells of the silences of an alert that it answers all the same.
SILENCED_LABEL = "rolloutctl_silenced"
#: The label under which a source names what a quiet alert's rule rests on and has no data.
WITHOUT_DATA_LABEL = "rolloutctl_without_data"
#: Longer names are a pasted text.
NAME_CHARS_MAX = 256

_NAMING = frozenset({Operator.EQUAL, Operator.MATCH})


class AlertState(IntEnum):
    """The value of a sample that stands for an alert; the worst is the highest."""

    INACTIVE = 0
    PENDING = 1
    FIRING = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSelector:
    """The alerts of one text.

    Attributes:
        text: as it was written, references replaced.
        matchers: all conditions; the name is one on `alertname`.
        name: the name where it is written out, else "".
    """

    text: str
    matchers: tuple[Matcher, ...]
    name: str = ""

    @property
    def is_by_name(self) -> bool:
        """Is there a condition that says which names are meant?"""
        return any(m.label == NAME_LABEL and m.operator in _NAMING for m in self.matchers)

    def predicate(self) -> Callable[[Mapping[str, str]], bool]:
        """A test for the labels of an active alert. Raises `SelectorError`."""
        return build_predicate(Selector(metric="", matchers=self.matchers))

    def may_raise(self, name: str, labels: Mapping[str, str]) -> bool:
        """May the rule with this name and these labels of its own raise such an alert?

        A label that the rule does not set itself comes from its expression's series, which
        nobody knows before it fires. SAFETY: where no name is given such a label counts as
        missing; else any rule at all would do for a mistyped label, and never fire.
        """
        own = {label: value for label, value in labels.items() if "{{" not in value}
        own[NAME_LABEL] = name
        known = [m for m in self.matchers if m.label in own or not self.is_by_name]
        return build_predicate(Selector(metric="", matchers=tuple(known)))(own)


def parse_alerts(text: str) -> AlertSelector:
    """Parses `NAME`, `NAME{label="value"}` or `{label="value"}`.

    Raises `SelectorError` with the position of the mistake.
    """
    head, brace, _ = text.partition("{")
    name = head.strip()
    if len(name) > NAME_CHARS_MAX:
        raise SelectorError(
            f"a name longer than {NAME_CHARS_MAX} characters", position=NAME_CHARS_MAX
        )
    if odd := next((character for character in name if character in "}\"'`\n"), ""):
        raise SelectorError(f"{odd!r} in the name of an alert", position=text.index(odd) + 1)
    matchers = _matchers(text, len(head)) if brace else ()
    if name:
        named = Matcher(label=NAME_LABEL, operator=Operator.EQUAL, value=name, position=1)
        matchers = (named, *matchers)
    if not matchers:
        raise SelectorError("names no alert", position=1)
    selector = AlertSelector(text=text.strip(), matchers=matchers, name=name)
    selector.predicate()  # regular expressions that are refused are told here
    return selector


def _matchers(text: str, start: int) -> tuple[Matcher, ...]:
    """The conditions in the braces that begin at `start`, read as those of a metric."""
    try:
        return parse_selector("x" + text[start:]).matchers
    except SelectorError as error:
        message = str(error).removesuffix(f" at character {error.position}")
        raise SelectorError(message, position=error.position - 1 + start) from error
