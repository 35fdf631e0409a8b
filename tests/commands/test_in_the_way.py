"""Files that git does not know, where a pull or a checkout brings others: named, never overwritten, and put aside by
the strategies that say so, until an undo brings them back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.commands import recovery
from app.commands.gitstatus import Change
from app.commands.giturl import GitUrl
from app.commands.paths import ProjectsRoot
from app.commands.refusals import FILES_LIMIT, Refusal, parse_refusal
from tests.commands.acts import NAME, code, make_checkout, make_pull, outcome
from tests.commands.shells import Node, Result
from tests.commands.test_recovery import make_dirty, state
from tests.commands.test_refusals import HOSTILE, SAFE
from tests.support.forge import Forge, commit, git

MINE = ("new", HOSTILE, "ignored", "file", "folder/deep/er", "folder/link", "stays")
IN_THE_WAY = (SAFE, "file", "folder/deep/er", "folder/link", "ignored", "new")


def lay(forge: Forge, cloned: Path) -> str:
    """A file where one comes, where a folder comes, and below where a file comes."""
    (forge.work / "file").mkdir()
    for name in ("new", HOSTILE, "ignored", "file/below", "folder"):
        (forge.work / name).write_text("theirs\n")
    git("add", "-A", cwd=forge.work)
    for name in MINE:
        (cloned / name).parent.mkdir(parents=True, exist_ok=True)
        (cloned / name).write_bytes(b"mine\r\n")
    (cloned / "folder/link").unlink()
    (cloned / "folder/link").symlink_to("/nowhere")
    (cloned / "new").chmod(0o755)
    ignore(cloned, "ignored")
    return forge.push("NEWS")


def edit(cloned: Path) -> None:
    (cloned / "README").write_text("edited\n")


def add_commit(cloned: Path) -> None:
    commit(cloned, "own", "x\n")


def ignore(cloned: Path, pattern: str) -> None:
    (cloned / ".git/info").mkdir(exist_ok=True)
    (cloned / ".git/info/exclude").write_text(f"{pattern}\n")


def is_as_before(cloned: Path, before: dict[str, object]) -> bool:
    own = git("for-each-ref", "refs/bareboat", cwd=cloned), (cloned / ".git/bareboat").exists()
    return (state(cloned), own) == (before, ("", False))


def refused(result: Result) -> Refusal:
    assert code(result) == "tree_dirty", result.words
    return parse_refusal(result.stdout) or Refusal()


def test_what_is_in_the_way_of_a_pull_is_named_and_nothing_changes(
    node: Node, root: Path, forge: Forge, cloned: Path
) -> None:
    lay(forge, cloned)
    before = state(cloned)
    result = node.run(make_pull(root, forge))
    assert refused(result) == Refusal(files=tuple(Change(name, "untracked") for name in IN_THE_WAY))
    assert "files that git does not know are in the way:" in result.words
    assert is_as_before(cloned, before)


@pytest.mark.parametrize(("strategy", "make_own"), [("stash", edit), ("rebase", add_commit)])
def test_what_is_in_the_way_of_changes_or_commits_on_top_is_named_before_they_move(
    dash: Node, root: Path, forge: Forge, cloned: Path, strategy: str, make_own: Callable[[Path], None]
) -> None:
    make_own(cloned)
    lay(forge, cloned)
    before = state(cloned)
    found = refused(dash.run(make_pull(root, forge, strategy=strategy)))
    assert found == Refusal(files=tuple(Change(name, "untracked") for name in IN_THE_WAY))
    assert is_as_before(cloned, before)


def test_a_reset_puts_aside_what_is_in_the_way_and_an_undo_brings_it_back(
    node: Node, root: Path, forge: Forge, cloned: Path
) -> None:
    make_dirty(cloned)
    sha = lay(forge, cloned)
    before = state(cloned)
    assert outcome(node.run(make_pull(root, forge, strategy="reset"))).head.sha == sha
    pulled = state(cloned)
    assert [(cloned / name).read_text() for name in ("new", HOSTILE, "ignored", "file/below", "folder")] == [
        "theirs\n"
    ] * 5
    assert (cloned / "stays").read_bytes() == b"mine\r\n"
    for key, job, there in (("job-2", "job-9", before), ("job-9", "job-10", pulled)):
        command = recovery.undo(ProjectsRoot(str(root)), NAME, GitUrl.parse(forge.url), key, job_key=job)
        outcome(node.run(command))
        assert state(cloned) == there


def test_an_undo_brings_back_what_was_ignored_when_it_is_ignored_no_more(
    dash: Node, root: Path, forge: Forge, cloned: Path
) -> None:
    forge.push(".gitignore", ".env\n")
    outcome(dash.run(make_pull(root, forge)))
    (cloned / ".env").write_text("secret\n")
    before = state(cloned)
    (forge.work / ".env").write_text("theirs\n")
    git("add", "-f", ".env", cwd=forge.work)
    forge.push(".gitignore", "other\n")
    assert refused(dash.run(make_pull(root, forge))).files == (Change(".env", "untracked"),)
    outcome(dash.run(make_pull(root, forge, strategy="reset")))
    assert (cloned / ".env").read_text() == "theirs\n"
    outcome(dash.run(recovery.undo(ProjectsRoot(str(root)), NAME, GitUrl.parse(forge.url), "job-2", job_key="job-9")))
    assert state(cloned) == before


def test_what_the_index_gave_up_and_an_ignore_hides_survives_a_reset(
    dash: Node, root: Path, forge: Forge, cloned: Path
) -> None:
    """`git rm --cached README`, and the file is ignored: HEAD still has one."""
    git("rm", "-q", "--cached", "README", cwd=cloned)
    (cloned / "README").write_text("mine\n")
    ignore(cloned, "README")
    forge.push("NEWS")
    before = state(cloned)
    outcome(dash.run(make_pull(root, forge, strategy="reset")))
    assert (cloned / "README").read_text() == "hello\n"
    outcome(dash.run(recovery.undo(ProjectsRoot(str(root)), NAME, GitUrl.parse(forge.url), "job-2", job_key="job-9")))
    assert state(cloned) == before


def test_a_folder_whose_files_git_knows_gives_way_to_a_file(dash: Node, root: Path, forge: Forge, cloned: Path) -> None:
    (forge.work / "folder").mkdir()
    forge.push("folder/known")
    outcome(dash.run(make_pull(root, forge)))
    git("rm", "-q", "-r", "folder", cwd=forge.work)
    forge.push("folder", "a file\n")
    (cloned / "README").write_text("edited\n")
    outcome(dash.run(make_pull(root, forge, strategy="stash")))
    assert (cloned / "folder").read_text() == "a file\n"


def test_a_repository_in_the_way_is_never_removed(dash: Node, root: Path, forge: Forge, cloned: Path) -> None:
    git("init", "-q", "-b", "main", str(cloned / "folder"), cwd=cloned)
    commit(cloned / "folder", "work", "x\n")
    forge.push("folder", "theirs\n")
    assert refused(dash.run(make_pull(root, forge))).files == (Change("folder", "untracked"),)
    for strategy in ("stash", "reset"):
        result = dash.run(make_pull(root, forge, strategy=strategy))
        assert code(result) == "tree_dirty", result.words
        assert (cloned / "folder/work").read_text() == "x\n"
        assert git("status", "--porcelain", cwd=cloned / "folder") == ""


def test_many_files_in_the_way_are_counted(dash: Node, root: Path, forge: Forge, cloned: Path) -> None:
    for number in range(FILES_LIMIT + 3):
        for tree in (cloned, forge.work):
            (tree / f"f{number:03}").write_text("x\n")
    git("add", "-A", cwd=forge.work)
    forge.push("NEWS")
    found = refused(dash.run(make_pull(root, forge)))
    assert (len(found.files), found.files_left_out) == (FILES_LIMIT, 3)


def test_what_is_in_the_way_of_a_checkout_is_named(dash: Node, root: Path, forge: Forge, cloned: Path) -> None:
    (cloned / "feature").write_text("mine\n")
    ignore(cloned, "feature")
    assert refused(dash.run(make_checkout(root, "feature"))).files == (Change("feature", "untracked"),)
    assert ((cloned / "feature").read_text(), git("branch", cwd=cloned)) == ("mine\n", "* main")
