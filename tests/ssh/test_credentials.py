"""Git credentials with real nodes and real private git servers: they work, and leave nothing on the node."""

import base64
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.commands.base import Command
from app.commands.gitaccess import GitAccess
from app.commands.gitenv import git_environment
from app.commands.giturl import GitUrl
from app.db import db
from app.jobs.queue import HeldQueue
from app.jobs.runner import Runner
from app.models import GitCredential, JobState
from app.secrets import Secret
from app.services import credentials, githosts, jobs, projects
from app.services.events import SYSTEM
from app.services.targets import build_target
from tests.support.controller_process import Controller, fresh, wait_until
from tests.support.live import Live
from tests.support.private_git import TOKEN, USER, Certificate, PrivateGit, SshGit, add_commit
from tests.support.processes import kill_all, pids, proc
from tests.support.sshd import KeyPair, SshdServer, make_keypair
from tests.support.writes import Writes

pytestmark = pytest.mark.ssh
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives a node a CA store of its own, which only root may")


def add_key(ssh_git: SshGit, key: KeyPair | None = None, host: str = "127.0.0.1") -> GitCredential:
    values = {"name": "shop key", "kind": "ssh", "host": host, "port": ssh_git.server.port}
    return credentials.create_credential(values | {"private_key": (key or ssh_git.key).private}, SYSTEM)


def add_token(private_git: PrivateGit, token: str = TOKEN) -> GitCredential:
    values = {"name": "shop token", "kind": "https", "host": private_git.address, "port": private_git.server_port}
    return credentials.create_credential(values | {"username": USER, "token": Secret(token)}, SYSTEM)


def pin(server: SshdServer) -> None:
    host = githosts.create_host("127.0.0.1", server.port, SYSTEM)
    githosts.pin(host.id, {"public_key": str(server.host_keys()[0])}, SYSTEM)


def test_a_clone_and_a_pull_with_a_deploy_key(live: Live, node_id: int, ssh_git: SshGit, tmp_path: Path) -> None:
    pin(ssh_git.server)
    job = live.clone(node_id, ssh_git.url, git_credential_id=add_key(ssh_git).id)
    assert job.state is JobState.SUCCEEDED, (job.error_message, live.log(job))
    sha = add_commit(ssh_git.base, tmp_path)
    pulled = live.finish(projects.request_pull(live.project(job).id, "ff-only", SYSTEM))
    assert (pulled.state, live.project(pulled).head) == (JobState.SUCCEEDED, sha)
    assert live.left_behind()[0] == "shop"


@needs_root
def test_a_clone_and_a_pull_with_a_token(
    live: Live, trusting_sshd: SshdServer, ssh_keypair: KeyPair, private_git: PrivateGit, tmp_path: Path
) -> None:
    node_id = live.add_node(trusting_sshd, ssh_keypair)
    job = live.clone(node_id, private_git.url, git_credential_id=add_token(private_git).id)
    assert job.state is JobState.SUCCEEDED, (job.error_message, live.log(job))
    sha = add_commit(private_git.base, tmp_path)
    pulled = live.finish(projects.request_pull(live.project(job).id, "ff-only", SYSTEM))
    assert (pulled.state, live.project(pulled).head) == (JobState.SUCCEEDED, sha)


def test_a_key_that_is_not_known_there_is_named(live: Live, node_id: int, ssh_git: SshGit, tmp_path: Path) -> None:
    pin(ssh_git.server)
    job = live.clone(node_id, ssh_git.url, git_credential_id=add_key(ssh_git, make_keypair(tmp_path)).id)
    assert (job.state, job.error_code, live.left_behind()) == (JobState.FAILED, "git_auth_failed", [])
    assert "'shop key'" in (job.error_message or "")


