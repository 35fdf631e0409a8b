"""clone.sh, run for real by three shells against a real git daemon."""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.commands import git as commands
from app.commands.gitstatus import parse_status
from app.commands.giturl import GitUrl
from app.commands.paths import ProjectsRoot
from app.commands.refs import GitRef
from tests.commands.acts import (
    NAME,
    SCHEMES,
    code,
    leftovers,
    make_clone,
    make_status,
    outcome,
)
from tests.commands.shells import Node, end, finish
from tests.support.forge import Forge, commit, git


def test_a_clone_ends_in_its_place_with_its_head(node: Node, root: Path, forge: Forge) -> None:
    result = node.run(make_clone(root, forge))
    got = outcome(result)
    assert (got.head.sha, got.head.subject, got.branch) == (git("rev-parse", "HEAD", cwd=forge.work), "first", "main")
    assert (root / "app/README").read_text() == "hello\n"
    assert git("config", "remote.origin.url", cwd=root / "app") == forge.url
    assert git("branch", "-r", cwd=root / "app").split()[-1] == "origin/main"
    assert "Receiving objects: 100%" in result.words
    assert not list((root / ".bareboat/tmp").iterdir())
    assert (root / ".bareboat").stat().st_mode & 0o777 == 0o700


def test_a_clone_takes_a_branch_and_a_depth(node: Node, root: Path, forge: Forge) -> None:
    got = outcome(node.run(make_clone(root, forge, branch=GitRef("feature"), depth=1)))
    assert got.branch == "feature"
    assert git("rev-list", "--count", "HEAD", cwd=root / "app") == "1"


def test_a_clone_of_an_existing_name_touches_nothing(node: Node, root: Path, forge: Forge) -> None:
    (root / "app").mkdir()
    assert code(node.run(make_clone(root, forge))) == "target_exists"
    assert leftovers(root) == ["app"]


def test_a_clone_onto_a_dangling_link_is_refused(node: Node, root: Path, forge: Forge) -> None:
    (root / "app").symlink_to("/nonexistent/target")
    assert code(node.run(make_clone(root, forge))) == "target_exists"


def test_a_clone_into_a_missing_root_does_not_create_it(node: Node, root: Path, forge: Forge) -> None:
    root.rmdir()
    assert code(node.run(make_clone(root, forge))) == "root_missing"
    assert not root.exists()


def test_a_clone_marks_the_root_and_never_fills_one_that_should_have_the_mark(
    node: Node, root: Path, forge: Forge
) -> None:
    result = node.run(make_clone(root, forge, is_marked=True))
    assert (code(result), list(root.iterdir())) == ("root_unmarked", [])
    outcome(node.run(make_clone(root, forge)))
    assert "mounted" in (root / ".bareboat/root").read_text()
    shutil.rmtree(root / "app")
    outcome(node.run(make_clone(root, forge, is_marked=True)))


def test_a_mark_is_not_written_through_a_link(node: Node, root: Path, forge: Forge, tmp_path: Path) -> None:
    (root / ".bareboat").mkdir(mode=0o700)
    (root / ".bareboat/root").symlink_to(tmp_path / "elsewhere")
    assert code(node.run(make_clone(root, forge))) == "root_not_writable"
    assert not (tmp_path / "elsewhere").exists()


