import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.commands.refs import GitRef
from app.errors import Invalid

PIECES = [
    "a",
    "/",
    ".",
    "..",
    "-",
    "@",
    "@{",
    "~",
    "^",
    ":",
    "?",
    "*",
    "[",
    "\\",
    " ",
    ".lock",
    "\n",
    "\x7f",
    "refs/",
    "é",
]


@pytest.mark.parametrize(
    "text", ["main", "feature/x", "v1.0", "0a1beaa", "a@b", "ä", "a;$(x)", "x" * 255, "a-b", "HEAD2"]
)
def test_names_that_git_takes_are_taken(text: str) -> None:
    assert GitRef(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-a",
        "--force",
        "a..b",
        "a@{1}",
        "@",
        "HEAD",
        "a b",
        "a\n",
        "a\0",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[",
        "a\\b",
        "a.lock",
        "a.lock/b",
        ".a",
        "a/.b",
        "/a",
        "a/",
        "a//b",
        "a.",
        "x" * 256,
        "refs/heads/a",
        "\ud800",
        "a\x7f",
    ],
)
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        GitRef(text)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join))
def test_what_we_take_git_takes_as_a_branch(text: str) -> None:
    try:
        ref = GitRef(text)
    except Invalid:
        return
    assert subprocess.run(["git", "check-ref-format", "--branch", ref], capture_output=True).returncode == 0


def test_a_commit_id_is_told_from_a_name() -> None:
    assert GitRef("0a1beaa").may_be_commit
    assert not GitRef("main").may_be_commit
