"""The budget script finds what it is there to find."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def budgets(tmp_path, monkeypatch):
    """The script as a module, looking at a folder of the test's own."""
    spec = importlib.util.spec_from_file_location("budgets", ROOT / "scripts/budgets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def _problems(budgets, tmp_path, text, name="src/rolloutctl/x.py"):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return budgets.problems(path)


def _function(lines):
    return "def f():\n" + "    x = 1\n" * (lines - 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (_function(71), "f has 71 lines > 70"),
        ("x = 1\n" * 501, "501 lines > 500"),
        ("print('x')\n", "print( outside"),
        ("import os  # no" + "qa: F401\n", "without its code and reason"),
        ("import os  # no" + "qa\n", "without its code and reason"),
        ("x = f()  # type: " + "ignore[arg-type]\n", "without its code and reason"),
        ("x = 1  # TO" + "DO later\n", "without kind and issue number"),
    ],
)
def test_each_wall_is_seen(budgets, tmp_path, text, says):
    """One line over a wall is one problem that says which."""
    found = _problems(budgets, tmp_path, text)

    assert len(found) == 1
    assert says in found[0]


@pytest.mark.parametrize(
    "text",
    [
        _function(70),
        'def f():\n    """' + "Words.\n" * 90 + '    """\n',
        "import os  # no" + "qa: F401 - re-exported\n",
        "x = f()  # type: " + "ignore[arg-type]  # typeshed wants a socket\n",
        "x = 1  # TO" + "DO-design(#12): later\n",
        'x = "print("\n',
    ],
)
def test_what_is_within_the_walls_passes(budgets, tmp_path, text):
    """Words in a docstring, suppressions with reasons and numbered notes are fine."""
    assert _problems(budgets, tmp_path, text) == []


def test_the_console_may_print(budgets, tmp_path):
    """It is the one place."""
    assert _problems(budgets, tmp_path, "print('x')\n", "src/rolloutctl/ui/console.py") == []