def test_a_root_that_is_a_link_is_unsafe(node: Node, root: Path, forge: Forge, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert code(node.run(make_clone(tmp_path / "link", forge))) == "root_unsafe"


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_a_root_that_others_may_write_to_is_unsafe(node: Node, root: Path, forge: Forge, mode: int) -> None:
    root.chmod(mode)
    assert code(node.run(make_clone(root, forge))) == "root_unsafe"
    assert leftovers(root) == []


def test_a_root_of_another_user_is_unsafe(node: Node, root: Path, forge: Forge) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give a folder away")
    os.chown(root, 12345, 12345)
    assert code(node.run(make_clone(root, forge))) == "root_unsafe"


@pytest.mark.parametrize("link", [".bareboat", ".bareboat/tmp"])
def test_a_clone_does_not_follow_a_link_for_its_own_folder(
    node: Node, root: Path, forge: Forge, tmp_path: Path, link: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / link).parent.mkdir(exist_ok=True)
    (root / link).symlink_to(elsewhere)
    assert code(node.run(make_clone(root, forge))) == "path_escape"
    assert not list(elsewhere.iterdir())


def test_a_clone_removes_what_an_earlier_try_of_the_job_left(node: Node, root: Path, forge: Forge) -> None:
    stale = root / ".bareboat/tmp/job-1"
    stale.mkdir(parents=True)
    (stale / "half").write_text("x")
    outcome(node.run(make_clone(root, forge)))
    assert not stale.exists()


def test_an_empty_repository_is_refused_and_leaves_nothing(node: Node, root: Path, forge: Forge) -> None:
    shutil.rmtree(forge.base / "app.git")
    git("init", "-q", "--bare", "app.git", cwd=forge.base)
    assert code(node.run(make_clone(root, forge))) == "repository_empty"
    assert leftovers(root) == []


def test_a_missing_repository_is_told_as_such(node: Node, root: Path, forge: Forge) -> None:
    shutil.rmtree(forge.base / "app.git")
    assert code(node.run(make_clone(root, forge))) == "git_not_found"
    assert leftovers(root) == []


def test_a_missing_branch_is_told_as_such(node: Node, root: Path, forge: Forge) -> None:
    assert code(node.run(make_clone(root, forge, branch=GitRef("nothing")))) == "ref_not_found"
    assert leftovers(root) == []


def test_a_scheme_that_is_not_allowed_is_refused_by_git_too(dash: Node, root: Path, forge: Forge) -> None:
    assert code(dash.run(make_clone(root, forge, allowed_schemes=("https",)))) == "git_address_denied"


def test_a_node_without_git_is_told_as_such(root: Path, forge: Forge, busybox_path: str, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(busybox_path, bare, symlinks=True)
    (bare / "git").unlink()
    assert code(Node(("/bin/sh",), str(bare)).run(make_clone(root, forge))) == "git_missing"


@pytest.mark.parametrize("version", ["1.8.3.1", "2.19.4", "nonsense"])
def test_an_old_git_is_as_good_as_none(
    root: Path, forge: Forge, busybox_path: str, tmp_path: Path, version: str
) -> None:
    old = tmp_path / "old"
    shutil.copytree(busybox_path, old, symlinks=True)
    (old / "git").unlink()
    (old / "git").write_text(f"#!/bin/sh\necho git version {version}\n")
    (old / "git").chmod(0o755)
    assert code(Node(("/bin/sh",), str(old)).run(make_clone(root, forge))) == "git_missing"


def test_git_before_2_31_is_given_the_same_settings(node: Node, cloned: Path, root: Path, tmp_path: Path) -> None:
    """Such a git knows no GIT_CONFIG_COUNT; a stand-in says its version and shows what reaches it the old way."""
    old = tmp_path / "old"
    old.mkdir()
    for name in node.path.split(":"):
        for tool in Path(name).glob("*") if Path(name).exists() else []:
            if tool.name != "git" and not (old / tool.name).exists():
                (old / tool.name).symlink_to(tool)
    real = shutil.which("git")
    seen = tmp_path / "seen"
    (old / "git").write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --version ]; then echo git version 2.30.2; exit; fi\n'
        f'{real} config --get core.hooksPath >"{seen}"\n'
        f'exec {real} "$@"\n'
    )
    (old / "git").chmod(0o755)
    result = Node(node.shell, str(old)).run(make_status(root))
    assert parse_status(result.stdout).branch == "main"
    assert seen.read_text() == "/dev/null\n"


