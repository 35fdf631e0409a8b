"""delete.sh, run for real by three shells, as root and as an account without rights."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.commands.base import NODE_PATH
from tests.commands.acts import (
    NOBODY,
    code,
    leftovers,
    make_checkout,
    make_clone,
    make_delete,
    make_pull,
    make_status,
)
from tests.commands.shells import SHELLS, Node
from tests.support.forge import Forge, commit, git


def test_a_delete_leaves_nothing(node: Node, root: Path, cloned: Path) -> None:
    result = node.run(make_delete(root))
    assert (result.status, result.stdout) == (0, b"deleted\n"), result.words
    assert leftovers(root) == []


def test_a_project_that_is_gone_is_deleted_already(node: Node, root: Path, cloned: Path) -> None:
    assert node.run(make_delete(root, force=True)).stdout == b"deleted\n"
    assert node.run(make_delete(root)).stdout == b"missing\n"


def test_nothing_is_made_to_delete_nothing(node: Node, root: Path) -> None:
    assert node.run(make_delete(root)).stdout == b"missing\n"
    assert list(root.iterdir()) == []


def test_uncommitted_work_is_not_deleted(node: Node, root: Path, cloned: Path) -> None:
    (cloned / "notes").write_text("x")
    result = node.run(make_delete(root))
    assert code(result) == "tree_dirty"
    assert "?? notes" in result.words
    assert (cloned / "notes").exists()


@pytest.mark.parametrize("where", ["branch", "other branch", "detached", "stash"])
def test_unpushed_work_is_not_deleted(node: Node, root: Path, cloned: Path, where: str) -> None:
    if where == "stash":
        (cloned / "README").write_text("x")
        git("stash", cwd=cloned)
    else:
        git("checkout", "-q", *{"detached": ["--detach"], "other branch": ["-b", "o"]}.get(where, ["main"]), cwd=cloned)
        commit(cloned, "mine", "x", "precious work")
        if where == "other branch":
            git("checkout", "-q", "main", cwd=cloned)
    result = node.run(make_delete(root))
    assert code(result) == "work_unpushed"
    assert "precious work" in result.words or where == "stash"
    assert node.run(make_delete(root, force=True)).stdout == b"deleted\n"


def test_a_damaged_repository_is_deleted_by_force_only(node: Node, root: Path, cloned: Path) -> None:
    (cloned / ".git/HEAD").unlink()
    assert code(node.run(make_delete(root))) == "repository_broken"
    assert node.run(make_delete(root, force=True)).stdout == b"deleted\n"


def test_a_link_in_place_of_a_project_is_not_followed(
    node: Node, root: Path, forge: Forge, cloned: Path, tmp_path: Path
) -> None:
    cloned.rename(tmp_path / "elsewhere")
    (root / "app").symlink_to(tmp_path / "elsewhere")
    acts = (
        make_status(root),
        make_pull(root, forge, strategy="reset"),
        make_checkout(root, "feature"),
        make_delete(root, force=True),
    )
    assert [code(node.run(act)) for act in acts] == ["path_escape"] * 4
    assert (tmp_path / "elsewhere/README").exists()


@pytest.mark.parametrize("link", [".bareboat", ".bareboat/trash"])
def test_a_delete_does_not_follow_a_link_for_its_own_folder(
    node: Node, root: Path, cloned: Path, tmp_path: Path, link: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.rmtree(root / ".bareboat")
    (root / link).parent.mkdir(exist_ok=True)
    (root / link).symlink_to(elsewhere)
    assert code(node.run(make_delete(root, force=True))) == "path_escape"
    assert (cloned / "README").exists()
    assert not list(elsewhere.iterdir())


def test_a_delete_does_not_empty_what_a_link_inside_leads_to(
    node: Node, root: Path, cloned: Path, tmp_path: Path
) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").touch()
    (cloned / "link").symlink_to(tmp_path / "precious")
    assert node.run(make_delete(root, force=True)).stdout == b"deleted\n"
    assert (tmp_path / "precious/file").exists()


@pytest.fixture
def open_root() -> Iterator[Path]:
    """A projects root that nobody owns, and may reach."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root may become nobody")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        root = Path(folder) / "projects"
        root.mkdir(mode=0o755)
        os.chown(root, NOBODY, NOBODY)
        yield root


def as_nobody(*words: str) -> tuple[str, ...]:
    return ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *words)


@pytest.fixture(params=[("/bin/sh",), ("bash",), ("busybox", "sh")], ids=SHELLS)
def nobody(request: pytest.FixtureRequest) -> Node:
    return Node(request.param, NODE_PATH, login=as_nobody())


def test_a_root_of_root_is_not_writable_for_others(nobody: Node, open_root: Path, forge: Forge) -> None:
    os.chown(open_root, 0, 0)
    assert code(nobody.run(make_clone(open_root, forge))) == "root_not_writable"


def test_folders_without_write_permission_are_deleted_too(nobody: Node, open_root: Path) -> None:
    make = 'cd "$1" && mkdir -p app/cache/x && touch app/cache/x/f && chmod -R a-w app/cache'
    subprocess.run(as_nobody("/bin/sh", "-c", make, "sh", str(open_root)), check=True)
    assert nobody.run(make_delete(open_root, force=True)).stdout == b"deleted\n"
    assert leftovers(open_root) == []


def test_files_of_others_stay_in_the_trash(nobody: Node, open_root: Path) -> None:
    (open_root / "app/foreign").mkdir(parents=True)
    (open_root / "app/foreign/file").touch()
    os.chown(open_root / "app", NOBODY, NOBODY)
    assert nobody.run(make_delete(open_root, force=True)).stdout == b"trashed\n"
    assert not (open_root / "app").exists()
    assert (open_root / ".bareboat/trash/job-3/foreign/file").exists()