@needs_root
def test_what_the_account_keeps_for_git_is_neither_shown_nor_run(
    live: Live, trusting_sshd: SshdServer, ssh_keypair: KeyPair, private_git: PrivateGit
) -> None:
    """Its ~/.netrc, which curl reads, and its ~/.gitconfig; a program there would see the token."""
    home = trusting_sshd.home
    (home / ".netrc").write_text(f"machine {private_git.address} login {USER} password {TOKEN}\n")
    (home / ".gitconfig").write_text(f"[credential]\nhelper = !touch {home}/ran\n[trace2]\neventTarget = {home}/told\n")
    node_id = live.add_node(trusting_sshd, ssh_keypair)
    job = live.clone(node_id, private_git.url, "without")
    assert (job.error_code, private_git.secrets_shown) == ("git_auth_failed", [])
    assert live.clone(node_id, private_git.url, git_credential_id=add_token(private_git).id).error_code is None
    assert {path.name for path in home.iterdir()} == {".gitconfig", ".netrc"}


@needs_root
def test_a_token_that_is_refused_is_named_and_what_tells_it_is_masked(
    live: Live,
    trusting_sshd: SshdServer,
    ssh_keypair: KeyPair,
    private_git: PrivateGit,
    caplog: pytest.LogCaptureFixture,
) -> None:
    private_git.is_tell_tale = True
    caplog.set_level(logging.DEBUG)
    job = live.clone(
        live.add_node(trusting_sshd, ssh_keypair), private_git.url, git_credential_id=add_token(private_git).id
    )
    assert (job.error_code, live.left_behind()) == ("git_auth_failed", [])
    assert "'shop token'" in (job.error_message or "")
    assert "or ***" in live.log(job)
    basic = private_git.wanted.removeprefix("Basic ")
    kept = "\n".join([database(live), caplog.text, job.error_message or "", live.log(job)])
    assert [secret for secret in (TOKEN, basic, TOKEN.encode().hex()) if secret in kept] == []


def test_a_host_that_is_not_pinned_is_not_even_connected_to(live: Live, node_id: int, ssh_git: SshGit) -> None:
    job = live.clone(node_id, ssh_git.url, git_credential_id=add_key(ssh_git).id)
    assert (job.error_code, ssh_git.server.connections()) == ("git_host_key", 0)
    assert "git-host pin" in (job.error_message or "")


def test_another_host_key_than_the_pinned_one_gets_nothing(
    live: Live, node_id: int, ssh_git: SshGit, fresh_sshd: SshdServer
) -> None:
    """A man in the middle: it has the address, but not the key."""
    host = githosts.create_host("127.0.0.1", ssh_git.server.port, SYSTEM)
    githosts.pin(host.id, {"public_key": str(fresh_sshd.host_keys()[0])}, SYSTEM)
    job = live.clone(node_id, ssh_git.url, git_credential_id=add_key(ssh_git).id)
    assert job.error_code == "git_host_key"
    assert "another host key" in (job.error_message or "")
    assert ssh_git.server.login_attempts() == 0


def test_a_node_whose_sshd_forwards_no_agent_says_so(
    live: Live, make_sshd: Callable[..., SshdServer], ssh_keypair: KeyPair, ssh_git: SshGit
) -> None:
    pin(ssh_git.server)
    node_id = live.add_node(make_sshd(extra=("AllowAgentForwarding no",)), ssh_keypair)
    job = live.clone(node_id, ssh_git.url, git_credential_id=add_key(ssh_git).id)
    assert (job.error_code, ssh_git.server.login_attempts(), live.left_behind()) == ("agent_refused", 0, [])


def test_a_scan_shows_what_a_git_server_offers_and_its_fingerprint_is_pinned(live: Live, ssh_git: SshGit) -> None:
    host = githosts.create_host("127.0.0.1", ssh_git.server.port, SYSTEM)
    offered = githosts.scan_host(host.id, SYSTEM)
    assert [str(key) for key in offered] == [str(key) for key in ssh_git.server.host_keys()]
    githosts.pin(host.id, {"fingerprint": offered[0].fingerprint}, SYSTEM)
    assert githosts.pins_of("127.0.0.1", ssh_git.server.port) == (str(offered[0]),)
    assert ssh_git.server.login_attempts() == 0


