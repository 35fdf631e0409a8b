"""delete.sh that keeps, restore.sh and purge.sh, run for real by three shells."""

import os
import subprocess
from pathlib import Path

import pytest

from app.commands import trash
from app.commands.giturl import GitUrl
from app.commands.paths import ProjectsRoot
from tests.commands.acts import NAME, SCHEMES, code, leftovers, make_delete
from tests.commands.shells import Node
from tests.support.forge import Forge, commit, git


def everything(tree: Path) -> dict[str, tuple[int, int, bytes]]:
    """Of all files and folders, git's own too: mode, time of change, content."""
    found = {}
    for path in [tree, *tree.rglob("*")]:
        about = path.lstat()
        content = os.fsencode(os.readlink(path)) if path.is_symlink() else b""
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else content
        found[str(path.relative_to(tree))] = (about.st_mode, about.st_mtime_ns, content)
    return found


def dirty(tree: Path) -> None:
    """Staged, changed, untracked, ignored, odd names, modes, links, an old time, a stash, a commit of its own."""
    (tree / "README").write_text("stashed\n")
    git("stash", cwd=tree)
    commit(tree, "mine", "x\n", "only here")
    (tree / ".gitignore").write_text("*.log\n")
    (tree / "README").write_bytes(b"half\r\nand half\n\0\xff")
    git("add", "README", cwd=tree)
    (tree / "README").write_text("staged, and changed again\n")
    (tree / "new\nline").write_text("untracked")
    (tree / "x.log").write_text("ignored")
    (tree / "run").write_text("#!/bin/sh\n")
    (tree / "run").chmod(0o750)
    (tree / "link").symlink_to("/nowhere")
    (tree / "empty").mkdir(mode=0o700)
    os.utime(tree / "x.log", ns=(1, 1_000_000_001))


def test_what_was_deleted_comes_back_byte_for_byte(node: Node, root: Path, cloned: Path) -> None:
    dirty(cloned)
    before = everything(cloned)
    assert node.run(make_delete(root, force=True, keep=True)).stdout == b"kept\n"
    assert not cloned.exists()
    assert node.run(trash.restore(ProjectsRoot(str(root)), NAME, "job-3")).stdout == b"restored\n"
    assert everything(cloned) == before


def test_a_delete_tried_again_finds_what_it_has_kept(node: Node, root: Path, cloned: Path) -> None:
    assert node.run(make_delete(root, keep=True)).stdout == b"kept\n"
    assert node.run(make_delete(root, keep=True)).stdout == b"kept\n"


def test_a_restore_takes_nobodys_place(node: Node, root: Path, cloned: Path) -> None:
    node.run(make_delete(root, keep=True))
    cloned.mkdir()
    assert code(node.run(trash.restore(ProjectsRoot(str(root)), NAME, "job-3"))) == "target_exists"
    assert (root / ".bareboat/trash/job-3/README").exists()


@pytest.mark.parametrize("what", ["nothing", "a link", "no trash"])
def test_what_is_not_in_the_trash_is_not_restored(
    node: Node, root: Path, cloned: Path, tmp_path: Path, what: str
) -> None:
    cloned.rename(tmp_path / "elsewhere")
    if what == "a link":
        (root / ".bareboat/trash").mkdir(parents=True, exist_ok=True)
        (root / ".bareboat/trash/job-3").symlink_to(tmp_path / "elsewhere")
    if what == "no trash":
        subprocess.run(["rm", "-r", str(root / ".bareboat")], check=True)
    assert code(node.run(trash.restore(ProjectsRoot(str(root)), NAME, "job-3"))) == "trash_missing"
    assert not cloned.exists()


def test_a_purge_removes_it_and_nothing_that_a_link_leads_to(
    node: Node, root: Path, cloned: Path, tmp_path: Path
) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").touch()
    (cloned / "link").symlink_to(tmp_path / "precious")
    node.run(make_delete(root, force=True, keep=True))
    assert node.run(trash.purge(ProjectsRoot(str(root)), "job-3")).stdout == b"deleted\n"
    assert node.run(trash.purge(ProjectsRoot(str(root)), "job-3")).stdout == b"missing\n"
    assert (leftovers(root), (tmp_path / "precious/file").exists()) == ([], True)


def test_where_the_folder_is_is_told_and_a_link_is_none(node: Node, root: Path, cloned: Path) -> None:
    where = trash.where(ProjectsRoot(str(root)), NAME, "job-3")
    words = [node.run(where).stdout]
    node.run(make_delete(root, force=True, keep=True))
    words.append(node.run(where).stdout)
    cloned.symlink_to(root)
    words.append(node.run(where).stdout)
    cloned.unlink()
    cloned.mkdir()
    words.append(node.run(where).stdout)
    assert words == [b"place\n", b"trash\n", b"trash\n", b"both\n"]


def asking(root: Path, forge: Forge) -> bytes:
    """The url makes the delete ask the server."""
    return make_delete(root, keep=True, url=GitUrl.parse(forge.url), allowed_schemes=SCHEMES)  # type: ignore[return-value]


def test_a_commit_that_the_server_has_dropped_is_not_deleted(
    node: Node, root: Path, forge: Forge, cloned: Path
) -> None:
    git("checkout", "-q", "feature", cwd=cloned)
    git("push", "-q", "origin", ":feature", cwd=forge.work)
    result = node.run(asking(root, forge))
    assert (code(result), "a feature" in result.words) == ("work_unpushed", True)
    assert git("rev-parse", "origin/feature", cwd=cloned)
    assert git("for-each-ref", "refs/bareboat", cwd=cloned) == ""


def test_a_server_that_has_all_lets_it_go(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    forge.push()
    result = node.run(asking(root, forge))
    assert result.stdout == b"kept\n", result.words


def test_a_server_that_cannot_be_asked_keeps_it(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    forge.bare.rename(forge.base / "gone.git")
    assert code(node.run(asking(root, forge))) == "remote_unasked"
    assert node.run(make_delete(root, keep=True, force=True)).stdout == b"kept\n"
