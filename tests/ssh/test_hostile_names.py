"""Names of git servers that lead inside, now or a moment later, as the node resolves them."""

import os
import shlex
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.models import JobState
from app.services import githosts
from app.services.events import SYSTEM
from tests.ssh.test_credentials import add_key
from tests.support.forge import Forge, git
from tests.support.live import Live
from tests.support.private_git import SshGit
from tests.support.sshd import KeyPair, SshdServer

pytestmark = [
    pytest.mark.ssh,
    pytest.mark.skipif(os.geteuid() != 0, reason="gives a node a file of names of its own, which only root may"),
]

NAME = "git.example.test"
OUTSIDE, INSIDE = "127.0.0.1", "127.0.0.3"


@dataclass
class Names:
    """What the node's resolver knows; `later` is what it knows after it was asked once."""

    hosts: Path
    later: Path

    def lead_to(self, *addresses: str, then: str | None = None) -> None:
        self.hosts.write_text("".join(f"{address} {NAME}\n" for address in addresses))
        self.later.write_text(f"{then} {NAME}\n" if then else self.hosts.read_text())


@pytest.fixture
def names(tmp_path: Path) -> Names:
    return Names(tmp_path / "hosts", tmp_path / "later")


@pytest.fixture
def node_id(live: Live, tmp_path: Path, ssh_keypair: KeyPair, names: Names) -> Iterator[int]:
    """A node whose names change behind the back of whoever has just looked one up."""
    live.app.config["DENIED_NETWORKS"] = [f"{INSIDE}/32"]
    names.lead_to(OUTSIDE)
    real, asked = tmp_path / "real-getent", tmp_path / "getent"
    where = shutil.which("getent")
    assert where is not None
    shutil.copy(where, real)
    asked.write_text(f'#!/bin/sh\n{real} "$@"\nstatus=$?\ncat {names.later} >{names.hosts}\nexit $status\n')
    asked.chmod(0o755)
    binds = f"mount --bind {shlex.quote(str(names.hosts))} /etc/hosts; mount --bind {asked} {where}"
    server = SshdServer(tmp_path / "naming", ssh_keypair)
    server.prefix = ("unshare", "-m", "--propagation", "private", "sh", "-ec", f'{binds}; exec "$@"', "sh")
    with server:
        yield live.add_node(server, ssh_keypair)


@pytest.fixture
def web(forge: Forge) -> Iterator[int]:
    """The port of a web server at OUTSIDE that has the forge's repositories."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """The test's output is not a log."""

    git("update-server-info", cwd=forge.bare)
    with ThreadingHTTPServer((OUTSIDE, 0), partial(Quiet, directory=str(forge.base))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def set_trap() -> Iterator[Callable[[int], socket.socket]]:
    """Listen at INSIDE, at this port; who connects waits there to be found."""
    traps: list[socket.socket] = []

    def set_at(port: int) -> socket.socket:
        traps.append(socket.create_server((INSIDE, port)))
        traps[-1].setblocking(False)
        return traps[-1]

    yield set_at
    for trap in traps:
        trap.close()


def assert_untouched(trap: socket.socket) -> None:
    with pytest.raises(BlockingIOError):
        trap.accept()


@pytest.mark.parametrize("addresses", [(INSIDE,), (OUTSIDE, INSIDE)])
def test_a_name_that_leads_inside_is_not_connected_to(
    live: Live,
    node_id: int,
    names: Names,
    web: int,
    set_trap: Callable[[int], socket.socket],
    addresses: tuple[str, ...],
) -> None:
    trap = set_trap(web)
    names.lead_to(*addresses)
    job = live.clone(node_id, f"http://{NAME}:{web}/app.git")
    assert (job.state, job.error_code) == (JobState.FAILED, "git_address_denied")
    assert_untouched(trap)


def test_a_name_that_leads_inside_once_it_was_checked_is_not_followed(
    live: Live, node_id: int, names: Names, web: int, set_trap: Callable[[int], socket.socket]
) -> None:
    trap = set_trap(web)
    names.lead_to(OUTSIDE, then=INSIDE)
    job = live.clone(node_id, f"http://{NAME}:{web}/app.git")
    assert job.state is JobState.SUCCEEDED, live.log(job)
    assert INSIDE in names.hosts.read_text()
    assert_untouched(trap)


def test_ssh_does_not_follow_such_a_name_either(
    live: Live, node_id: int, names: Names, ssh_git: SshGit, set_trap: Callable[[int], socket.socket]
) -> None:
    trap = set_trap(ssh_git.server.port)
    host = githosts.create_host(NAME, ssh_git.server.port, SYSTEM)
    githosts.pin(host.id, {"public_key": str(ssh_git.server.host_keys()[0])}, SYSTEM)
    names.lead_to(OUTSIDE, then=INSIDE)
    key = add_key(ssh_git, host=NAME)
    job = live.clone(node_id, ssh_git.url.replace(f"@{OUTSIDE}:", f"@{NAME}:"), git_credential_id=key.id)
    assert job.state is JobState.SUCCEEDED, live.log(job)
    assert_untouched(trap)


def test_a_server_s_list_of_other_places_for_objects_is_not_followed(
    live: Live, node_id: int, names: Names, forge: Forge, web: int, set_trap: Callable[[int], socket.socket]
) -> None:
    """A plain web server may name others that have what it lacks; here it lacks everything."""
    trap = set_trap(web)
    shutil.rmtree(forge.bare / "objects")
    (forge.bare / "objects/info").mkdir(parents=True)
    (forge.bare / "objects/info/http-alternates").write_text(f"http://{INSIDE}:{web}/app.git/\n")
    job = live.clone(node_id, f"http://{NAME}:{web}/app.git")
    assert job.state is JobState.FAILED
    assert live.left_behind() == []
    assert_untouched(trap)


@pytest.mark.parametrize("said", ["127.0.0.1%x", "fd00::1%$(reboot)", "\x1b[2J<b>"])
def test_what_a_node_calls_an_address_must_be_one(
    live: Live, node_id: int, names: Names, tmp_path: Path, said: str
) -> None:
    (tmp_path / "getent").write_text(f"#!/bin/sh\nprintf '%s STREAM x\\n' {shlex.quote(said)}\n")
    job = live.clone(node_id, f"http://{NAME}/app.git")
    assert (job.state, job.error_code) == (JobState.FAILED, "git_address_denied")
    assert "\x1b" not in (job.error_message or "") + live.log(job)
