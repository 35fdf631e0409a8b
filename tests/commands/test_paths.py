import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.commands.paths import JobKey, ProjectName, ProjectsRoot, RelativePath
from app.errors import UnsafePath

# Pieces that rules are about, so that chance meets them.
NASTY = st.lists(
    st.sampled_from(
        ["/", ".", "..", ".git", ".GIT", "git~1", "\u200c", " ", "-", "a", "\n", "\0", "\x7f", ":", "\ud800"]
    )
    | st.characters(),
    max_size=12,
).map("".join)


@pytest.mark.parametrize("text", ["a", "my-app", "A.b_c-1", "x" * 63, "git", "a.git.b", "0"])
def test_plain_project_names_are_taken(text: str) -> None:
    assert ProjectName(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "-a",
        ".a",
        "_a",
        "a/b",
        "a b",
        "a\n",
        "a\0",
        "é",
        "x" * 64,
        "a.",
        "a.lock",
        "a.GIT",
        "a.git",
        "$(a)",
    ],
)
def test_other_project_names_are_refused(text: str) -> None:
    with pytest.raises(UnsafePath):
        ProjectName(text)


@given(NASTY)
def test_a_project_name_is_one_harmless_component(text: str) -> None:
    try:
        name = ProjectName(text)
    except UnsafePath:
        return
    assert name == text
    assert name.isascii()
    assert name[0].isalnum()
    assert not set(name) & set("/\n\0 ")
    assert not name.lower().endswith((".git", ".lock", "."))


@pytest.mark.parametrize(
    "text", ["a", "src/app", "-rf", "a b/ä.txt", ".github/x", "a.git", ".gitignore", "x" * 255, "…"]
)
def test_plain_paths_are_taken(text: str) -> None:
    assert RelativePath(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "/etc",
        "a/",
        "a//b",
        ".",
        "..",
        "a/..",
        "a/./b",
        "../a",
        "a\0b",
        "a\nb",
        "a\x7fb",
        "a\u2028b",
        "a\x85b",
        ".git",
        ".GIT/config",
        "sub/.Git",
        ".git.",
        ".git ",
        ".git. .",
        ".g\u200cit",
        "\ufeff.git",
        ".gi\u00adt",
        ".git\u034f",
        "git~1",
        "GIT~1/x",
        ".git::$INDEX_ALLOCATION",
        "\uff0egit",
        "x" * 256,
        "é" * 128,
        "a/" * 600 + "a",
        "\ud800",
    ],
)
def test_other_paths_are_refused(text: str) -> None:
    with pytest.raises(UnsafePath):
        RelativePath(text)


@given(NASTY)
def test_a_path_stays_below_and_out_of_dot_git(text: str) -> None:
    try:
        path = RelativePath(text)
    except UnsafePath:
        return
    parts = path.split("/")
    assert path == text
    assert not {"", ".", ".."} & set(parts)
    assert ".git" not in {part.lower().rstrip(". ") for part in parts}
    assert len(path.encode()) <= 1024
    assert not any(unicodedata.category(character) == "Cc" for character in path)


@pytest.mark.parametrize("text", ["/data/projects", "/srv", "/data/it's here", "/a/.b"])
def test_plain_roots_are_taken(text: str) -> None:
    assert ProjectsRoot(text) == text


@pytest.mark.parametrize(
    "text", ["", "/", "data", "/data/", "/a//b", "/a/../b", "/a/.", "/a\n", "/a:b", "~/x", "//a", "/\ud800"]
)
def test_other_roots_are_refused(text: str) -> None:
    with pytest.raises(UnsafePath):
        ProjectsRoot(text)


@pytest.mark.parametrize("text", ["", "-1", "a/b", "a.b", "a\n", "x" * 65])
def test_a_job_key_is_a_plain_word(text: str) -> None:
    assert JobKey("job-12") == "job-12"
    with pytest.raises(UnsafePath):
        JobKey(text)