@pytest.mark.slow
@needs_root
def test_a_killed_controller_leaves_no_secret_and_its_jobs_go_on(
    live: Live,
    trusting_sshd: SshdServer,
    writes: Writes,
    ssh_keypair: KeyPair,
    ssh_git: SshGit,
    private_git: PrivateGit,
    controller: Controller,
) -> None:
    pin(ssh_git.server)
    arrived, go_on = hold(private_git)
    ssh_git.gate.touch()
    key = ssh_git.key.private.reveal().splitlines()[3].encode()
    node_id = live.add_node(trusting_sshd, ssh_keypair)
    asked = [
        ask(node_id, ssh_git.url, add_key(ssh_git), "keyed"),
        ask(node_id, private_git.url, add_token(private_git)),
    ]
    controller.start()
    wait_until(lambda: ssh_git.logins == 1 and arrived.is_set())
    [agent_socket] = {value for value in variables("SSH_AUTH_SOCK") if Path(value).exists()}
    assert_nowhere(key, live, trusting_sshd)
    assert_nowhere(TOKEN.encode(), live, trusting_sshd, environments=False)
    assert other_sessions_agent(live, node_id) == ""
    controller.end(signal.SIGKILL)
    wait_until(lambda: not Path(agent_socket).exists())
    ssh_git.gate.unlink()
    go_on.set()
    controller.start()
    wait_until(lambda: all(fresh(job_id).is_finished for job_id in asked))
    assert [fresh(job_id).state for job_id in asked] == [JobState.SUCCEEDED] * 2, [
        live.log(fresh(one)) for one in asked
    ]
    wait_until(lambda: list((live.root / ".bareboat/jobs").iterdir()) == [])
    assert ssh_git.logins == 1
    for secret in (key, TOKEN.encode()):
        assert_nowhere(secret, live, trusting_sshd)
        assert_never_written(secret, writes)
        assert secret.decode() not in database(live)


@needs_root
@pytest.mark.parametrize("how", ["killed", "cancelled"])
def test_a_token_is_in_the_environment_of_one_call_and_gone_with_it(
    live: Live, trusting_sshd: SshdServer, writes: Writes, ssh_keypair: KeyPair, private_git: PrivateGit, how: str
) -> None:
    arrived, go_on = hold(private_git)
    job_id = ask(live.add_node(trusting_sshd, ssh_keypair), private_git.url, add_token(private_git))
    assert isinstance(live.runtime.queue, HeldQueue)
    runner = threading.Thread(target=live.runtime.queue.deliver, args=(Runner(live.app, live.runtime.registry).run,))
    runner.start()
    assert arrived.wait(60)
    assert with_environment(TOKEN.encode())
    assert_nowhere(TOKEN.encode(), live, trusting_sshd, environments=False)
    if how == "killed":
        kill_all(with_environment(fresh(job_id).process_key.encode()))
    else:
        jobs.request_cancel(job_id, SYSTEM)
    runner.join(60)
    go_on.set()
    assert fresh(job_id).state == {"killed": "FAILED", "cancelled": "CANCELLED"}[how], live.log(fresh(job_id))
    assert_nowhere(TOKEN.encode(), live, trusting_sshd)
    assert_never_written(TOKEN.encode(), writes)
    assert TOKEN not in database(live)


@needs_root
def test_what_a_node_writes_and_removes_at_once_is_seen(
    live: Live, trusting_sshd: SshdServer, writes: Writes, ssh_keypair: KeyPair
) -> None:
    """So that `assert_never_written` says something."""
    target = build_target(live.node(live.add_node(trusting_sshd, ssh_keypair)))
    text = "cd && printf 'a %s' \"$1\" >passing && rm passing && printf gone"
    assert live.runtime.nodes.run(target, Command(text, ("s3cret",))).stdout == b"gone"
    assert writes.holding(b"a s3cret") == [f"{trusting_sshd.home}/passing"]


