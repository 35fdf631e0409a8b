"""The rules for commands of users, and the Command that one becomes."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.commands.argv import ARGV_LIMIT_BYTES, Rules, UserCommand, is_refusal, run, user_command
from app.commands.base import Place
from app.commands.paths import ProjectName, ProjectsRoot, RelativePath
from app.errors import CommandNotAllowed, Invalid, UnsafePath
from tests.commands.shells import Node

HOME = "/data/projects/shop"
ANYTHING = Rules()


def made(*argv: str, rules: Rules = ANYTHING, **values: Any) -> UserCommand:
    return user_command({"argv": argv, **values}, HOME, rules)


@pytest.mark.parametrize(
    "program",
    ["git", "g++", "./bin/x", "bin/x", "bin/-x", f"{HOME}/bin/x", "[", "a=b", "python3.11", "x y", "$(reboot)", "~"],
)
def test_a_program_is_a_bare_name_or_a_path_inside_the_project(program: str) -> None:
    assert made(program).argv == (program,)


@pytest.mark.parametrize(
    "program",
    [
        "",
        ".",
        "..",
        "-x",
        "--",
        "/bin/sh",
        "../x",
        "./../x",
        "a/../x",
        "a//x",
        "./",
        "bin/",
        ".git/hooks/x",
        "a\nb",
        "a\0b",
        f"{HOME}/../x",
        f"{HOME}-other/x",
        f"{HOME}/",
        HOME,
        "\ud800",
        "x" * 256,
        "././x",
    ],
)
def test_any_other_program_is_refused_by_name_of_the_field(program: str) -> None:
    with pytest.raises(Invalid) as caught:
        made(program, "x")
    assert list(caught.value.errors) == ["argv"]


@pytest.mark.parametrize(
    "word",
    [
        "",
        "-rf",
        "--",
        "a..b",
        "HEAD~1..HEAD",
        "main..topic/x",
        "a/b",
        "./x",
        "https://x.example/y",
        "a\nb",
        "'\"`$(",
        HOME,
        f"{HOME}/x",
        f"--out={HOME}/x",
        "--opt=x=/etc",
        "...",
        "..x",
        "x..",
        "=",
        "a=",
        "--x=.../y",
        "ünï",
    ],
)
def test_words_that_stay_inside_or_are_no_paths_are_taken_as_they_are(word: str) -> None:
    assert made("echo", word).argv == ("echo", word)


@pytest.mark.parametrize(
    "word",
    [
        "/",
        "//",
        "/etc",
        "/etc/passwd",
        "..",
        "../x",
        "a/..",
        "a/../b",
        f"{HOME}/..",
        f"{HOME}/../x",
        f"{HOME}x",
        "--opt=/etc/x",
        "--opt=../x",
        "of=/dev/sda",
        "=/",
        "=..",
        "/data/projects",
        "/DATA/projects/shop/x",
    ],
)
def test_words_that_lead_out_are_refused_with_their_number(word: str) -> None:
    with pytest.raises(UnsafePath, match="Word 3") as caught:
        made("cat", "x", word)
    assert list(caught.value.errors) == ["argv"]


def test_a_refusal_shows_a_hostile_word_harmlessly() -> None:
    with pytest.raises(UnsafePath) as caught:
        made("cat", "/\x1b[2J\n\u202e" + "x" * 500)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("argv", "rule"),
    [
        ([], "1 to 256 words"),
        (["x"] * 257, "1 to 256 words"),
        (["echo", "a\0"], "NUL"),
        (["echo", "\udcff"], "Unicode"),
        (["echo", "x" * ARGV_LIMIT_BYTES], "102400 bytes"),
        (["echo", "é" * 52_000], "102400 bytes"),
        (["echo", f"{HOME}/" + "x" * 4096], "longer than a path"),
    ],
)
def test_what_is_too_much_or_no_text_is_refused(argv: list[str], rule: str) -> None:
    with pytest.raises(Invalid, match=rule):
        made(*argv)


def test_the_most_that_is_allowed_is_allowed() -> None:
    assert len(made(*["x"] * 256).argv) == 256
    assert len(made("echo", "x" * (ARGV_LIMIT_BYTES - 4)).argv[1]) == ARGV_LIMIT_BYTES - 4


@pytest.mark.parametrize("name", ["A", "_", "PYTHONPATH", "LANG", "a1", "BARE", "GITHUB_TOKEN", "HOME"])
def test_variables_of_plain_names_are_taken(name: str) -> None:
    assert made("x", env={name: "v\n$("}).environment == {name: "v\n$("}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "1A",
        "A-B",
        "A B",
        "A=B",
        "A\n",
        "Ä",
        "a\0",
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "PATH",
        "BAREBOAT_JOB",
        "GIT_DIR",
        "GIT_SSH_COMMAND",
        "IFS",
        "ENV",
        "BASH_ENV",
        "BASHOPTS",
        "SHELLOPTS",
        "PS4",
        "CDPATH",
        "PWD",
        "bb_key",
        "OPTIND",
    ],
)
def test_variables_that_change_what_runs_are_refused(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        made("x", env={name: "v"})
    assert list(caught.value.errors) == ["env"]


@pytest.mark.parametrize(
    ("env", "rule"),
    [
        ({"A": "x" * 32_769}, "32768 bytes"),
        ({"A": "a\0b"}, "NUL"),
        ({"A": "\ud800"}, "Unicode"),
        ({f"A{number}": "" for number in range(65)}, "at most 64"),
        ({f"A{number}": "x" * 32_000 for number in range(4)}, "102400 bytes"),
    ],
)
def test_values_of_variables_have_limits(env: dict[str, str], rule: str) -> None:
    with pytest.raises(Invalid, match=rule):
        made("x", env=env)


def test_a_folder_is_a_relative_path() -> None:
    assert made("x", cwd="a/b").cwd == RelativePath("a/b")
    assert made("x", cwd=None).cwd is None
    with pytest.raises(UnsafePath) as caught:
        made("x", cwd="../x")
    assert list(caught.value.errors) == ["cwd"]


@pytest.mark.parametrize("seconds", [0, -1, 61, 10**9])
def test_a_time_limit_is_within_the_installation_s(seconds: int) -> None:
    assert made("x", rules=Rules(longest_seconds=60)).timeout_seconds == 60
    assert made("x", rules=Rules(longest_seconds=60), timeout_seconds=5).timeout_seconds == 5
    with pytest.raises(Invalid, match="1 to 60 seconds"):
        made("x", rules=Rules(longest_seconds=60), timeout_seconds=seconds)


def test_only_programs_that_are_named_are_allowed_and_as_they_are_written() -> None:
    rules = Rules(("git", "./manage.py"))
    assert made("git", "gc", rules=rules).argv == ("git", "gc")
    assert made("./manage.py", rules=rules).argv == ("./manage.py",)
    for program in ("manage.py", "./git", "gitk", "python3"):
        with pytest.raises(CommandNotAllowed) as caught:
            made(program, rules=rules)
        assert list(caught.value.errors) == ["argv"]


@given(st.lists(st.text(), min_size=1, max_size=8), st.dictionaries(st.text(max_size=8), st.text()))
def test_whatever_passes_can_be_written_down_and_whatever_does_not_is_a_refusal(
    argv: list[str], env: dict[str, str]
) -> None:
    try:
        asked = made(*argv, env=env)
    except Invalid:
        return
    script = run(ProjectsRoot("/data/projects"), ProjectName("shop"), asked, "job-1").script("00")
    script.encode()
    assert asked.argv == tuple(argv)


PARTS = st.sampled_from(["", ".", "..", "etc", "data", "projects", "shop", "shopx", "x", "--o=", "="])


@given(st.lists(PARTS, max_size=7).map("/".join))
def test_no_word_that_is_taken_leads_out_by_its_letters(word: str) -> None:
    try:
        made("cat", word)
    except UnsafePath:
        return
    for text in (word, word.partition("=")[2]):
        assert ".." not in text.split("/")
        assert not text.startswith("/") or Path(text).is_relative_to(HOME)


def test_the_command_goes_to_the_folder_with_its_words_as_arguments() -> None:
    asked = made("git", "log", "$(x)", cwd="a", env={"B": "c"}, timeout_seconds=7)
    command = run(ProjectsRoot("/data/projects"), ProjectName("shop"), asked, "job-1")
    assert command.place == Place("/data/projects", ProjectName("shop"), RelativePath("a"))
    assert command.arguments == ("job-1", HOME, "git", "log", "$(x)")
    assert (command.environment, command.timeout_seconds, dict(command.refusals)) == ({"B": "c"}, 7, {})


def test_the_program_s_own_75_is_no_refusal_of_ours() -> None:
    assert is_refusal(75, b"bareboat job-1 refuses: x", "job-1")
    assert not is_refusal(75, b"bareboat job-2 refuses: x", "job-1")
    assert not is_refusal(1, b"bareboat job-1 refuses: x", "job-1")
    assert not is_refusal(75, b"", "job-1")


# --- on a node


@pytest.fixture
def tree(root: Path) -> Path:
    folder = root / "shop"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "x").write_text("#!/bin/sh\nprintf '%s|' \"$@\"\n")
    (folder / "sub" / "x").chmod(0o755)
    (folder / "out").symlink_to(root)
    (folder / "inner").symlink_to("sub")
    (folder / "loop").symlink_to("loop")
    (folder / "sh").symlink_to(shutil.which("sh") or "/bin/sh")
    return folder


def ran(node: Node, tree: Path, *argv: str) -> tuple[int | None, str]:
    asked = user_command({"argv": argv}, str(tree), ANYTHING)
    result = node.run(run(ProjectsRoot(str(tree.parent)), ProjectName("shop"), asked, "job-1"))
    return result.status, result.stdout.decode()


@pytest.mark.parametrize("program", ["./sub/x", "sub/x", "{}/sub/x", "inner/x"])
def test_words_inside_reach_the_program_under_every_shell(node: Node, tree: Path, program: str) -> None:
    words = ["a b", "", "-n", "$(x)", "a\nb", str(tree), f"--o={tree}/inner/x", f"{tree}/new/x"]
    assert ran(node, tree, program.format(tree), *words) == (0, "".join(f"{word}|" for word in words))


@pytest.mark.parametrize("word", ["{}/out", "{}/out/x", "--o={}/out/new/x", "{}/sh", "{}/loop"])
def test_words_that_links_lead_out_are_refused_under_every_shell(node: Node, tree: Path, word: str) -> None:
    status, said = ran(node, tree, "sub/x", word.format(tree))
    assert is_refusal(status, said.encode(), "job-1"), said


def test_a_program_may_be_a_link_but_not_stand_behind_one(node: Node, tree: Path) -> None:
    (tree.parent / "x").write_text("#!/bin/sh\n")
    (tree.parent / "x").chmod(0o755)
    assert ran(node, tree, "./sh", "-c", "echo here") == (0, "here\n")
    assert ran(node, tree, "out/x")[0] == 75
