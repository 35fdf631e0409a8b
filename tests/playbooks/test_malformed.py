"""A corpus of playbooks with a mistake each; its first line says which line is to be named, and what to write."""

import re
from pathlib import Path

import pytest

from app.errors import PlaybookInvalid
from app.playbooks.playbook import load

CORPUS = sorted((Path(__file__).parent / "data" / "malformed").glob("*.yml"))


def test_the_corpus_is_large() -> None:
    assert len(CORPUS) >= 40


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_mistake_is_named_with_file_line_and_what_to_write(path: Path) -> None:
    text = path.read_text()
    expected = re.match(r"# line (\d+): (.*)\n", text)
    assert expected
    with pytest.raises(PlaybookInvalid) as refused:
        load(path.stem, path.name, text)
    assert refused.value.message.startswith(f"{path.name}:{expected[1]}: ")
    assert expected[2] in refused.value.message


@pytest.mark.parametrize(
    "text",
    ["description: d\nsteps: [" + "[" * 5000, "a" * 70_000, "description: \x00\n", "description: \ud800\nsteps: []\n"],
    ids=["deep", "long", "NUL", "surrogate"],
)
def test_no_text_is_a_fault(text: str) -> None:
    with pytest.raises(PlaybookInvalid):
        load("x", "x.yml", text)
