"""Clone, pull, status, checkout and delete, through services, a real sshd and a real git server."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.errors import HostKeyUnpinned, InvalidGitUrl, NodeOffline, UnsafePath, WrongState
from app.models import JobState, NodeStatus, ProjectStatus
from app.services import jobs, nodes, projects
from app.services.events import SYSTEM
from tests.support.forge import Forge, commit, git
from tests.support.http_git import BadGitHost
from tests.support.live import Live
from tests.support.sshd import KeyPair, SshdServer

pytestmark = pytest.mark.ssh

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system, which only root may")


def test_a_clone_ends_active_with_its_files_on_the_node(live: Live, node_id: int, forge: Forge) -> None:
    job = live.clone(node_id, forge.url)
    project = live.project(job)
    assert (job.state, project.status, project.branch) == (JobState.SUCCEEDED, ProjectStatus.ACTIVE, "main")
    assert project.head == git("rev-parse", "HEAD", cwd=forge.work)
    assert git("status", "--porcelain", cwd=live.root / "shop") == ""
    assert "HEAD is" in live.log(job)


def test_a_pull_brings_what_was_pushed(live: Live, node_id: int, forge: Forge) -> None:
    project = live.project(live.clone(node_id, forge.url))
    sha = forge.push("NEWS", "hello\n")
    job = live.finish(projects.request_pull(project.id, "ff-only", SYSTEM))
    assert (job.state, live.project(job).head) == (JobState.SUCCEEDED, sha)
    assert (live.root / "shop" / "NEWS").read_text() == "hello\n"


def test_a_pull_over_changes_is_refused_and_names_them(live: Live, node_id: int, forge: Forge) -> None:
    project = live.project(live.clone(node_id, forge.url))
    (live.root / "shop" / "README").write_text("mine\n")
    job = live.finish(projects.request_pull(project.id, "ff-only", SYSTEM))
    assert (job.state, job.error_code) == (JobState.FAILED, "tree_dirty")
    assert "README" in (job.error_message or "")
    assert (live.root / "shop" / "README").read_text() == "mine\n"


def test_a_diverged_branch_is_refused_and_reset_keeps_a_recovery_ref(live: Live, node_id: int, forge: Forge) -> None:
    project = live.project(live.clone(node_id, forge.url))
    tree = live.root / "shop"
    ours = commit(tree, "OURS", "ours\n", "only here")
    theirs = forge.push()
    refused = live.finish(projects.request_pull(project.id, "ff-only", SYSTEM))
    assert (refused.error_code, "only here" in (refused.error_message or "")) == ("not_fast_forward", True)
    assert (refused.error or {})["details"] == {
        "commits_here": [{"sha": ours, "subject": "only here"}],
        "commits_here_left_out": 0,
        "commits_upstream": [{"sha": theirs, "subject": "more"}],
        "commits_upstream_left_out": 0,
        "files": [],
        "files_left_out": 0,
    }
    reset = live.finish(projects.request_pull(project.id, "reset", SYSTEM))
    assert (reset.state, live.project(reset).head) == (JobState.SUCCEEDED, theirs)
    assert git("rev-parse", f"refs/bareboat/recovery/{reset.process_key}", cwd=tree) == ours


def test_status_tells_branch_head_and_changes(live: Live, node_id: int, forge: Forge) -> None:
    project = live.project(live.clone(node_id, forge.url))
    (live.root / "shop" / "new file").write_text("x")
    status = projects.read_status(project.id)
    assert (status.branch, status.upstream, status.ahead, status.behind) == ("main", "origin/main", 0, 0)
    assert [(change.path, change.state) for change in status.changes] == [("new file", "untracked")]


def test_a_checkout_moves_to_a_branch_and_a_tag(live: Live, node_id: int, forge: Forge) -> None:
    project = live.project(live.clone(node_id, forge.url))
    job = live.finish(projects.request_checkout(project.id, "feature", SYSTEM))
    assert (live.project(job).branch, (live.root / "shop" / "feature").exists()) == ("feature", True)
    job = live.finish(projects.request_checkout(project.id, "v1", SYSTEM))
    assert (live.project(job).branch, projects.read_status(project.id).detached) == (None, True)


def test_a_checkout_of_an_unknown_ref_fails_and_changes_nothing(live: Live, node_id: int, forge: Forge) -> None:
    project = live.project(live.clone(node_id, forge.url))
    job = live.finish(projects.request_checkout(project.id, "nowhere", SYSTEM))
    assert (job.error_code, projects.read_status(project.id).branch) == ("ref_not_found", "main")
    assert live.project(job).status is ProjectStatus.ACTIVE


def test_a_delete_leaves_no_row_and_no_file(live: Live, node_id: int, forge: Forge) -> None:
    project = live.project(live.clone(node_id, forge.url))
    job = live.finish(projects.request_delete(project.id, False, SYSTEM))
    assert (job.state, job.project_id, job.project_name) == (JobState.SUCCEEDED, None, "shop")
    assert not (live.root / "shop").exists()
    told = [line.split(" ")[2:7] for line in (live.root / ".bareboat/acts.log").read_text().splitlines()]
    who = SYSTEM.name
    assert told == [
        ["project.clone", "shop", who, "begins"],
        ["project.clone", "shop", who, "exit", "0"],
        ["project.delete", "shop", who, "begins"],
        ["project.delete", "shop", who, "exit", "0"],
    ], "the node's own log says so, too"


def test_work_that_is_only_here_is_deleted_only_by_force(live: Live, node_id: int, forge: Forge) -> None:
    project = live.project(live.clone(node_id, forge.url))
    commit(live.root / "shop", "OURS", "ours\n", "only here")
    refused = live.finish(projects.request_delete(project.id, False, SYSTEM))
    assert (refused.error_code, live.project(refused).status) == ("work_unpushed", ProjectStatus.ACTIVE)
    assert (live.root / "shop" / "OURS").exists()
    forced = live.finish(projects.request_delete(project.id, True, SYSTEM))
    assert (forced.state, (live.root / "shop").exists()) == (JobState.SUCCEEDED, False)


BAD_HOSTS = [
    ("missing", "git_not_found"),
    ("private", "git_auth_failed"),
    ("broken", "git_remote_error"),
    ("page", "repository_empty"),
    ("moved", "git_redirected"),
]


@pytest.mark.parametrize(("mood", "code"), BAD_HOSTS)
def test_a_git_host_in_a_bad_mood_is_named_and_nothing_is_left(
    live: Live, node_id: int, bad_git_host: BadGitHost, mood: str, code: str
) -> None:
    job = live.clone(node_id, bad_git_host.url(mood))
    assert (job.state, job.error_code, live.project(job).status) == (JobState.FAILED, code, ProjectStatus.ERROR)
    assert live.left_behind() == []


def test_a_clone_can_be_tried_again_after_its_address_was_mended(
    live: Live, node_id: int, forge: Forge, bad_git_host: BadGitHost
) -> None:
    failed = live.clone(node_id, bad_git_host.url("missing"))
    projects.update_project(failed.project_id or 0, {"git_url": forge.url}, SYSTEM)
    job = live.finish(jobs.request_retry(failed.id, SYSTEM))
    assert (job.state, live.project(job).status) == (JobState.SUCCEEDED, ProjectStatus.ACTIVE)


def test_a_repository_beyond_the_limit_says_which_where_and_what_to_do(live: Live, node_id: int, forge: Forge) -> None:
    live.app.config["MAX_REPOSITORY_MIB"] = 1
    (forge.work / "large").write_bytes(os.urandom(2 * 1024 * 1024))
    git("add", "large", cwd=forge.work)
    git("commit", "-q", "-m", "large", cwd=forge.work)
    git("push", "-q", "origin", "main", cwd=forge.work)
    job = live.clone(node_id, forge.url)
    assert (job.error_code, live.project(job).status) == ("repository_too_large", ProjectStatus.ERROR)
    assert all(
        words in (job.error_message or "") for words in ("shop on node (", "1 MiB (MAX_REPOSITORY_MIB)", "depth")
    )
    assert live.left_behind() == []
    live.app.config["MAX_REPOSITORY_MIB"] = 16
    assert live.finish(jobs.request_retry(job.id, SYSTEM)).state is JobState.SUCCEEDED


def test_a_missing_root_is_told_and_never_made(live: Live, node_id: int, forge: Forge) -> None:
    live.root.rename(live.root.with_name("away"))
    job = live.clone(node_id, forge.url)
    assert (job.error_code, live.root.exists()) == ("root_missing", False)


def test_a_root_that_is_a_link_is_refused(live: Live, node_id: int, forge: Forge, tmp_path: Path) -> None:
    live.root.rename(tmp_path / "elsewhere")
    live.root.symlink_to(tmp_path / "elsewhere")
    assert live.clone(node_id, forge.url).error_code == "root_unsafe"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_link_in_the_root_is_neither_followed_nor_removed(live: Live, node_id: int, forge: Forge) -> None:
    (live.root / "shop").symlink_to("/")
    job = live.clone(node_id, forge.url)
    assert job.error_code == "target_exists"
    delete = live.finish(projects.request_delete(job.project_id or 0, True, SYSTEM))
    assert (delete.state, (live.root / "shop").is_symlink()) == (JobState.SUCCEEDED, True)


def test_a_folder_that_is_not_ours_is_never_deleted(live: Live, node_id: int, forge: Forge) -> None:
    """Its name is taken, so the clone is refused; what is then deleted is our entry."""
    git("clone", "-q", forge.url, str(live.root / "shop"), cwd=live.root)
    (live.root / "shop" / "secret.env").write_text("theirs")
    job = live.clone(node_id, forge.url)
    assert job.error_code == "target_exists"
    for_ever = live.finish(projects.request_delete(job.project_id or 0, True, SYSTEM))
    assert (for_ever.state, for_ever.project_id) == (JobState.SUCCEEDED, None)
    assert (live.root / "shop" / "secret.env").read_text() == "theirs"


def test_a_cloned_project_that_became_a_link_is_not_deleted(
    live: Live, node_id: int, forge: Forge, tmp_path: Path
) -> None:
    project = live.project(live.clone(node_id, forge.url))
    (live.root / "shop").rename(tmp_path / "stolen")
    (live.root / "shop").symlink_to(tmp_path / "stolen")
    job = live.finish(projects.request_delete(project.id, True, SYSTEM))
    assert (job.error_code, (tmp_path / "stolen" / "README").exists()) == ("path_escape", True)


def test_changes_that_are_not_committed_are_deleted_only_by_force(live: Live, node_id: int, forge: Forge) -> None:
    project = live.project(live.clone(node_id, forge.url))
    (live.root / "shop" / "README").write_text("mine\n")
    job = live.finish(projects.request_delete(project.id, False, SYSTEM))
    assert (job.error_code, "README" in (job.error_message or "")) == ("work_unpushed", True)
    assert (live.root / "shop" / "README").read_text() == "mine\n"


def test_a_project_replaced_by_a_link_is_not_entered(live: Live, node_id: int, forge: Forge, tmp_path: Path) -> None:
    project = live.project(live.clone(node_id, forge.url))
    (live.root / "shop").rename(tmp_path / "stolen")
    (live.root / "shop").symlink_to(tmp_path / "stolen")
    job = live.finish(projects.request_pull(project.id, "reset", SYSTEM))
    assert job.error_code == "path_escape"


@pytest.fixture
def mounted_root(live: Live) -> Iterator[Callable[..., None]]:
    """Mount a tmpfs with these options over the projects root."""

    def mount(options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", live.root], check=True)

    yield mount
    subprocess.run(["umount", live.root], check=False)


@needs_root
def test_a_full_disk_is_told_and_a_retry_works_when_there_is_room(
    live: Live, node_id: int, forge: Forge, mounted_root: Callable[..., None]
) -> None:
    commit(forge.work, "big", os.urandom(400_000).hex(), "big")
    git("push", "-q", "origin", "main", cwd=forge.work)
    mounted_root("size=512k,mode=755")
    job = live.clone(node_id, forge.url)
    assert (job.error_code, live.left_behind()) == ("disk_full", []), live.log(job)
    subprocess.run(["mount", "-o", "remount,size=64m", live.root], check=True)
    assert live.finish(jobs.request_retry(job.id, SYSTEM)).state is JobState.SUCCEEDED


@needs_root
def test_a_root_whose_disk_is_not_mounted_is_not_filled(
    live: Live, node_id: int, forge: Forge, mounted_root: Callable[..., None]
) -> None:
    """Here it is the other way round, an empty one over it; to the node it looks the same."""
    assert live.clone(node_id, forge.url).state is JobState.SUCCEEDED
    assert live.probe(node_id).status_reason is None
    mounted_root("mode=755")
    assert live.clone(node_id, forge.url, "second").error_code == "root_unmarked"
    assert [path.name for path in live.root.iterdir()] == [".bareboat"], "where the job itself was"
    assert live.probe(node_id).status_reason == "root_unmarked"
    assert live.node(node_id).status is NodeStatus.ONLINE
    nodes.accept_root(node_id, SYSTEM)
    assert live.probe(node_id).status_reason is None
    assert live.clone(node_id, forge.url, "third").state is JobState.SUCCEEDED
    assert live.node(node_id).root_marked_at is not None


@needs_root
def test_a_read_only_root_is_told(live: Live, node_id: int, forge: Forge, mounted_root: Callable[..., None]) -> None:
    mounted_root("ro,mode=755")
    assert live.clone(node_id, forge.url).error_code == "root_not_writable"
    assert live.probe(node_id).status_reason == "root_not_writable"
    assert live.node(node_id).status is NodeStatus.ONLINE


def without_git(server: SshdServer) -> SshdServer:
    """Its sessions see a machine where git is no program."""
    empty = server.folder / "no-git"
    empty.touch(mode=0o644)
    server.prefix = ("unshare", "-m", "sh", "-c", 'mount --bind "$0" /usr/bin/git; exec "$@"', str(empty))
    return server


@needs_root
def test_a_node_without_git_is_told(live: Live, forge: Forge, tmp_path: Path, ssh_keypair: KeyPair) -> None:
    with without_git(SshdServer(tmp_path / "sshd", ssh_keypair)) as server:
        node_id = live.add_node(server, ssh_keypair)
        assert live.probe(node_id).status_reason == "git_missing"
        job = live.clone(node_id, forge.url)
        assert (job.error_code, live.left_behind()) == ("git_missing", [])


def test_a_swapped_host_key_stops_everything_before_any_login(
    live: Live, fresh_sshd: SshdServer, ssh_keypair: KeyPair, forge: Forge
) -> None:
    node_id = live.add_node(fresh_sshd, ssh_keypair)
    project = live.project(live.clone(node_id, forge.url))
    fresh_sshd.restart_with(["ecdsa"])
    assert live.probe(node_id).status_reason == "host_key_mismatch"
    node = live.node(node_id)
    assert (node.status, len(node.offered_host_keys)) == (NodeStatus.OFFLINE, 1)
    with pytest.raises(NodeOffline):
        live.clone(node_id, forge.url, name="other")
    with pytest.raises(NodeOffline):
        projects.request_pull(project.id, "ff-only", SYSTEM)
    assert fresh_sshd.login_attempts() == 0


def test_nothing_is_said_to_a_node_without_a_pin(
    live: Live, fresh_sshd: SshdServer, ssh_keypair: KeyPair, forge: Forge
) -> None:
    node_id = live.add_node(fresh_sshd, ssh_keypair, pinned=False)
    assert live.probe(node_id).status_reason == "host_key_unpinned"
    with pytest.raises(HostKeyUnpinned):
        live.clone(node_id, forge.url)
    assert fresh_sshd.connections() == 0


HOSTILE_NAMES = [
    "../x",
    "a/../../b",
    "-rf",
    "x;reboot",
    "a\nb",
    "a\0b",
    "x" * 300,
    "",
    ".",
    "..",
    ".git",
    "a.lock",
    "a/b",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_name_is_refused_before_anything_is_said(live: Live, node_id: int, forge: Forge, name: str) -> None:
    with pytest.raises(UnsafePath):
        live.clone(node_id, forge.url, name=name)


HOSTILE_URLS = [
    "file:///etc",
    "/etc",
    "ext::sh -c touch% /tmp/x",
    "--upload-pack=touch x",
    "git://-oProxyCommand=x/y",
    "git://127.0.0.1/a\nb",
]


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_a_hostile_address_is_refused_before_anything_is_said(live: Live, node_id: int, url: str) -> None:
    with pytest.raises(InvalidGitUrl):
        live.clone(node_id, url)


def test_what_is_not_cloned_cannot_be_pulled(live: Live, node_id: int, bad_git_host: BadGitHost) -> None:
    job = live.clone(node_id, bad_git_host.url("missing"))
    with pytest.raises(WrongState):
        projects.request_pull(job.project_id or 0, "ff-only", SYSTEM)
