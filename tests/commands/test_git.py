"""The git programs, run for real by three shells against a real git daemon."""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.commands import git as commands
from app.commands.base import NODE_PATH, Command
from app.commands.giterrors import code_of
from app.commands.gitstatus import Outcome, parse_outcome, parse_status
from app.commands.giturl import GitUrl
from app.commands.paths import ProjectName, ProjectsRoot
from app.commands.refs import GitRef
from tests.commands.conftest import NONCE, SHELLS, Node, Result, end, finish
from tests.support.forge import Forge, commit, git

SCHEMES = ("git",)
NAME = ProjectName("app")
NOBODY = 65534


def make_clone(root: Path, forge: Forge, **options: object) -> Command:
    settings: dict[str, object] = {"job_key": "job-1", "allowed_schemes": SCHEMES, "timeout_seconds": 60, **options}
    return commands.clone(ProjectsRoot(str(root)), NAME, GitUrl.parse(forge.url), **settings)  # type: ignore[arg-type]


def make_pull(root: Path, forge: Forge, **options: object) -> Command:
    settings: dict[str, object] = {"job_key": "job-2", "allowed_schemes": SCHEMES, "timeout_seconds": 60, **options}
    return commands.pull(ProjectsRoot(str(root)), NAME, GitUrl.parse(forge.url), **settings)  # type: ignore[arg-type]


def make_delete(root: Path, *, force: bool = False) -> Command:
    return commands.delete(ProjectsRoot(str(root)), NAME, force=force, job_key="job-3")


def make_status(root: Path) -> Command:
    return commands.status(ProjectsRoot(str(root)), NAME)


def make_checkout(root: Path, ref: str) -> Command:
    return commands.checkout(ProjectsRoot(str(root)), NAME, GitRef(ref))


def code(result: Result) -> str | None:
    """As a caller reads it: the envelope's reason, our exit status, git's words."""
    if result.reason != "exit":
        return result.reason
    return None if result.status == 0 else code_of(result.status, result.stderr)


def outcome(result: Result) -> Outcome:
    assert (result.reason, result.status) == ("exit", 0), result.words
    return parse_outcome(result.stdout)


@pytest.fixture
def cloned(dash: Node, root: Path, forge: Forge) -> Path:
    outcome(dash.run(make_clone(root, forge)))
    return root / "app"


def leftovers(root: Path) -> list[str]:
    """Everything below the projects root but Bareboat's own empty folders."""
    own = {".bareboat", ".bareboat/tmp", ".bareboat/trash"}
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if str(path.relative_to(root)) not in own)


# --- the lines


HOSTILE = "a'; touch /tmp/x; $(touch /tmp/x)"


def test_a_hostile_branch_is_one_quoted_word_of_the_clone() -> None:
    command = commands.clone(
        ProjectsRoot("/data/it's here"),
        NAME,
        GitUrl.parse("https://git.example.org/$HOME/a.git"),
        branch=GitRef("a';$(touch${IFS}x)"),
        depth=3,
        submodules=True,
        job_key="7",
        allowed_schemes=("https", "ssh"),
    )
    assert (
        """set -- '/data/it'"'"'s here' app 7 'https://git.example.org/$HOME/a.git' 'a'"'"';$(touch${IFS}x)' 3 1\n"""
        in command.script(NONCE)
    )


def test_a_pull_names_address_branch_strategy_and_job() -> None:
    command = commands.pull(
        ProjectsRoot("/data/projects"),
        NAME,
        GitUrl.parse("git@git.example.org:$(x)/a"),
        branch=GitRef("a&b"),
        strategy="reset",
        job_key="7",
        allowed_schemes=("ssh",),
    )
    assert "set -- 'git@git.example.org:$(x)/a' 'a&b' reset 7\n" in command.script(NONCE)


def test_a_checkout_names_address_and_ref() -> None:
    command = commands.checkout(ProjectsRoot("/data/projects"), NAME, GitRef("a`x`"))
    assert "set -- '' 'a`x`'\n" in command.script(NONCE)


def test_a_status_names_address_and_limit_and_takes_no_lock() -> None:
    command = commands.status(ProjectsRoot("/data/projects"), NAME, url=GitUrl.parse("https://h/$(x)"))
    assert "set -- 'https://h/$(x)' 524288\n" in command.script(NONCE)
    assert command.environment["GIT_OPTIONAL_LOCKS"] == "0"


def test_a_delete_names_root_project_job_address_and_force() -> None:
    command = commands.delete(ProjectsRoot("/data/$(x)"), NAME, force=True, job_key="7")
    assert "set -- '/data/$(x)' app 7 '' 1\n" in command.script(NONCE)


def test_a_resolve_names_the_host() -> None:
    assert "set -- 'a$(x)'\n" in commands.resolve("a$(x)").script(NONCE)


