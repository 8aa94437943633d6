"""Reads the one document of a YAML file, with the line and column of everything.

YAML's events are turned into `core.document.Node`s directly: no constructor runs, no
alias is expanded, and everything that has no use is refused with its position. What the keys
mean is the caller's matter.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from rolloutctl.core.document import Node
from rolloutctl.core.report import Report
from rolloutctl.errors import InvalidPlaybook, Problem

#: These files are written by people; these are far beyond any of them.
SIZE_MAX_BYTES = 1024 * 1024
DEPTH_MAX = 40
NODES_MAX = 20_000
#: What YAML allows (1.2, section 5.1), NUL and other control characters excluded.
_FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_BOMS = (
    codecs.BOM_UTF8,
    codecs.BOM_UTF32_LE,
    codecs.BOM_UTF32_BE,
    codecs.BOM_UTF16_LE,
    codecs.BOM_UTF16_BE,
)
#: libyaml's parser where PyYAML was built with it: about ten times faster.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # Any: two unrelated classes


def read(file: str) -> Node:
    """The one document in a file. Raises `InvalidPlaybook` with what YAML alone tells."""
    root, problems = document_of(file)
    if root is None or problems:
        raise InvalidPlaybook(problems)
    return root


def document_of(file: str, *, noun: str = "playbook") -> tuple[Node | None, tuple[Problem, ...]]:
    """The document, None where a part of it is not known; and what YAML alone tells.

    Args:
        file: the path, shown in problems as it is given.
        noun: what the file ought to be.
    """
    report = Report(file)
    reader = _Reader(report=report, noun=noun)
    try:
        root = reader.read(_text(file, report, noun))
    except InvalidPlaybook as full:
        return None, full.problems
    return (root if reader.is_whole else None), report.problems


def _text(file: str, report: Report, noun: str) -> str:
    """The file's text. Raises `InvalidPlaybook` if it is not all readable UTF-8."""
    try:
        with open(file, "rb") as stream:  # noqa: PTH123 - the path is shown as it was given
            content = stream.read(SIZE_MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path itself
        reason = getattr(error, "strerror", None) or str(error)
        _refuse(report, _at(1, 1), f"cannot be read: {reason}", "name a file that can be read")
    if len(content) > SIZE_MAX_BYTES:
        message = f"the file is larger than {SIZE_MAX_BYTES} bytes"
        _refuse(report, _at(1, 1), message, f"split the {noun}")
    if content.startswith(_BOMS):
        message = "the file begins with a byte order mark"
        _refuse(report, _at(1, 1), message, "save it as UTF-8 without a byte order mark")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        if b"\0" in content:
            _refuse(report, _at(1, 1), "the file is not text", f"name a {noun}, a YAML file")
        before = content[: error.start].decode()
        message = f"byte 0x{content[error.start]:02x} is not UTF-8"
        _refuse(report, _end_of(before), message, "save the file as UTF-8")
    forbidden = _FORBIDDEN.search(text)
    if forbidden:
        message = f"the character U+{ord(forbidden.group()):04X} is not allowed"
        _refuse(report, _end_of(text[: forbidden.start()]), message, "remove it")
    return text


def _refuse(report: Report, at: Node, message: str, fix: str) -> None:
    report.error(at, message, fix=fix)
    raise InvalidPlaybook(report.problems)


def _at(line: int, column: int) -> Node:
    return Node(kind="scalar", line=line, column=column)


def _end_of(text: str) -> Node:
    """The position after `text`."""
    lines = re.split("\r\n|\r|\n", text)
    return _at(len(lines), len(lines[-1]) + 1)


def _position(mark: Any) -> Node:  # Any: PyYAML's marks have no types
    return _at(mark.line + 1, mark.column + 1)


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    kind: str
    at: Node
    children: list[Node] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Builds nodes from events, without recursion."""

    report: Report
    noun: str = "playbook"
    open: list[_Open] = field(default_factory=list)
    nodes: int = 0
    root: Node | None = None
    documents: int = 0
    #: nothing is missing: with a key that stands twice the rest can be looked at all the same
    is_whole: bool = True

    def read(self, text: str) -> Node | None:
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            self._tell_syntax(error)
        if self.root is None and not self.report.has_errors:
            fix = "write a playbook; rolloutctl demo --keep DIR leaves one that works, to copy"
            fix = fix if self.noun == "playbook" else f"name a {self.noun} that has something in it"
            self.report.error(_at(1, 1), "the file is empty", fix=fix)
        return self.root

    def _tell_syntax(self, error: yaml.MarkedYAMLError) -> None:
        self.is_whole = False
        mark = error.problem_mark or error.context_mark
        at = _position(mark) if mark else _at(1, 1)
        context = f" {error.context}" if error.context else ""
        message = f"not YAML: {error.problem or 'cannot be parsed'}{context}"
        self.report.error(at, message, fix="correct the indentation, brackets or quotes here")

    def _take(self, event: yaml.Event) -> None:
        at = _position(event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                _refuse(
                    self.report, at, "a second document begins", f"write one file a {self.noun}"
                )
        elif isinstance(event, yaml.AliasEvent):
            self.report.error(
                at, f"aliases (*{event.anchor}) are not allowed", fix="repeat the text"
            )
            self._add(at)
            self.is_whole = False
        elif isinstance(event, yaml.ScalarEvent):
            self._check_properties(event, at)
            plain = event.style in {None, ""}
            self._add(
                Node(kind="scalar", line=at.line, column=at.column, text=event.value, plain=plain)
            )
        elif isinstance(event, yaml.CollectionStartEvent):
            self._check_properties(event, at)
            kind = "mapping" if isinstance(event, yaml.MappingStartEvent) else "sequence"
            self.open.append(_Open(kind, at))
            if len(self.open) > DEPTH_MAX:
                message = f"nested deeper than {DEPTH_MAX} levels"
                _refuse(self.report, at, message, f"a {self.noun} needs no such depth")
        elif isinstance(event, yaml.CollectionEndEvent):
            self._add(self._closed(self.open.pop()))

    def _check_properties(self, event: Any, at: Node) -> None:  # Any: scalars and collections
        if event.anchor or (event.tag and event.tag != "!"):
            self.is_whole = False
        if event.anchor:
            message = f"anchors (&{event.anchor}) are not allowed"
            self.report.error(at, message, fix="repeat the text where it is needed")
        if event.tag and event.tag != "!":
            message = f"tags ({event.tag}) are not allowed"
            self.report.error(at, message, fix="remove the tag; quotes make a text of anything")

    def _add(self, node: Node) -> None:
        self.nodes += 1
        if self.nodes > NODES_MAX:
            message = f"more than {NODES_MAX} values"
            _refuse(self.report, node, message, f"split the {self.noun}")
        if self.open:
            self.open[-1].children.append(node)
        else:
            self.root = node

    def _closed(self, one: _Open) -> Node:
        line, column = one.at.line, one.at.column
        if one.kind == "sequence":
            return Node(kind="sequence", line=line, column=column, items=tuple(one.children))
        seen: dict[str, Node] = {}
        pairs = []
        for key, value in zip(one.children[::2], one.children[1::2], strict=True):
            if self._is_usable_key(key, seen):
                seen[key.text] = key
                pairs.append((key, value))
        return Node(kind="mapping", line=line, column=column, pairs=tuple(pairs))

    def _is_usable_key(self, key: Node, seen: Mapping[str, Node]) -> bool:
        if key.kind != "scalar":
            self.report.error(key, "a key must be one word", fix="write KEY: VALUE")
            self.is_whole = False
            return False
        first = seen.get(key.text)
        if first is not None:
            message = f"the key {key.text!r:.80} stands here twice; first at line {first.line}"
            self.report.error(key, message, fix="remove one")
        return first is None
