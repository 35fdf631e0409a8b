"""The cases are files: the code that must come out (before `--` in the name), the exit status, then git's stderr."""

from pathlib import Path

import pytest

from app.commands.giterrors import code_of
from app.commands.programs import REFUSALS
from app.errors import ACT_FAILURES

CASES = sorted((Path(__file__).parent / "data/giterrors").glob("*.txt"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_the_words_of_git_give_the_code(case: Path) -> None:
    status, _, words = case.read_bytes().partition(b"\n")
    assert code_of(int(status), words) == case.stem.partition("--")[0]


def test_every_code_has_its_message() -> None:
    codes = {case.stem.partition("--")[0] for case in CASES} | set(REFUSALS.values())
    assert codes <= set(ACT_FAILURES)


def test_our_statuses_stand_apart_from_those_of_git_and_timeout() -> None:
    assert all(70 <= status <= 99 for status in REFUSALS)
