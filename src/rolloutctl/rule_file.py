"""Puts the expressions of alerting rules into the playbook that names them.

`rule: {file: rules.yml, alert: NAME}` of a threshold gate is completed with the rule's `expr`
and `for`, before anything is parsed: they stand in the frozen playbook as text, so the
file is never read again and a later change of it does not change a running rollout.

The file is one of Prometheus' (`groups: [{rules: [{alert, expr, for}]}]`) or a Kubernetes
object of kind PrometheusRule, which has the groups under `spec`.
https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rolloutctl.core.document import Node
from rolloutctl.core.parsing import child, key_node
from rolloutctl.core.report import Report, listed, unknown_fix
from rolloutctl.errors import Problem
from rolloutctl.yaml_document import document_of

#: An expression stands in the journal, and is asked at every look.
EXPR_CHARS_MAX = 20_000
#: The kind of gate that takes rules; the key `rule` of another kind is its own.
_KIND = "threshold"
_KEY = "rule"
#: What is filled in; nobody writes it by hand.
_READ = ("expr", "for")
#: https://github.com/prometheus/common/blob/main/model/time.go, "0" besides.
_DURATION = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?"
)
_MS = (31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1_000, 1)
#: Ten years, as in the playbook's own durations.
_DURATION_MAX_MS = 10 * _MS[0]
#: Stands for an expression that could not be read; with an error beside it nothing is started.
_UNREAD = "vector(0)"


def with_rules(document: Node, *, file: str) -> tuple[Node, tuple[Problem, ...]]:
    """The document with every named rule filled in, and what is wrong with them.

    Args:
        document: a playbook.
        file: where it stands; the paths of rule files begin beside it.
    """
    gates = child(document, "gates")
    if gates is None or not any(_rule_of(gate) for _, gate in gates.pairs):
        return document, ()
    reading = _Reading(Report(file), file)
    filled = replace(
        gates, pairs=tuple((name, reading.gate(name.text, gate)) for name, gate in gates.pairs)
    )
    pairs = tuple((key, filled if value is gates else value) for key, value in document.pairs)
    return replace(document, pairs=pairs), (*reading.report.problems, *reading.elsewhere)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """An alerting rule in its file."""

    name: str
    node: Node
    at: Node  # its name

    def text(self, key: str) -> str:
        """The scalar under a key, "" if there is none."""
        found = child(self.node, key)
        return found.text.strip() if found is not None and found.kind == "scalar" else ""


class _Reading:
    """One run over the gates of a playbook; each rule file is read once."""

    def __init__(self, report: Report, file: str) -> None:
        self.report = report
        self._folder = os.path.dirname(file)  # noqa: PTH120 - paths are shown as they are given
        self._files: dict[str, Sequence[_Rule] | str] = {}
        self._told: list[Problem] = []
        self._reports: dict[str, Report] = {}

    @property
    def elsewhere(self) -> tuple[Problem, ...]:
        """What is wrong in the rule files, file by file."""
        found = [one for report in self._reports.values() for one in report.problems]
        return tuple(dict.fromkeys((*self._told, *found)))

    def gate(self, name: str, gate: Node) -> Node:
        """The gate with its rule filled in."""
        rule = _rule_of(gate)
        if rule is None:
            return gate
        filled = self._filled(f"gates.{name}.{_KEY}", rule)
        pairs = tuple((key, filled if value is rule else value) for key, value in gate.pairs)
        return replace(gate, pairs=pairs)

    def _filled(self, where: str, rule: Node) -> Node:
        """The value of `rule` with what stands in the file."""
        by_hand = [key for key in _READ if key_node(rule, key) is not None]
        for key in by_hand:
            message = f"{where}: {key} is read from the file"
            self.report.error(key_node(rule, key) or rule, message, fix="remove it")
        # What was told of here is told once: the decoder finds no reference any more.
        kept = tuple(
            (key, replace(value, text=value.text.replace("${", "")))
            for key, value in rule.pairs
            if key.text not in by_hand
        )
        expr, lasting = self._read(where, rule)
        read = [_pair(rule, "expr", expr)] + ([_pair(rule, "for", lasting)] if lasting else [])
        return replace(rule, pairs=(*kept, *read))

    def _read(self, where: str, rule: Node) -> tuple[str, str]:
        """Expression and `for` of the named rule; a stand-in after telling what is wrong."""
        file, alert = child(rule, "file"), child(rule, "alert")
        for node in (file, alert):
            if node is None or node.kind != "scalar":
                return _UNREAD, ""  # the decoder tells of it
            if "${" in node.text:
                message = f"{where}: a reference cannot say which rule is read"
                self.report.error(node, message, fix="write the name itself")
                return _UNREAD, ""
        if file is None or alert is None:  # pragma: no cover - for the type checker
            return _UNREAD, ""
        path = os.path.join(self._folder, file.text)  # noqa: PTH118 - as above
        rules = self._rules(path)
        if isinstance(rules, str):
            if rules:
                fix = "name a rule file; a relative path begins at the playbook"
                self.report.error(file, f"{where}: {path} {rules}", fix=fix)
            return _UNREAD, ""
        found = self._named(where, rule, alert, rules)
        return (_UNREAD, "") if found is None else self._used(found, path)

    def _rules(self, path: str) -> Sequence[_Rule] | str:
        """The alerting rules of a file, or why it cannot be read: "" where its lines tell."""
        if path not in self._files:
            self._files[path] = self._read_file(path)
        return self._files[path]

    def _read_file(self, path: str) -> Sequence[_Rule] | str:
        report = self._reports[path] = Report(path)
        root, told = document_of(path, noun="rule file")
        if told and told[0].message.startswith("cannot be read"):
            return told[0].message
        self._told += told
        if root is None or told:
            return ""
        rules = list(_rules_in(root, report))
        return "" if report.has_errors else rules

    def _named(self, where: str, rule: Node, alert: Node, rules: Sequence[_Rule]) -> _Rule | None:
        """The one rule that is meant; None after telling."""
        named = [one for one in rules if one.name == alert.text]
        labels = child(rule, "labels")
        wanted = {key.text: value.text for key, value in labels.pairs} if labels else {}
        fitting = [one for one in named if wanted.items() <= _labels(one).items()]
        if len(fitting) == 1:
            return fitting[0]
        if not named:
            names = list(dict.fromkeys(one.name for one in rules))
            message = f"{where}: the file has no alert {alert.text!r:.80}"
            self.report.error(alert, message, fix=unknown_fix(alert.text, names))
            return None
        places = listed(f"line {one.at.line}: {_shown(_labels(one))}" for one in named)
        few = f"{len(fitting) or 'no'} of its {len(named)} alerts {alert.text} "
        fix = "write labels: {…} so that one is left, or rename one in the file"
        self.report.error(alert, f"{where}: {few}fit ({places})", fix=fix)
        return None

    def _used(self, rule: _Rule, path: str) -> tuple[str, str]:
        """Expression and `for`; warns of what a gate has no use for."""
        report, expr, lasting = self._reports[path], rule.text("expr"), rule.text("for")
        at = child(rule.node, "expr") or rule.at
        if not expr:
            report.error(rule.at, f"alert {rule.name}: it has no expr", fix="add its expression")
        elif len(expr) > EXPR_CHARS_MAX:
            message = f"alert {rule.name}: an expression of more than {EXPR_CHARS_MAX} characters"
            report.error(at, message, fix="make recording rules of its parts", offending="")
        elif "${" in expr:
            message = f"alert {rule.name}: ${{…}} would be taken for a reference of the playbook"
            report.error(at, message, fix="write $1 for ${1}", offending="${")
        seconds = _duration(lasting) if lasting else ""
        if seconds is None:
            message = f"alert {rule.name}: {lasting!r:.40} is no duration of Prometheus"
            report.error(child(rule.node, "for") or rule.at, message, fix="write for: 5m")
        if keeps := key_node(rule.node, "keep_firing_for"):
            message = f"alert {rule.name}: keep_firing_for is not used"
            fix = "nothing to do: a gate that has failed stays failed in its step"
            report.warning(keeps, message, fix=fix)
        return (_UNREAD, "") if report.has_errors else (expr, seconds or "")


def _rule_of(gate: Node) -> Node | None:
    """The value of a threshold gate's key `rule`, if it is keys and values."""
    kind, rule = child(gate, "kind"), child(gate, _KEY)
    if kind is None or kind.text != _KIND or rule is None or rule.kind != "mapping":
        return None
    return rule


