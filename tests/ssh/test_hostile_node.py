"""A node in bad hands: whatever it says is text, of bounded size, in its own rows; and it reaches nobody through us."""

import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from flask.testing import FlaskClient

from app.commands.base import Command
from app.db import db, unit_of_work
from app.errors import ActFailed, NodeError
from app.models import JobState, Node, NodeStatus
from app.services import projects
from app.ssh.pool import ConnectionPool
from tests.support.application import client_with_session
from tests.support.fakes import Behaviour, FakeServer, LooseServer
from tests.support.forge import Forge
from tests.support.live import Live
from tests.support.sshd import SshdServer, make_keypair

pytestmark = pytest.mark.ssh
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives a node other programs, which only root may")

EVIL = "{{7*7}}<script>alert(1)</script>\x1b[2J\x07\u202e"
GIT = shutil.which("git") or "git"


class Programs:
    """What stands in for programs of the node; `say` makes one print bytes and exit so."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def say(self, name: str, data: bytes, status: int = 0, *, unless: str = "") -> None:
        (self.folder / f"{name}.said").write_bytes(data)
        script = (
            f"#!/bin/sh\n{unless}\ncat {self.folder}/{name}.said\ncat {self.folder}/{name}.said >&2\nexit {status}\n"
        )
        self.write(name, script)

    def write(self, name: str, script: str) -> None:
        (self.folder / name).write_text(script)
        (self.folder / name).chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    made = Programs(tmp_path / "programs")
    shutil.copy(GIT, made.folder / "real-git")
    made.write("git", f'#!/bin/sh\nexec {made.folder}/real-git "$@"\n')
    shutil.copy("/etc/os-release", made.folder / "os-release")
    for name in ("uname", "nproc"):
        shutil.copy(shutil.which(name) or name, made.folder / name)
    return made


@pytest.fixture
def evil_id(live: Live, tmp_path: Path, programs: Programs) -> Iterator[int]:
    keypair = make_keypair(tmp_path)
    server = SshdServer(tmp_path / "evil", keypair, extra=(f"Banner {tmp_path}/banner", 'VersionAddendum "{{7*7}}<b>"'))
    (tmp_path / "banner").write_text(EVIL * 100)
    places = {"git": GIT, "os-release": os.path.realpath("/etc/os-release")}
    places |= {name: shutil.which(name) or name for name in ("uname", "nproc")}
    binds = "; ".join(f"mount --bind {programs.folder}/{name} {place}" for name, place in places.items())
    server.prefix = ("unshare", "-m", "--propagation", "private", "sh", "-ec", f'{binds}; exec "$@"', "sh")
    with server:
        yield live.add_node(server, keypair, name="evil")


@pytest.fixture
def admin(live: Live) -> FlaskClient:
    db.session.rollback()  # else requests read a snapshot from before the login
    return client_with_session(live.app, "admin")


def ensure_inert(client: FlaskClient, *paths: str) -> str:
    """The pages' text, in which nothing of EVIL is an element, a template or a control sequence."""
    texts = [client.get(path).text for path in paths]
    for path, text in zip(paths, texts, strict=True):
        assert "<script>alert" not in text.replace("\\u003c", "<") or path.startswith("/api/"), path
        assert not {"\x1b", "\x07", "\u202e"} & set(text), path
    return "".join(texts)


@needs_root
def test_facts_are_bounded_text_and_pages_show_them_inert(
    live: Live, evil_id: int, programs: Programs, admin: FlaskClient
) -> None:
    programs.say("git", f"git version 2.39.5 {EVIL}\n".encode())
    programs.say("uname", (EVIL * 20 + "\nroot ok\n").encode())
    programs.say("nproc", b"999999999999999999\n")
    (programs.folder / "os-release").write_text(f'PRETTY_NAME="{EVIL * 100}"\n')
    assert live.probe(evil_id).ok
    facts = live.node(evil_id).facts
    assert len(json.dumps(facts)) < 2000
    assert facts["git_version"] == "2.39.5"
    shown = ensure_inert(admin, f"/nodes/{evil_id}", "/nodes", "/", f"/api/v1/nodes/{evil_id}", "/metrics")
    assert "{{7*7}}&lt;script&gt;alert(1)" in shown


@needs_root
@pytest.mark.parametrize(
    "said",
    [b"", EVIL.encode() * 5_000, b"\xff\xfe" + os.urandom(4096)],
    ids=["nothing", "endless", "random"],
)
def test_garbage_instead_of_a_status_is_refused_as_such(
    live: Live, evil_id: int, programs: Programs, forge: Forge, admin: FlaskClient, said: bytes
) -> None:
    project = live.project(live.clone(evil_id, forge.url))
    programs.say("git", said, unless="case $1 in --version) echo git version 2.39.5; exit ;; esac")
    with pytest.raises((ActFailed, NodeError)) as refusal:
        projects.read_status(project.id)
    assert len(refusal.value.message) < 4000
    answer = admin.get(f"/api/v1/projects/{project.id}/status")
    assert answer.status_code in (409, 502, 503)
    ensure_inert(admin, f"/projects/{project.id}", f"/api/v1/projects/{project.id}/status")


