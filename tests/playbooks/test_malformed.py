"""A corpus of playbooks with a mistake each; its first line says which line is to be named, and what to write."""

import re
from pathlib import Path

import pytest

from app.errors import PlaybookInvalid
from app.playbooks.own import refuse_for_others
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
    [
        "description: d\nsteps: [" + "[" * 5000,
        "a" * 70_000,
        "description: \x00\n",
        "description: \ud800\nsteps: []\n",
        f"description: 0x{'f' * 6000}\n",
        f"description: {':'.join(['1'] * 6000)}\n",
        f"description: {':'.join(['1'] * 6000)}.5\n",
        "description: .nan\n",
    ],
    ids=["deep", "long", "NUL", "surrogate", "hexadecimal", "sexagesimal", "float", "not a number"],
)
def test_no_text_is_a_fault(text: str) -> None:
    with pytest.raises(PlaybookInvalid):
        load("x", "x.yml", text)


def test_what_stands_in_a_file_steers_no_terminal() -> None:
    with pytest.raises(PlaybookInvalid) as refused:
        load("x", "x.yml", 'description: d\n"\\e[31mred\\nx": 1\n')
    assert refused.value.message.startswith("x.yml:2: \\x1b[31mred\\nx: there is no such key here")


def test_a_project_s_own_takes_no_pattern() -> None:
    """`(a+)+` and a text that does not fit it would take longer than anybody waits."""
    text = "description: d\ninputs:\n  a: {pattern: '(a+)+', default: '" + "a" * 60 + "!'}\nsteps: []\n"
    with pytest.raises(PlaybookInvalid, match=r"^x.yml:3: inputs.a.pattern: .* write `type: choice`"):
        load("x", "x.yml", text, refuse_for_others)
