"""Files that are no playbooks: one clear problem with a position, never a traceback."""

from __future__ import annotations

import contextlib
import os
import random

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rolloutctl import playbook_file
from rolloutctl.core.parse import parse_document, parse_playbook
from rolloutctl.errors import ExitCode, InvalidPlaybook
from toy_language import ENV, GOOD, INPUTS, ToyCatalog

CATALOG = ToyCatalog()


@pytest.fixture
def refused(tmp_path):
    """(line, column, message) of the first problem of a file with these bytes."""

    def first(content):
        path = tmp_path / "playbook.yaml"
        path.write_bytes(content)
        with pytest.raises(InvalidPlaybook) as caught:
            playbook_file.load(path, inputs={}, env={}, catalog=CATALOG)
        problem = caught.value.problems[0]
        assert problem.file == str(path)
        assert problem.fix
        return problem.line, problem.column, problem.message

    return first


BOMB = b"a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    ("content", "line", "column", "message"),
    [
        (b"", 1, 1, "the file is empty"),
        (b"# nothing\n", 1, 1, "the file is empty"),
        (b"~\n", 1, 1, "the document has no value"),
        (b"- a\n", 1, 1, "the document is a list"),
        (b"text", 1, 1, "the document is one value"),
        (b"a: 1\nb: \xff\n", 2, 4, "byte 0xff is not UTF-8"),
        (b"a: 1\nb: x\x00\n", 2, 5, "U+0000 is not allowed"),
        (b"\xef\xbb\xbfa: 1\n", 1, 1, "byte order mark"),
        ("a: 1".encode("utf-16"), 1, 1, "byte order mark"),
        (b"a: 1\r\nb: \x07", 2, 4, "U+0007"),
        (BOMB, 1, 4, "anchors (&a)"),
        (b"a: *x\n", 1, 4, "aliases (*x)"),
        (b"a: !!python/object:os.system {}\n", 1, 4, "tags"),
        (b"a: !x y\n", 1, 4, "tags (!x)"),
        (b"? [a]\n: b\n", 1, 3, "a key must be one word"),
        (b"a: [1\nb: 2\n", 2, 2, "not YAML"),
        (b"a:\n\t- b\n", 2, 1, "not YAML"),
        (b"a: 1\n---\nb: 2\n", 2, 1, "a second document"),
        (b"[" * 100_000, 1, 41, "nested deeper than 40"),
        (b"a: [" + b"1," * 20_001 + b"]", 1, 40_003, "more than 20000 values"),
        (b"#" * (1024 * 1024 + 1), 1, 1, "larger than 1048576 bytes"),
    ],
)
def test_what_is_no_playbook_is_refused_with_a_position(refused, content, line, column, message):
    """The first thing wrong stands where it is."""
    found = refused(content)

    assert (found[:2], message in found[2]) == ((line, column), True), found


def test_a_key_that_stands_twice_hides_no_other_mistake(tmp_path):
    """The first of both is read, and everything else of the file is told, in its order."""
    path = tmp_path / "playbook.yaml"
    path.write_bytes(b"name: 1 2\nkind: x\nname: b\n")

    told = playbook_file.lint(path, inputs={}, env={}, catalog=CATALOG)

    assert "'name' stands here twice; first at line 1" in told[-1].message
    assert (told[-1].line, told[-1].column) == (3, 1)
    assert {"name: '1 2' cannot be a name", "kind: 'x' is not one of: Playbook"} <= {
        one.message for one in told
    }
    with pytest.raises(InvalidPlaybook):
        playbook_file.load(path, inputs={}, env={}, catalog=CATALOG)


def test_all_forbidden_things_of_a_file_are_told_at_once(tmp_path):
    """Anchors, aliases and duplicate keys do not hide each other."""
    path = tmp_path / "playbook.yaml"
    path.write_bytes(BOMB + b"a: 1\n")

    problems = playbook_file.lint(path, inputs={}, env={}, catalog=CATALOG)

    assert [(one.line, one.column) for one in problems] == [
        *((1, 4), (2, 4), (2, 8), (2, 12), (3, 5), (3, 9), (4, 1))
    ]


