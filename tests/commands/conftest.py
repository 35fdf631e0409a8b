"""A node without ssh: scripts run by real shells of this machine; a git server on loopback."""

import os
import re
import select
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.commands.base import NODE_PATH, Command

NONCE = "0123456789abcdef"
_END = re.compile(rf"\nEND {NONCE} \S+ \S+\n\Z".encode())
SHELLS = ("dash", "bash", "busybox")
# What a node with busybox brings; git and what it calls come from the machine.
_BUSYBOX_LACKS = ("git", "getent", "ssh")


@dataclass(frozen=True)
class Result:
    reason: str
    status: int | None
    stdout: bytes
    stderr: bytes

    @property
    def words(self) -> str:
        return self.stderr.decode("utf-8", "replace")


@dataclass(frozen=True)
class Node:
    """Runs a Command's script as sshd would: the script on stdin, which then stays open as its lease."""

    shell: tuple[str, ...]
    path: str
    login: tuple[str, ...] = ()

    def start(self, command: Command) -> subprocess.Popen[bytes]:
        script = command.script(NONCE)
        assert script.count("/bin/sh -c ") == 1
        assert script.count(NODE_PATH) == 1
        script = script.replace("/bin/sh -c ", f"{' '.join(self.shell)} -c ").replace(NODE_PATH, self.path)
        process = subprocess.Popen(
            [*self.login, *self.shell, "-s"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
        )
        assert process.stdin is not None
        process.stdin.write(script.encode())
        process.stdin.flush()
        return process

    def run(self, command: Command) -> Result:
        process = self.start(command)
        try:
            return finish(process)
        finally:
            end(process)


def finish(process: subprocess.Popen[bytes], seconds: float = 60) -> Result:
    """Reads both streams up to the END line, without closing the lease before.

    Not to the end of the streams: busybox's timeout leaves a watcher that holds them for another second.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    streams = {process.stdout: b"", process.stderr: b""}
    deadline = time.monotonic() + seconds
    while not _END.search(streams[process.stdout]):
        ready, _, _ = select.select(streams, [], [], deadline - time.monotonic())
        assert ready, "the command has not ended in time"
        for stream in ready:
            streams[stream] += os.read(stream.fileno(), 65536)
    while select.select([process.stderr], [], [], 0)[0] and (data := os.read(process.stderr.fileno(), 65536)):
        streams[process.stderr] += data
    return _result(streams[process.stdout], streams[process.stderr])


def end(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    process.wait(30)


def _result(stdout: bytes, stderr: bytes) -> Result:
    head, _, body = stdout.partition(f"BEGIN {NONCE}\n".encode())
    assert not head
    body, mark, tail = body.rpartition(f"\nEND {NONCE} ".encode())
    assert mark, stderr
    reason, status = tail.decode().split()
    errors = stderr.partition(f"BEGIN {NONCE}\n".encode())[2]
    return Result(reason, None if status == "-" else int(status), body, errors)


@pytest.fixture(scope="session")
def busybox_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH where every tool but git is busybox."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is not installed")
    folder = tmp_path_factory.mktemp("busybox")
    subprocess.run([busybox, "--install", "-s", str(folder)], check=True)
    for name in _BUSYBOX_LACKS:
        if where := shutil.which(name):
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(where)
    return str(folder)


@pytest.fixture
def dash() -> Node:
    return Node(("/bin/sh",), NODE_PATH)


@pytest.fixture(params=SHELLS)
def node(request: pytest.FixtureRequest) -> Node:
    if request.param == "busybox":
        return Node((shutil.which("busybox") or "", "sh"), request.getfixturevalue("busybox_path"))
    return Node((shutil.which(request.param) or "/bin/sh",), NODE_PATH)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "projects"
    folder.mkdir(mode=0o755)
    return folder


def git(*words: str, cwd: Path) -> str:
    """git as a developer's own, with nothing of this machine's configuration."""
    names = {f"GIT_{who}_{what}": "dev@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {"PATH": os.environ["PATH"], "HOME": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C", **names}
    done = subprocess.run(["git", *words], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(tree: Path, name: str, text: str, message: str = "change") -> str:
    (tree / name).write_text(text)
    git("add", "--", name, cwd=tree)
    git("commit", "-q", "-m", message, cwd=tree)
    return git("rev-parse", "HEAD", cwd=tree)


@dataclass(frozen=True)
class Forge:
    """Repositories that a git daemon serves on loopback; `work` is a tree with two branches and a tag, to push from."""

    base: Path
    work: Path
    port: int

    @property
    def url(self) -> str:
        return f"git://127.0.0.1:{self.port}/app.git"

    def push(self, name: str = "README", text: str = "more\n", message: str = "more") -> str:
        sha = commit(self.work, name, text, message)
        git("push", "-q", "origin", "HEAD", cwd=self.work)
        return sha


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    base = tmp_path_factory.mktemp("forge")
    port = _free_port()
    process = subprocess.Popen(
        [
            "git",
            "daemon",
            "--reuseaddr",
            "--export-all",
            "--listen=127.0.0.1",
            f"--port={port}",
            f"--base-path={base}",
            str(base),
        ],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _await_port(port)
        yield base, port
    finally:
        os.killpg(process.pid, 15)
        process.wait(10)


@pytest.fixture(scope="session")
def forge_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`app.git` and `work`, made once and copied for each test."""
    base = tmp_path_factory.mktemp("template")
    git("init", "-q", "--bare", "-b", "main", "app.git", cwd=base)
    git("init", "-q", "-b", "main", "work", cwd=base)
    work = base / "work"
    commit(work, "README", "hello\n", "first")
    git("tag", "v1", cwd=work)
    git("checkout", "-q", "-b", "feature", cwd=work)
    commit(work, "feature", "x\n", "a feature")
    git("checkout", "-q", "main", cwd=work)
    git("push", "-q", str(base / "app.git"), "main", "feature", "v1", cwd=work)
    return base


@pytest.fixture
def forge(daemon: tuple[Path, int], forge_template: Path, tmp_path: Path) -> Forge:
    served, port = daemon
    base = served / tmp_path.name
    shutil.copytree(forge_template / "app.git", base / "app.git")
    work = shutil.copytree(forge_template / "work", tmp_path / "work")
    git("remote", "add", "origin", str(base / "app.git"), cwd=work)
    return _ForgeAt(base, work, port, tmp_path.name)


@dataclass(frozen=True)
class _ForgeAt(Forge):
    folder: str

    @property
    def url(self) -> str:
        return f"git://127.0.0.1:{self.port}/{self.folder}/app.git"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_port(port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.02)
    raise AssertionError("git daemon does not listen")
