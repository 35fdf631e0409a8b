"""A fleet of nodes on loopback: a few sshds, and many nodes that share them.

A node is a name of its own with a connection of its own, and a connection has an sshd process of its own, whichever
listener it came through. So sixteen listeners stand for a thousand machines: a thousand would add seconds to the start
and nothing to what is measured.
"""

import getpass
import json
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from app.commands.base import Command
from app.commands.paths import ProjectsRoot
from app.commands.probe import facts
from bench.peers.base import Fleet, Node
from bench.procs import control_group, join_group
from tests.support.sshd import KeyPair, SshdServer, make_keypair

LISTENERS: Final = 16
_QUIET: Final = ("LogLevel ERROR", "MaxStartups 2000")


@contextmanager
def running_fleet(count: int) -> Iterator[tuple[Fleet, Path]]:
    """The fleet, and the file that describes it to peers. Everything is ended afterwards, by process id."""
    with tempfile.TemporaryDirectory(prefix="bareboat-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        keypair = make_keypair(folder)
        group = stack.enter_context(control_group())
        servers = [stack.enter_context(_server(folder, number, keypair)) for number in range(LISTENERS)]
        for server in servers:
            join_group(group, server.pid)
        fleet = _describe(folder, keypair, servers, count, group)
        path = folder / "fleet.json"
        path.write_text(json.dumps(asdict(fleet)))
        yield fleet, path


def _server(folder: Path, number: int, keypair: KeyPair) -> SshdServer:
    """All have the host key of the first, so that there is one pin."""
    server = SshdServer(folder / f"sshd-{number}", keypair, extra=_QUIET)
    for path in (folder / "sshd-0").glob("host_*") if number else ():
        (server.folder / path.name).write_bytes(path.read_bytes())
        (server.folder / path.name).chmod(0o600)
    return server


def _describe(folder: Path, keypair: KeyPair, servers: list[SshdServer], count: int, group: str) -> Fleet:
    key, known_hosts, root = folder / "login", folder / "known_hosts", folder / "projects"
    key.write_text(keypair.private.reveal())
    key.chmod(0o600)
    root.mkdir(mode=0o700)
    host_key = str(servers[0].host_keys()[0])
    known_hosts.write_text("".join(f"[127.0.0.1]:{server.port} {host_key}\n" for server in servers))
    return Fleet(
        user=getpass.getuser(),
        key_path=str(key),
        known_hosts=str(known_hosts),
        host_key=host_key,
        root=str(root),
        facts=_line(facts(ProjectsRoot(str(root)), only_changing=True)),
        all_facts=_line(facts(ProjectsRoot(str(root)))),
        nodes=tuple(Node(f"node-{number}", servers[number % LISTENERS].port) for number in range(count)),
        listeners=tuple(server.pid for server in servers),
        group=group,
    )


def _line(command: Command) -> str:
    """For the login shell of a peer."""
    return shlex.join(["sh", "-c", command.program, "sh", *map(str, command.arguments)])
