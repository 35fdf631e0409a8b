"""Pull strategies and the way back, run for real by three shells: what an undo restores is compared byte for byte."""

import os
from pathlib import Path

import pytest

from app.commands import recovery
from app.commands.giturl import GitUrl
from app.commands.paths import ProjectsRoot
from tests.commands.acts import NAME, code, make_pull, make_status, outcome
from tests.commands.shells import Node
from tests.support.forge import Forge, commit, git

UNDO = "refs/bareboat/undo/job-2"


def undo(root: Path, forge: Forge, key: str = "job-2", job: str = "job-9") -> object:
    return recovery.undo(ProjectsRoot(str(root)), NAME, GitUrl.parse(forge.url), key, job_key=job)


def state(tree: Path) -> dict[str, object]:
    """Branch, head, index and all files, with what git knows of modes; ignored ones too."""
    found: dict[str, object] = {
        "HEAD": (tree / ".git/HEAD").read_text(),
        "sha": git("rev-parse", "HEAD", cwd=tree),
        "index": git("ls-files", "--stage", "-v", cwd=tree),
        "status": git("status", "--porcelain", "-uall", cwd=tree),
    }
    for path in tree.rglob("*"):
        if ".git" not in path.relative_to(tree).parts and not (path.is_dir() and not path.is_symlink()):
            content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
            found[str(path.relative_to(tree))] = (path.lstat().st_mode & 0o100, content)
    return found


def make_dirty(tree: Path) -> None:
    """Line ends that git would convert, staged and changed again, deleted, added, intended, untracked, odd names."""
    (tree / ".gitattributes").write_text("*.txt text eol=crlf ident\n")
    (tree / ".gitignore").write_text("*.log\n")
    for name in ("kept.txt", "doomed", "mode"):
        (tree / name).write_bytes(b"one\r\ntwo\r\n")
    git("add", "-A", cwd=tree)
    git("commit", "-q", "-m", "only here", cwd=tree)
    (tree / "kept.txt").write_bytes(b"$Id$ half\r\nand half\n\0\xff")
    git("add", "kept.txt", cwd=tree)
    (tree / "kept.txt").write_bytes(b"changed\nagain\r\n")
    (tree / "doomed").unlink()
    (tree / "mode").chmod(0o755)
    (tree / "added").write_text("staged\n")
    git("add", "added", cwd=tree)
    (tree / "intended").write_text("not yet\n")
    git("add", "-N", "intended", cwd=tree)
    (tree / "deep/er").mkdir(parents=True)
    (tree / "deep/er/new\nline").write_bytes(b"untracked\r\n")
    (tree / "link").symlink_to("/nowhere")
    (tree / "x.log").write_text("ignored")


@pytest.mark.parametrize("strategy", ["reset", "backup"])
def test_an_undo_brings_everything_back_and_is_undone_itself(
    node: Node, root: Path, forge: Forge, cloned: Path, strategy: str
) -> None:
    make_dirty(cloned)
    before = state(cloned)
    sha = forge.push()
    assert outcome(node.run(make_pull(root, forge, strategy=strategy))).head.sha == sha
    pulled = state(cloned)
    assert pulled != before
    got = outcome(node.run(undo(root, forge)))  # type: ignore[arg-type]
    assert (got.branch, got.recovery_ref) == ("main", "refs/bareboat/recovery/job-9")
    assert state(cloned) == before
    assert not (cloned / ".git/bareboat").exists()
    outcome(node.run(undo(root, forge, "job-9", "job-10")))  # type: ignore[arg-type]
    assert state(cloned) == pulled


def test_an_undo_saves_what_came_after(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    make_dirty(cloned)
    before = state(cloned)
    forge.push(".gitignore", "link\nlater\n")
    outcome(node.run(make_pull(root, forge, strategy="reset")))
    (cloned / "link").unlink()
    (cloned / "link").write_text("ignored by now\n")
    (cloned / "added").write_text("after\n")
    git("checkout", "-q", "-b", "other", cwd=cloned)
    later = state(cloned)
    outcome(node.run(undo(root, forge)))  # type: ignore[arg-type]
    assert state(cloned) == before
    outcome(node.run(undo(root, forge, "job-9", "job-10")))  # type: ignore[arg-type]
    assert state(cloned) == later


def test_a_stash_pull_keeps_changes_on_top(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    sha = forge.push("NEWS", "hello\n")
    (cloned / "README").write_text("mine\n")
    before = state(cloned)
    assert outcome(node.run(make_pull(root, forge, strategy="stash"))).head.sha == sha
    assert git("status", "--porcelain", cwd=cloned) == "M README"
    assert git("stash", "list", cwd=cloned) == ""
    outcome(node.run(undo(root, forge)))  # type: ignore[arg-type]
    assert state(cloned) == before


def test_a_stash_pull_that_conflicts_changes_nothing(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    forge.push("README", "theirs\n")
    (cloned / "README").write_text("mine\n")
    (cloned / "untracked").write_text("x\r\n")
    before = state(cloned)
    result = node.run(make_pull(root, forge, strategy="stash"))
    assert (code(result), "README" in result.words) == ("pull_conflict", True)
    assert state(cloned) == before
    assert git("for-each-ref", "refs/bareboat", cwd=cloned) == ""


def test_a_rebase_puts_own_commits_on_top_and_is_undone(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    commit(cloned, "mine", "x\n", "my own work")
    (cloned / "untracked").write_text("x\n")
    before = state(cloned)
    sha = forge.push()
    outcome(node.run(make_pull(root, forge, strategy="rebase")))
    assert git("rev-parse", "HEAD^", cwd=cloned) == sha
    assert git("log", "-1", "--format=%s %ae", cwd=cloned) == "my own work dev@example.org"
    outcome(node.run(undo(root, forge)))  # type: ignore[arg-type]
    assert state(cloned) == before


def test_a_rebase_that_conflicts_changes_nothing(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    commit(cloned, "README", "mine\n", "my own work")
    forge.push("README", "theirs\n")
    before = state(cloned)
    result = node.run(make_pull(root, forge, strategy="rebase"))
    assert (code(result), "README" in result.words) == ("pull_conflict", True)
    assert state(cloned) == before
    assert not (cloned / ".git/rebase-merge").exists()


def test_a_backup_leaves_a_branch(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    mine = commit(cloned, "mine", "x\n", "my own work")
    forge.push()
    outcome(node.run(make_pull(root, forge, strategy="backup")))
    assert git("rev-parse", "bareboat-backup/job-2", cwd=cloned) == mine


def test_what_is_not_there_is_not_restored(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    assert code(node.run(undo(root, forge, "job-404"))) == "recovery_missing"  # type: ignore[arg-type]


def test_a_dropped_snapshot_is_gone(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    commit(cloned, "mine", "x\n")
    forge.push()
    outcome(node.run(make_pull(root, forge, strategy="reset")))
    done = node.run(recovery.drop(ProjectsRoot(str(root)), NAME, GitUrl.parse(forge.url), "job-2"))
    assert done.status == 0
    assert git("for-each-ref", "refs/bareboat", cwd=cloned) == ""
    assert node.run(make_status(root)).status == 0
