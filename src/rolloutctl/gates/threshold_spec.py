"""What a `threshold` gate is written as, and what can be wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from rolloutctl.core.lazily import lazily
from rolloutctl.core.measurement import Query, QueryKind
from rolloutctl.core.references import references
from rolloutctl.core.units import DurationS, Share, doc, format_duration, key
from rolloutctl.gates.condition import Condition, common_value, parse_condition
from rolloutctl.gates.rule import RuleSpec
from rolloutctl.gates.selectors import problem_of_selector

#: A shorter window is a typing error; no source has data that fine.
WINDOW_MIN_S = 1.0

#: (key, message, fix)
Problem = tuple[str, str, str]
#: Forms whose text is in the source's language; it has its own window.
_WHOLE = frozenset({"query", "rule"})


class Form(StrEnum):
    """The five ways to say which number is judged."""

    EXPRESSION = "query"
    RULE = "rule"
    SHARE = "bad/total"
    MEAN = "sum/count"
    QUANTILE = "histogram/quantile"


_KINDS = {Form.EXPRESSION: QueryKind.EXPRESSION, Form.RULE: QueryKind.CONDITION}


class Asked(NamedTuple):
    """What follows from a spec alone.

    Attributes:
        form: the form in use.
        kind: how its texts are meant.
        names: the keys of its texts, in the order they are asked.
        references: all names that its texts refer to.
        within: the window, in words.
        queries: those made already, by the values of the references; bounded by its user.
    """

    form: Form
    kind: QueryKind
    names: tuple[str, ...]
    references: frozenset[str]
    within: str
    queries: dict[tuple[str | None, ...], tuple[Query, ...]]


@dataclass(frozen=True, kw_only=True)  # no slots: what follows from it is kept with it
class ThresholdSpec:
    """One number against one or two limits; empty and 0 mean "not given".

    Exactly one form: `query`, or `bad` and `total`, or `sum` and `count`, or `histogram`
    and `quantile`, or `rule`; all but `query` and `rule` are selectors of raw counters and need
    a `window`. A `rule` has its own limit, and its own `for`.
    """

    query: str = doc("an expression in the source's language that gives one number", default="")
    rule: RuleSpec | None = doc("an alerting rule: fails while it holds", default=None)
    bad: str = doc("selector of the counters of bad events", default="")
    total: str = doc("selector of the counters of all events", default="")
    sum_: str = key("sum", doc="selector of the counters to add up, such as cost", default="")
    count: str = doc("selector of the counters to divide by", default="")
    histogram: str = doc("selector of a histogram's _bucket series", default="")
    quantile: Share = doc("which quantile of the histogram, such as 99%", default=0.0)
    window_s: DurationS = key(
        "window", doc="events of the last so long are judged, such as 5m", default=0.0
    )
    pass_: str = key("pass", doc='passes when this holds, such as "> 0.99"', default="")
    fail: str = doc('fails when this holds, such as "< 0.95"', default="")
    for_s: DurationS = key("for", doc="a failure counts when it has lasted so long", default=0.0)

    def texts(self) -> dict[str, str]:
        """The texts asked of the source, by key: the part before the whole."""
        named = {
            "query": self.query,
            "rule": self.rule.expr if self.rule is not None else "",
            "bad": self.bad,
            "total": self.total,
            "sum": self.sum_,
            "count": self.count,
            "histogram": self.histogram,
        }
        return {name: text for name, text in named.items() if text}

    def form(self) -> Form:
        """The form in use; of a spec without problems it is the only one."""
        if self.rule is not None:
            return Form.RULE
        if self.query:
            return Form.EXPRESSION
        if self.bad:
            return Form.SHARE
        return Form.MEAN if self.sum_ else Form.QUANTILE

    @lazily
    def asked(self) -> Asked:
        """What every look needs of it; hashing a spec to find that costs more than a look."""
        texts = self.texts()
        form = self.form()
        return Asked(
            form=form,
            kind=_KINDS.get(form, QueryKind.COUNTERS),
            names=tuple(texts),
            references=frozenset(name for text in texts.values() for name in references(text)),
            within=format_duration(self.window_s),
            queries={},
        )

    @property
    def lasting_s(self) -> float:
        """How long a failure must last: its own `for`, or the rule's."""
        return self.rule.for_s if self.rule is not None else self.for_s

    def fail_condition(self) -> Condition | None:
        """The parsed `fail`, None if not given; of a rule: any series. Raises `ValueError`."""
        if self.rule is not None:
            return parse_condition("> 0")
        return parse_condition(self.fail) if self.fail else None

    def pass_condition(self) -> Condition | None:
        """The parsed `pass`, None if not given. Raises `ValueError`."""
        return parse_condition(self.pass_) if self.pass_ else None


