"""Counts what the style allows little of, and fails where a wall is passed.

Walls: a function of 70 lines, a file of 500, `print(` outside `ui/console.py`,
`# type: ignore` or `# noqa` without a code and a reason, a TODO without an issue number.
Counted only: lines with `Any` or `cast(` that carry no reason.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tests", "benchmarks", "scripts")
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
#: The one place that talks to people. Benchmarks and scripts print their own tables.
MAY_PRINT = ("src/rolloutctl/ui/console.py", "benchmarks/", "scripts/", "tests/")

#: A suppression names its rule and says why: `noqa: S101 - why`, `type: ignore[x]  # why`.
_SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore)")
_REASONED = re.compile(
    r"#\s*(noqa:\s*[A-Z]+\d+(\s*,\s*[A-Z]+\d+)*\s*(-|#)\s*\S.*|type:\s*ignore\[[\w,\s-]+\]\s*#\s*\S.*)"
)
_TODO = re.compile(r"#\s*TODO(?!-(correctness|robustness|design)\b.*#\d+)")


def _comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring: words are not what makes it long."""
    first = node.body[0]
    words = 0
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        words = (first.end_lineno or first.lineno) - first.lineno + 1
    return (node.end_lineno or node.lineno) - node.lineno + 1 - words


def _tree_problems(tree: ast.Module, where: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = _body_lines(node)
            if lines > FUNCTION_LINES_MAX:
                yield (
                    f"{where}:{node.lineno}: {node.name} has {lines} lines > {FUNCTION_LINES_MAX}"
                )
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "print"
            and not where.startswith(MAY_PRINT)
        ):
            yield f"{where}:{node.lineno}: print( outside ui/console.py"


def _comment_problems(text: str, where: str) -> Iterator[str]:
    for line, comment in _comments(text):
        if _SUPPRESSION.search(comment) and not _REASONED.search(comment):
            yield f"{where}:{line}: a suppression without its code and reason: {comment}"
        if _TODO.search(comment):
            yield f"{where}:{line}: a TODO without kind and issue number: {comment}"


def problems(path: Path) -> list[str]:
    """Every wall that one file passes, as `path:line: what`."""
    where = path.relative_to(ROOT).as_posix()
    text = path.read_text(encoding="utf-8")
    found = [*_tree_problems(ast.parse(text), where), *_comment_problems(text, where)]
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        found.append(f"{where}: {lines} lines > {FILE_LINES_MAX}")
    return found


def unreasoned_any(path: Path) -> int:
    """Lines that use `Any` or `cast(` and say nothing about it."""
    return sum(
        1
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"\bAny\b|\bcast\(", line)
        and "#" not in line
        and not line.startswith(("from ", "import "))
    )


def main() -> int:
    """Prints every problem and the counts; 1 if there is a problem."""
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    found = [problem for path in files for problem in problems(path)]
    for problem in found:
        print(problem)
    loose = sum(unreasoned_any(path) for path in files if "src" in path.parts)
    print(f"{len(files)} files, {len(found)} problems, {loose} lines with Any or cast unexplained")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
