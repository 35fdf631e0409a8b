"""The list of what has failed elsewhere promises tests: they are there."""

import ast
import re
from functools import cache

from app.config import CHECKOUT

ROWS = [
    line
    for line in (CHECKOUT / "docs/failures-of-others.md").read_text().splitlines()
    if re.match(r"\| (CVE|GHSA)-", line)
]


@cache
def names_of(name: str) -> frozenset[str]:
    path = CHECKOUT / name
    if not path.is_file():
        return frozenset()
    return frozenset(node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef))


def test_every_failure_of_others_names_tests_that_there_are() -> None:
    promised = {row: re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row) for row in ROWS}
    assert len(promised) == 33
    assert [row for row, tests in promised.items() if not tests] == []
    assert [test for tests in promised.values() for test in tests if test[1] not in names_of(test[0])] == []