# --- clone


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


# --- pull


def test_a_pull_moves_forward(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    sha = forge.push()
    got = outcome(node.run(make_pull(root, forge)))
    assert (got.head.sha, got.branch, got.recovery_ref) == (sha, "main", None)
    assert (cloned / "README").read_text() == "more\n"


def test_a_pull_with_nothing_new_succeeds(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    commit(cloned, "mine", "x\n")
    assert outcome(node.run(make_pull(root, forge))).head.sha == git("rev-parse", "HEAD", cwd=cloned)


def test_a_pull_follows_the_branch_at_hand(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    git("checkout", "-q", "feature", cwd=cloned)
    git("checkout", "-q", "feature", cwd=forge.work)
    sha = forge.push("feature", "y\n")
    assert outcome(node.run(make_pull(root, forge, branch=GitRef("main")))).head.sha == sha


def test_a_pull_brings_other_branches_and_tags_too(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    git("checkout", "-q", "-b", "new", cwd=forge.work)
    git("tag", "-f", "v2", forge.push("n", "n\n"), cwd=forge.work)
    git("push", "-q", "origin", "v2", cwd=forge.work)
    outcome(node.run(make_pull(root, forge)))
    assert git("rev-parse", "origin/new", "v2", cwd=cloned)


def test_a_diverged_branch_is_refused_and_its_commits_named(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    before = commit(cloned, "mine", "x\n", "my own work")
    forge.push(message="their work")
    result = node.run(make_pull(root, forge))
    assert code(result) == "not_fast_forward"
    assert "my own work" in result.words
    assert "their work" in result.words
    assert git("rev-parse", "HEAD", cwd=cloned) == before


def test_a_dirty_tree_is_refused_and_its_files_named(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    forge.push()
    (cloned / "README").write_text("edited\n")
    result = node.run(make_pull(root, forge))
    assert code(result) == "tree_dirty"
    assert " M README" in result.words
    assert (cloned / "README").read_text() == "edited\n"


def test_a_file_in_the_way_is_not_overwritten(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    forge.push("new", "theirs\n")
    (cloned / "new").write_text("mine\n")
    assert code(node.run(make_pull(root, forge))) == "tree_dirty"
    assert (cloned / "new").read_text() == "mine\n"


def test_a_detached_head_has_no_upstream(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    git("checkout", "-q", "--detach", cwd=cloned)
    assert code(node.run(make_pull(root, forge))) == "no_upstream"


def test_a_branch_of_ones_own_has_no_upstream(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    git("checkout", "-q", "-b", "mine", cwd=cloned)
    assert code(node.run(make_pull(root, forge, branch=GitRef("main")))) == "no_upstream"


def test_a_branch_that_is_gone_at_origin_is_told_as_such(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    git("checkout", "-q", "feature", cwd=cloned)
    git("push", "-q", "origin", ":feature", cwd=forge.work)
    assert code(node.run(make_pull(root, forge))) == "ref_not_found"


def test_a_lock_that_was_left_is_told_as_such(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    (cloned / ".git/index.lock").touch()
    assert code(node.run(make_pull(root, forge))) == "repository_locked"
    assert node.run(make_status(root)).status == 0


def test_a_reset_keeps_what_it_drops(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    mine = commit(cloned, "mine", "committed\n", "my own work")
    (cloned / "README").write_text("edited\n")
    (cloned / "untracked").write_text("stays\n")
    sha = forge.push()
    got = outcome(node.run(make_pull(root, forge, strategy="reset")))
    assert (got.head.sha, got.branch, got.recovery_ref) == (sha, "main", "refs/bareboat/recovery/job-2")
    assert git("rev-parse", "refs/bareboat/recovery/job-2^1", cwd=cloned) == mine
    assert git("show", "refs/bareboat/recovery/job-2:README", cwd=cloned) == "edited"
    assert (cloned / "README").read_text() == "more\n"
    assert (cloned / "untracked").read_text() == "stays\n"
    assert git("status", "--porcelain", cwd=cloned) == "?? untracked"


def test_a_reset_tried_again_keeps_both(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    first = commit(cloned, "mine", "one\n")
    outcome(node.run(make_pull(root, forge, strategy="reset")))
    second = commit(cloned, "mine", "two\n")
    got = outcome(node.run(make_pull(root, forge, strategy="reset")))
    assert got.recovery_ref == "refs/bareboat/recovery/job-2-2"
    assert git("rev-parse", "refs/bareboat/recovery/job-2", got.recovery_ref, cwd=cloned).split() == [first, second]


def test_a_reset_does_not_overwrite_an_untracked_file(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    forge.push("new", "theirs\n")
    (cloned / "new").write_text("mine\n")
    (cloned / "README").write_text("edited\n")
    assert code(node.run(make_pull(root, forge, strategy="reset"))) == "tree_dirty"
    assert (cloned / "new").read_text() == "mine\n"
    assert (cloned / "README").read_text() == "edited\n"


def test_a_reset_with_nothing_to_drop_leaves_no_ref(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    assert outcome(node.run(make_pull(root, forge, strategy="reset"))).recovery_ref is None
    assert git("for-each-ref", "refs/bareboat", cwd=cloned) == ""


# --- status


def test_a_status_tells_every_kind_of_change(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    for name in ("a", "b", "c", "d"):
        commit(cloned, name, f"{name} with some text to be found again\n" * 5)
    forge.push()
    git("fetch", "-q", forge.url, "+refs/heads/*:refs/remotes/origin/*", cwd=cloned)
    (cloned / "a").write_text("changed\n")
    git("mv", "b", "moved", cwd=cloned)
    git("rm", "-q", "c", cwd=cloned)
    (cloned / "d").unlink()
    (cloned / "d").symlink_to("a")
    (cloned / "added").write_text("x")
    git("add", "added", cwd=cloned)
    (cloned / 'new\nline "quoted"').write_text("x")
    (Path(os.fsdecode(os.fsencode(cloned) + b"/bad\xff"))).write_text("x")
    got = parse_status(node.run(make_status(root)).stdout)
    assert {change.path: change.state for change in got.changes} == {
        "a": "modified",
        "moved": "renamed",
        "c": "deleted",
        "d": "type_changed",
        "added": "added",
        'new\nline "quoted"': "untracked",
        "bad\N{REPLACEMENT CHARACTER}": "untracked",
    }
    assert (got.branch, got.upstream, got.ahead, got.behind, got.dirty) == ("main", "origin/main", 4, 1, True)
    assert got.head is not None
    assert got.head.author == "dev@example.org"
    assert not got.truncated


def test_a_clean_and_detached_tree_says_so(node: Node, root: Path, cloned: Path) -> None:
    git("checkout", "-q", "--detach", cwd=cloned)
    got = parse_status(node.run(make_status(root)).stdout)
    assert (got.branch, got.detached, got.dirty, got.changes) == (None, True, False, ())


def test_a_status_of_ten_thousand_files_is_cut(node: Node, root: Path, cloned: Path) -> None:
    for number in range(10_000):
        (cloned / f"{number:0>60}").touch()
    result = node.run(make_status(root))
    got = parse_status(result.stdout)
    assert result.status == 0
    assert len(result.stdout) <= commands.STATUS_LIMIT_BYTES + 1000
    assert (len(got.changes), got.truncated) == (1000, True)


def test_a_status_reads_no_repository_above_the_project(node: Node, root: Path, tmp_path: Path) -> None:
    git("init", "-q", ".", cwd=root)
    git("config", "core.fsmonitor", f"touch {tmp_path}/canary", cwd=root)
    (root / "app").mkdir()
    assert code(node.run(make_status(root))) == "repository_broken"
    shutil.copytree(root / ".git", root / "app/.git")
    (root / "app/.git/HEAD").unlink()
    assert code(node.run(make_status(root))) == "repository_broken"
    assert not (tmp_path / "canary").exists()


# --- what others wrote into the repository


POISON = {
    "core.fsmonitor": ("core.fsmonitor", "touch {canary}; false"),
    "core.sshcommand": ("core.sshCommand", "touch {canary}; false"),
    "core.worktree": ("core.worktree", "/"),
    "core.pager": ("core.pager", "touch {canary}"),
    "hook.evil.command": ("hook.evil.command", "touch {canary}"),
    "url.ext::touch {canary}.insteadof": ("url.ext::touch {canary}.insteadOf", "git://"),
    "filter.x.clean": ("filter.x.clean", "touch {canary}; cat"),
    "include.path": ("include.path", "/dev/null"),
    "remote.origin.uploadpack": ("remote.origin.uploadpack", "touch {canary}"),
    "remote.git://x/y.url": ("remote.git://x/y.url", "ext::touch {canary}"),
    "branch.main.mergeoptions": ("branch.main.mergeoptions", "-s evil"),
    "alias.status": ("alias.status", "!touch {canary}"),
    "credential.helper": ("credential.helper", "!touch {canary}"),
    "diff.external": ("diff.external", "touch {canary}"),
}


@pytest.mark.parametrize("name", POISON)
def test_a_setting_that_we_did_not_write_stops_every_act(
    dash: Node, root: Path, forge: Forge, cloned: Path, tmp_path: Path, name: str
) -> None:
    canary = str(tmp_path / "canary")
    key, value = (text.format(canary=canary) for text in POISON[name])
    git("config", key, value, cwd=cloned)
    (cloned / ".gitattributes").write_text("* filter=x\n")
    (cloned / "README").write_text("changed\n")
    acts = (make_status(root), make_pull(root, forge), make_checkout(root, "feature"), make_delete(root))
    results = [dash.run(act) for act in acts]
    assert [code(result) for result in results] == ["config_tampered"] * 4
    assert name.format(canary=canary) in results[0].words
    assert not (tmp_path / "canary").exists()
    assert (cloned / "README").exists()


@pytest.mark.parametrize("kind", ["fsmonitor", "alternates", "worktree", "gitfile", "gitlink", "address"])
def test_tampering_is_seen_by_every_shell(node: Node, root: Path, forge: Forge, cloned: Path, kind: str) -> None:
    dot_git = cloned / ".git"
    if kind == "fsmonitor":
        git("config", "core.fsmonitor", "false", cwd=cloned)
    elif kind == "alternates":
        (dot_git / "objects/info/alternates").write_text("/elsewhere\n")
    elif kind == "worktree":
        (dot_git / "config.worktree").touch()
    elif kind == "address":
        git("config", "remote.origin.url", "git://127.0.0.1/other", cwd=cloned)
    else:
        dot_git.rename(root / "moved.git")
        if kind == "gitlink":
            dot_git.symlink_to(root / "moved.git")
        else:
            dot_git.write_text(f"gitdir: {root}/moved.git\n")
    assert code(node.run(make_pull(root, forge))) == "config_tampered"


def test_a_planted_hook_does_not_run(node: Node, root: Path, forge: Forge, cloned: Path, tmp_path: Path) -> None:
    hooks = cloned / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "post-merge", "reference-transaction", "post-index-change", "fsmonitor-watchman"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/canary\n")
        (hooks / name).chmod(0o755)
    forge.push()
    outcome(node.run(make_pull(root, forge)))
    outcome(node.run(make_checkout(root, "feature")))
    assert not (tmp_path / "canary").exists()


def test_harmless_settings_of_a_person_are_no_tampering(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    for key, value in {
        "user.name": "A Person",
        "user.email": "a@example.org",
        "remote.fork.url": "https://example.org/fork",
        "branch.main.rebase": "true",
        "pull.rebase": "true",
        "push.default": "current",
        "rerere.enabled": "true",
        "color.ui": "never",
    }.items():
        git("config", key, value, cwd=cloned)
    assert node.run(make_status(root)).status == 0


def test_variables_of_the_account_do_not_reach_git(
    dash: Node, root: Path, cloned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.fsmonitor=touch {tmp_path}/canary'")
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    assert parse_status(dash.run(make_status(root)).stdout).branch == "main"
    assert not (tmp_path / "canary").exists()
    assert not (tmp_path / "trace").exists()


# --- checkout


@pytest.mark.parametrize(("ref", "branch"), [("feature", "feature"), ("v1", None), ("origin/feature", None)])
def test_a_checkout_finds_branches_and_tags(
    node: Node, root: Path, forge: Forge, cloned: Path, ref: str, branch: str | None
) -> None:
    got = outcome(node.run(make_checkout(root, ref)))
    assert (got.branch, got.head.sha) == (branch, git("rev-parse", f"{ref}^{{commit}}", cwd=cloned))
    assert node.run(make_status(root)).status == 0


def test_a_checkout_finds_a_commit_and_the_way_back(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    sha = git("rev-parse", "origin/feature", cwd=cloned)
    assert outcome(node.run(make_checkout(root, sha[:10]))).head.sha == sha
    assert outcome(node.run(make_checkout(root, "main"))).branch == "main"


def test_a_branch_made_by_checkout_can_be_pulled(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    outcome(node.run(make_checkout(root, "feature")))
    assert outcome(node.run(make_pull(root, forge))).branch == "feature"


def test_a_checkout_of_nothing_is_told_as_such(node: Node, root: Path, cloned: Path) -> None:
    assert code(node.run(make_checkout(root, "nothing"))) == "ref_not_found"
    assert code(node.run(make_checkout(root, "abcdef12"))) == "ref_not_found"


def test_a_checkout_over_changes_is_refused(node: Node, root: Path, cloned: Path) -> None:
    (cloned / "README").write_text("edited\n")
    assert code(node.run(make_checkout(root, "feature"))) == "tree_dirty"


# --- delete


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


# --- an account that is not root


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


# --- resolve


def test_a_node_tells_the_addresses_of_a_name(dash: Node) -> None:
    result = dash.run(commands.resolve("localhost"))
    assert set(commands.parse_addresses(result.stdout)) <= {"127.0.0.1", "::1"}
    assert commands.parse_addresses(result.stdout)


def test_words_that_are_no_address_are_kept_to_be_denied() -> None:
    assert commands.parse_addresses(b"10.0.0.1 STREAM x\n10.0.0.1 DGRAM\n\nnonsense\xff\n") == (
        "10.0.0.1",
        "nonsense\N{REPLACEMENT CHARACTER}",
    )
