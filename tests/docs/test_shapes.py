"""The shape of the code, as docs/architecture.md promises it."""

import ast
import statistics
from pathlib import Path

import pytest

from app.config import CHECKOUT

MODULES = sorted(path for path in (CHECKOUT / "app").rglob("*.py") if "versions" not in path.parts)
MODULE_LINES = 300
FUNCTION_LINES = 25
VAGUE = {"utils", "helpers", "common", "misc"}


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of its body and head, without docstring and decorators."""
    docstring = function.body[0] if ast.get_docstring(function, clean=False) is not None else None
    written = docstring.end_lineno - docstring.lineno + 1 if docstring and docstring.end_lineno else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - written


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_a_module_stays_under_its_limit(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MODULE_LINES


def test_half_of_all_functions_are_shorter_than_ten_lines() -> None:
    assert statistics.median(length(function) for path in MODULES for function in functions(path)) < 10


def test_no_function_is_longer_than_its_limit() -> None:
    long = [
        f"{path.relative_to(CHECKOUT)}:{function.name}: {length(function)}"
        for path in MODULES
        for function in functions(path)
        if length(function) > FUNCTION_LINES
    ]
    assert long == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in MODULES if path.stem in VAGUE] == []


def test_every_room_says_its_rule() -> None:
    rooms = [path for path in MODULES if path.name == "__init__.py"]
    assert [path for path in rooms if not ast.get_docstring(ast.parse(path.read_text()))] == []
