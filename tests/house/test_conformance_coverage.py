"""No provider is registered without the conformance suite over it."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
_SETTINGS = tomllib.loads((TESTS.parent / "pyproject.toml").read_text("utf-8"))
PROVIDERS = sorted(_SETTINGS["project"]["entry-points"]["rolloutctl.providers"])


def covered() -> set[str]:
    """`provider_name` of every class under tests/providers that inherits the suite."""
    names = set()
    for path in (TESTS / "providers").glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
                names |= _name_in(node)
    return names


def _name_in(node: ast.ClassDef) -> set[str]:
    bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
    if "ProviderConformance" not in bases:
        return set()
    return {
        ast.literal_eval(each.value)
        for each in node.body
        if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "provider_name"
    }


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_registered_provider_has_a_conformance_test(name):
    """A new entry point fails here until its suite exists."""
    assert name in covered(), (
        f"write tests/providers/test_….py with a class that inherits ProviderConformance"
        f" and says provider_name = {name!r}"
    )