def problems_of(spec: ThresholdSpec) -> Iterator[Problem]:
    """Everything wrong with a spec."""
    yield from _form_problems(spec)
    yield from _text_problems(spec)
    yield from _condition_problems(spec)


def _form_problems(spec: ThresholdSpec) -> Iterator[Problem]:
    """Is it one form, whole, with its window?"""
    forms = {
        Form.EXPRESSION: {"query": bool(spec.query)},
        Form.RULE: {"rule": spec.rule is not None},
        Form.SHARE: {"bad": bool(spec.bad), "total": bool(spec.total)},
        Form.MEAN: {"sum": bool(spec.sum_), "count": bool(spec.count)},
        Form.QUANTILE: {"histogram": bool(spec.histogram), "quantile": spec.quantile != 0},
    }
    used = {form: keys for form, keys in forms.items() if any(keys.values())}
    if not used:
        choices = "query, bad and total, sum and count, histogram and quantile, or rule"
        yield "", "nothing to measure", f"give {choices}"
        return
    if len(used) > 1:
        names = ", ".join(used)
        yield "", f"several numbers to judge: {names}", "keep one; make a gate of each other"
    for form, keys in used.items():
        for name in (name for name, is_given in keys.items() if not is_given):
            yield name, f"{form} needs {name}", f"add {name}"
    if spec.histogram and not 0 <= spec.quantile < 1:
        yield "quantile", "a quantile is between 0% and 100%", "write 99%"
    yield from _window_problems(spec, needs_window=not set(used) <= set(_KINDS))


def _window_problems(spec: ThresholdSpec, *, needs_window: bool) -> Iterator[Problem]:
    """Is the window there where it means something, and only there?"""
    if needs_window and spec.window_s == 0:
        yield "window", "selectors are counted over a window", "add window: 5m"
    elif needs_window and spec.window_s < WINDOW_MIN_S:
        yield "window", f"a window is at least {WINDOW_MIN_S:g}s", "write window: 5m"
    elif not needs_window and spec.window_s:
        yield "window", "a query has its own window", "remove window, write [5m] in the query"


def _text_problems(spec: ThresholdSpec) -> Iterator[Problem]:
    """Are the selectors selectors, and is each about one arm?"""
    if spec.bad and spec.bad == spec.total:
        message = "bad and total select the same: the share is always 100%"
        yield "bad", message, 'narrow bad, such as status=~"5.."'
    for name, text in spec.texts().items():
        if any(reference.startswith("arm.") for reference in references(text)):
            yield (
                name,
                "${arm.…} asks once per arm; a threshold judges one number",
                "write ${canary.…} or ${control.…}",
            )
        problem = "" if name in _WHOLE else problem_of_selector(text)
        if problem:
            yield (
                name,
                f"{name} takes a selector of raw counters, no functions or ranges: {problem}",
                'write a selector such as requests_total{status="500"}, or use query',
            )


def _rule_problems(spec: ThresholdSpec, rule: RuleSpec) -> Iterator[Problem]:
    """Was the rule read, and is nothing said twice?"""
    if not rule.expr:
        yield "rule", "the rule was not read from its file", "load the playbook from its own file"
    for name, value in (("pass", spec.pass_), ("fail", spec.fail), ("for", spec.for_s)):
        if value:
            message = f"a rule has its own {'for' if name == 'for' else 'limit'}"
            yield name, message, f"remove {name}, or write the expression as query"


def _condition_problems(spec: ThresholdSpec) -> Iterator[Problem]:
    """Is there a limit, can it be read, and can it be reached?"""
    if spec.rule is not None:
        yield from _rule_problems(spec, spec.rule)
        return
    if not spec.fail and not spec.pass_:
        yield "", "no condition: nothing would ever fail", 'add fail: "< 0.95" or pass: "> 0.99"'
    conditions: dict[str, Condition] = {}
    for name, text in (("pass", spec.pass_), ("fail", spec.fail)):
        try:
            if text:
                conditions[name] = parse_condition(text)
        except ValueError as unreadable:
            yield name, f"cannot read {text!r}", str(unreadable)
    for name, condition in conditions.items():
        if spec.bad and (condition.unit == "s" or not 0 <= condition.limit <= 1):
            yield (
                name,
                f"bad/total is a share from 0 to 1; {condition} cannot be meant",
                f'write a percentage such as {name}: "{condition.sign} 5%"',
            )
    if len(conditions) == 2:  # noqa: PLR2004 - both pass and fail
        common = common_value(conditions["pass"], conditions["fail"])
        if common is not None:
            yield "pass", f"pass and fail both hold for {common:g}", "leave a gap between them"