@needs_root
def test_a_status_that_is_made_up_is_only_text(
    live: Live, evil_id: int, programs: Programs, forge: Forge, admin: FlaskClient
) -> None:
    project = live.project(live.clone(evil_id, forge.url))
    head = f"{'a' * 40}\0{EVIL}\0{EVIL}\0{'9' * 400}-01-01T00:00:00Z\0"
    lines = (
        f"# branch.oid {'a' * 40}\0# branch.head {EVIL}\0# branch.ab +{'9' * 100} -1\0? {EVIL}\0? \0? {'x' * 9000}\0"
    )
    cases = (
        f'case $1 in --version) echo git version 2.39.5; exit ;; config) exec {programs.folder}/real-git "$@" ;; esac'
    )
    (programs.folder / "head").write_text(head)
    programs.say("git", (head + lines).encode(), unless=cases)
    answer = admin.get(f"/api/v1/projects/{project.id}/status")
    assert answer.status_code == 200, answer.text
    assert max(len(change["path"]) for change in answer.json["changes"]) <= 4096
    ensure_inert(admin, f"/projects/{project.id}")


@needs_root
def test_what_git_says_while_it_fails_is_only_text_in_log_page_and_rows(
    live: Live, evil_id: int, programs: Programs, forge: Forge, admin: FlaskClient, node_id: int
) -> None:
    other = live.project(live.clone(node_id, forge.url, "other"))
    cases = "case $1 in --version) echo git version 2.39.5; exit ;; esac"
    programs.say("git", f"fatal: {EVIL}\n{EVIL}\r{EVIL}\n".encode(), 128, unless=cases)
    job = live.clone(evil_id, forge.url)
    assert (job.state, job.error_code) == (JobState.FAILED, "git_failed")
    paths = (
        f"/jobs/{job.id}",
        "/jobs",
        "/",
        "/projects",
        f"/projects/{job.project_id}",
        "/events",
        f"/nodes/{evil_id}",
    )
    assert "{{7*7}}&lt;script&gt;" in ensure_inert(admin, *paths, f"/api/v1/jobs/{job.id}", "/api/v1/events")
    log = admin.get(f"/api/v1/jobs/{job.id}/log")
    assert (log.mimetype, log.headers["X-Content-Type-Options"]) == ("text/plain", "nosniff")
    assert "\x1b" not in (job.error_message or "")
    assert (live.node(node_id).status, projects.get_project(other.id).head) == (NodeStatus.ONLINE, other.head)


def greets_with(text: bytes) -> Behaviour:
    def behave(sock: socket.socket, stopping: threading.Event) -> None:
        sock.sendall(text)
        stopping.wait(30)

    return behave


@pytest.mark.parametrize(
    "greeting",
    [
        b"SSH-2.0-" + EVIL.encode() + b"\r\n" + b"\0" * 64,
        b"SSH-2.0-" + b"x" * 100_000 + b"\r\n",
        b"SSH-1.0-" + EVIL.encode() + b"\r\n",
        EVIL.encode() * 100 + b"\r\nSSH-2.0-x\r\n" + b"\xff" * 64,
    ],
    ids=["comment", "long", "old", "lines before"],
)
def test_a_greeting_is_never_shown(
    live: Live, sshd: SshdServer, tmp_path: Path, admin: FlaskClient, greeting: bytes, node_id: int
) -> None:
    evil_id = live.add_node(sshd, make_keypair(tmp_path), name="evil")
    live.app.config["PROBE_TIMEOUT_SECONDS"] = 3
    with FakeServer(greets_with(greeting)) as server:
        set_port(live, evil_id, server.port)
        assert not live.probe(evil_id).ok
        scanned = admin.post(f"/api/v1/nodes/{evil_id}/scan")
    assert scanned.status_code in (409, 502, 503, 504)
    text = ensure_inert(admin, f"/nodes/{evil_id}", "/nodes", "/events", f"/api/v1/nodes/{evil_id}/probes")
    assert "7*7" not in text + scanned.text
    assert live.node(node_id).status is NodeStatus.ONLINE


def test_a_node_opens_no_channel_through_us(sshd: SshdServer) -> None:
    """Each would be a way to another node, or to this machine."""
    host_key = paramiko.RSAKey.generate(2048)
    kinds = {"forwarded-tcpip", "direct-tcpip", "x11", "session", "auth-agent@openssh.com"}
    refused: set[str] = set()

    def behave(sock: socket.socket, stopping: threading.Event) -> None:
        transport = paramiko.Transport(sock)
        transport.add_server_key(host_key)
        transport.start_server(event=threading.Event(), server=LooseServer())
        held: paramiko.Channel | None = None
        try:
            held = transport.accept(60)  # one that is let go is closed
            for kind in kinds:
                try:
                    transport.open_channel(kind, ("127.0.0.1", sshd.port), ("127.0.0.1", 9), timeout=60)
                except paramiko.ChannelException:
                    refused.add(kind)
        finally:
            assert held is not None
            transport.close()
            transport.join(10)

    with FakeServer(behave) as server, ConnectionPool() as pool:
        line = f"{host_key.get_name()} {host_key.get_base64()}"
        target = sshd.target(port=server.port, host_keys=(line,))
        before = sshd.connections()
        with pytest.raises(NodeError):
            pool.run(target, Command("true", timeout_seconds=5))
    assert refused == kinds
    assert sshd.connections() == before


def set_port(live: Live, node_id: int, port: int) -> None:
    with unit_of_work() as session:
        session.get_one(Node, node_id).ssh_port = port