def test_a_full_disk_is_told_as_such_and_left_empty(node: Node, forge: Forge, tmp_path: Path) -> None:
    (forge.work / "big").write_bytes(os.urandom(3_000_000))
    git("add", "big", cwd=forge.work)
    git("commit", "-q", "-m", "big", cwd=forge.work)
    git("push", "-q", "origin", "main", cwd=forge.work)
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", str(small)])
    if mounted.returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        assert code(node.run(make_clone(small, forge))) == "disk_full"
        assert leftovers(small) == []
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_read_only_root_is_told_as_such(dash: Node, forge: Forge, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m,mode=755", "tmpfs", str(small)])
    if mounted.returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        assert code(dash.run(make_clone(small, forge))) == "root_not_writable"
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_clone_whose_lease_ends_leaves_nothing(node: Node, root: Path, forge: Forge, tmp_path: Path) -> None:
    """The server is slow on purpose: a listener that accepts, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = GitUrl.parse(f"git://127.0.0.1:{silent.getsockname()[1]}/app.git")
        command = commands.clone(
            ProjectsRoot(str(root)), NAME, url, job_key="job-1", allowed_schemes=SCHEMES, timeout_seconds=60
        )
        process = node.start(command)
        silent.settimeout(20)
        connection, _ = silent.accept()
        assert (root / ".bareboat/tmp/job-1").exists()
        assert process.stdin is not None
        started = time.monotonic()
        process.stdin.close()
        try:
            result = finish(process, 20)
        finally:
            end(process)
        assert time.monotonic() - started < 15
        connection.settimeout(10)
        while connection.recv(4096):
            pass
        connection.close()
    assert result.status != 0
    assert leftovers(root) == []


def test_submodules_are_cloned_when_asked_for(node: Node, root: Path, forge: Forge, tmp_path: Path) -> None:
    git("init", "-q", "-b", "main", "lib", cwd=tmp_path)
    commit(tmp_path / "lib", "lib", "x\n")
    git("clone", "-q", "--bare", str(tmp_path / "lib"), str(forge.base / "lib.git"), cwd=tmp_path)
    (forge.work / ".gitmodules").write_text('[submodule "lib"]\n\tpath = lib\n\turl = ../lib.git\n')
    sha = git("rev-parse", "HEAD", cwd=tmp_path / "lib")
    git("update-index", "--add", "--cacheinfo", f"160000,{sha},lib", cwd=forge.work)
    git("add", ".gitmodules", cwd=forge.work)
    git("commit", "-q", "-m", "lib", cwd=forge.work)
    git("push", "-q", "origin", "main", cwd=forge.work)
    result = node.run(make_clone(root, forge, submodules=True))
    outcome(result)
    assert (root / "app/lib/lib").read_text() == "x\n"
    assert not parse_status(node.run(make_status(root)).stdout).dirty


@pytest.mark.parametrize("where", ["git://127.0.0.2:{port}/x", "http://127.0.0.1:{port}/x", "git://127.0.0.1:{port}/x"])
def test_a_submodule_leads_to_no_other_host_or_port(node: Node, root: Path, forge: Forge, where: str) -> None:
    """Only the address of the repository itself was looked up and checked."""
    with socket.socket() as trap:
        trap.bind(("", 0))
        trap.listen()
        trap.setblocking(False)
        url = where.format(port=trap.getsockname()[1])
        (forge.work / ".gitmodules").write_text(f'[submodule "lib"]\n\tpath = lib\n\turl = {url}\n')
        git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib", cwd=forge.work)
        git("add", ".gitmodules", cwd=forge.work)
        git("commit", "-q", "-m", "lib", cwd=forge.work)
        git("push", "-q", "origin", "main", cwd=forge.work)
        result = node.run(make_clone(root, forge, submodules=True, allowed_schemes=("git", "http"), timeout_seconds=5))
        with pytest.raises(BlockingIOError):
            trap.accept()
    assert code(result) == "git_address_denied"
    assert leftovers(root) == []


@pytest.fixture
def web(forge: Forge) -> Iterator[int]:
    """The port of a plain web server on loopback that has the forge's repositories."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """The test's output is not a log."""

    git("update-server-info", cwd=forge.base / "app.git")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(forge.base))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_pinned_name_is_not_looked_up_again(dash: Node, root: Path, web: int) -> None:
    """The name exists nowhere, so only the pin can lead to the server."""
    url = GitUrl.parse(f"http://git.example.invalid:{web}/app.git")
    pinned = {"pinned_address": "127.0.0.1", "allowed_schemes": ("http",)}
    unpinned = {"allowed_schemes": ("http",)}
    root_path = ProjectsRoot(str(root))
    assert code(dash.run(commands.clone(root_path, NAME, url, job_key="1", **unpinned))) == "git_unreachable"
    assert outcome(dash.run(commands.clone(root_path, NAME, url, job_key="2", **pinned))).branch == "main"