def _pair(rule: Node, key: str, text: str) -> tuple[Node, Node]:
    """A key that was read, standing where the rule is named."""
    at = Node(kind="scalar", line=rule.line, column=rule.column)
    return replace(at, text=key), replace(at, text=text, plain=False)


def _rules_in(root: Node, report: Report) -> Iterator[_Rule]:
    """The alerting rules of a document; tells where it is none."""
    kind = child(root, "kind")
    is_object = kind is not None and kind.text == "PrometheusRule"
    groups = child((child(root, "spec") or root) if is_object else root, "groups")
    if groups is None or groups.kind != "sequence":
        fix = "name a file of Prometheus with groups: [{name: …, rules: […]}]"
        report.error(groups or root, "no rule file: groups is no list", fix=fix, offending="")
        return
    for group in groups.items:
        rules = child(group, "rules")
        if rules is None or rules.kind != "sequence":
            message = "a group without a list of rules"
            report.error(rules or group, message, fix="add rules: […]", offending="")
            continue
        for rule in rules.items:
            name = child(rule, "alert")
            if name is not None and name.kind == "scalar":
                yield _Rule(name=name.text, node=rule, at=name)


def _labels(rule: _Rule) -> dict[str, str]:
    found = child(rule.node, "labels")
    return {key.text: value.text for key, value in found.pairs} if found is not None else {}


def _shown(labels: dict[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in labels.items()) + "}"


def _duration(text: str) -> str | None:
    """A duration of Prometheus in the playbook's own form; None if it is none."""
    if text == "0":
        return "0s"
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        return None
    total_ms = sum(int(count) * ms for count, ms in zip(match.groups("0"), _MS, strict=True))
    if total_ms > _DURATION_MAX_MS:
        return None
    return f"{total_ms // 1000}s" if total_ms % 1000 == 0 else f"{total_ms}ms"