def test_a_file_that_cannot_be_read_is_an_invalid_playbook(tmp_path):
    """Missing, a directory, a name with NUL: exit 3 with the reason."""
    for path in (tmp_path / "none.yaml", tmp_path, "a\0b"):
        with pytest.raises(InvalidPlaybook) as caught:
            playbook_file.load(path, inputs={}, env={}, catalog=CATALOG)

        assert caught.value.exit_code is ExitCode.INVALID
        assert caught.value.problems[0].message.startswith("cannot be read: ")


def test_a_byte_order_mark_inside_a_text_is_refused_too(refused):
    """Invisible characters make names that look equal and are not."""
    assert refused("a: x\ufeffy".encode())[:2] == (1, 5)


def test_loading_ignores_warnings(tmp_path):
    """A playbook without guardrails can be started; lint says that it should not."""
    path = tmp_path / "playbook.yaml"
    path.write_text(GOOD.replace("guardrails: [floor]\n", ""))

    playbook = playbook_file.load(path, inputs=INPUTS, env=ENV, catalog=CATALOG)

    assert playbook.guardrails == ()


def survive(path, content):
    """Loads any bytes; returns the playbook if they are one."""
    path.write_bytes(content)
    with contextlib.suppress(InvalidPlaybook):
        return playbook_file.load(os.fspath(path), inputs=INPUTS, env=ENV, catalog=CATALOG)
    return None


relaxed = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
keys = st.sampled_from(
    [*("targets", "steps", "gates", "canary", "shadow", "kind", "provider", "defaults", "is")]
) | st.text(max_size=6)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@relaxed
@given(content=st.binary(max_size=200))
def test_random_bytes_never_give_a_traceback(tmp_path, content):
    """Whatever is in the file, the answer is a problem with a position."""
    survive(tmp_path / "f.yaml", content)


@relaxed
@given(tree=trees, section=keys)
def test_random_yaml_never_gives_a_traceback(tmp_path, tree, section):
    """Right syntax with wrong content, alone and inside a right playbook."""
    survive(tmp_path / "f.yaml", yaml.safe_dump(tree, allow_unicode=True).encode())
    document = yaml.safe_load(GOOD) | {section: tree}

    survive(tmp_path / "f.yaml", yaml.safe_dump(document, allow_unicode=True).encode())


@relaxed
@given(seed=st.integers(0, 2**32))
def test_mutated_playbooks_never_give_a_traceback_and_survive_the_journal(tmp_path, seed):
    """Cut, doubled and exchanged pieces; what is still a playbook is the same afterwards."""
    dice = random.Random(seed)  # noqa: S311 - a test's dice
    tokens = [*GOOD.split(" "), "null", "5", '"5"', "[]", "{}", "${inputs.first}", "%", "&a", "*a"]
    text = GOOD
    for _ in range(dice.randint(1, 4)):
        start = dice.randrange(len(text))
        end = min(len(text), start + dice.randrange(12))
        text = text[:start] + dice.choice([*tokens, ""]) + text[end:]

    playbook = survive(tmp_path / "f.yaml", text.encode())

    if playbook is not None:
        assert parse_document(playbook.document, CATALOG) == playbook


def test_every_scalar_exchanged_for_every_odd_one_never_gives_a_traceback(tmp_path):
    """Each value of a right playbook in turn becomes empty, null, a number, a list, a mapping."""
    lines = GOOD.splitlines()
    path = tmp_path / "f.yaml"
    for index, line in enumerate(lines):
        for odd in ("", " null", " 5", ' ""', " [a]", " {a: b}", " ${env.NO}", " ${canary.is}"):
            if ":" in line:
                edited = line[: line.rindex(":") + 1] + odd
                text = "\n".join([*lines[:index], edited, *lines[index + 1 :]])
                playbook = survive(path, text.encode())
                assert playbook is None or parse_document(playbook.document, CATALOG) == playbook


def test_a_playbook_is_read_from_nodes_without_a_file(tmp_path):
    """Tools may bring their own nodes."""
    path = tmp_path / "f.yaml"
    path.write_text(GOOD)

    playbook, problems = parse_playbook(
        playbook_file.read(str(path)), file="f", catalog=CATALOG, inputs=INPUTS, env=ENV
    )

    assert playbook is not None
    assert problems == ()