def test_a_redirect_or_a_rewritten_address_gets_no_token(
    make_private_git: Callable[..., PrivateGit], certificate: Certificate, tmp_path: Path
) -> None:
    """Both are refused by our settings; here they are allowed, to see that the helper alone holds."""
    mine, other = make_private_git(), make_private_git("127.0.0.2")
    mine.moved_to = other.url.removesuffix("/app.git")
    moved = mine.url.replace("/app.git", "/moved/app.git")
    assert ls_remote(mine, mine.url, certificate) == 0
    assert mine.secrets_shown
    follow = [("http.followRedirects", "true")]
    assert ls_remote(mine, moved, certificate, *follow) != 0
    rewrite = [(f"url.{other.url}.insteadOf", mine.url)]
    assert ls_remote(mine, mine.url, certificate, *rewrite) != 0
    assert other.shown
    assert other.secrets_shown == []


def ls_remote(mine: PrivateGit, url: str, certificate: Certificate, *more: tuple[str, str]) -> int:
    access = GitAccess(USER, Secret(TOKEN))
    made = git_environment("/r", url=GitUrl.parse(mine.url), allowed_schemes=("https",), access=access)
    environment = {name: value.reveal() if isinstance(value, Secret) else value for name, value in made.items()}
    count = int(environment["GIT_CONFIG_COUNT"])
    extra = [("http.sslCAInfo", str(certificate.public)), *more]
    for index, (key, value) in enumerate(extra, count):
        environment |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
    environment |= {"GIT_CONFIG_COUNT": str(count + len(extra)), "PATH": os.environ["PATH"]}
    return subprocess.run(["git", "ls-remote", url], env=environment, capture_output=True).returncode


def hold(private_git: PrivateGit) -> tuple[threading.Event, threading.Event]:
    """The first is set when somebody has shown the right password; then the server waits for the second."""
    arrived, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        arrived.set()
        go_on.wait(60)

    private_git.before_answer = wait
    return arrived, go_on


def ask(node_id: int, url: str, credential: GitCredential, name: str = "shop") -> int:
    values = {"name": name, "git_url": url, "node_id": node_id, "git_credential_id": credential.id}
    return projects.request_clone(values, SYSTEM).id


def database(live: Live) -> str:
    driver = db.engine.raw_connection().driver_connection
    return "\n".join(driver.iterdump())  # type: ignore[union-attr]


def other_sessions_agent(live: Live, node_id: int) -> str:
    """The agent socket that a session of another job is given."""
    result = live.runtime.nodes.run(build_target(live.node(node_id)), Command('printf %s "$SSH_AUTH_SOCK"'))
    return result.stdout.decode()


def assert_nowhere(needle: bytes, live: Live, server: SshdServer, *, environments: bool = True) -> None:
    """Not in an argument of any process, nor (if asked) in an environment, nor in any file of the node."""
    assert [pid for pid in pids() if needle in proc(pid, "cmdline")] == []
    if environments:
        assert with_environment(needle) == []
    files = [path for folder in (live.root, server.home) for path in folder.rglob("*") if path.is_file()]
    assert [path for path in files if needle in path.read_bytes()] == []


def assert_never_written(needle: bytes, writes: Writes) -> None:
    """Not even for a moment, on any disk of the node; as it stands, in hexadecimal, or as a header has it."""
    forms = needle, needle.hex().encode(), base64.b64encode(USER.encode() + b":" + needle)
    assert [writes.holding(form) for form in forms] == [[], [], []]
    assert writes.holding(b" begins\n"), "the job's own line was seen"


def with_environment(needle: bytes) -> list[int]:
    return [pid for pid in pids() if needle in proc(pid, "environ")]


def variables(name: str) -> set[str]:
    pairs = {pair for pid in pids() for pair in proc(pid, "environ").split(b"\0")}
    return {pair.decode().partition("=")[2] for pair in pairs if pair.startswith(f"{name}=".encode())}
