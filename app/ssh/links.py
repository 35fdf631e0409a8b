"""Links: the connections of one target, who is on them, and when they are full, spent or over.

Rules only: the pool holds the lock and does the closing.
"""

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import paramiko

from app.errors import ConnectTimeout, NodeError
from app.ssh.login import Login
from app.ssh.pins import hops
from app.ssh.shelf import Shelf
from app.ssh.target import Target
from app.ssh.watch import Heard

MAX_CONNECTIONS: Final = 4
MAX_HANDSHAKES: Final = 2
MAX_CHANNELS: Final = 8  # sshd's MaxSessions is 10
RETIRE_CHANNELS: Final = 10_000  # each leaves an entry behind in paramiko
MAX_TUNNELS: Final = 64  # per connection of a jump host; MaxSessions does not count them
RETIRE_BYTES: Final = 256 * 1024 * 1024  # paramiko fails at its own rekey, due at 512 MiB


@dataclass(eq=False, slots=True)
class Link:
    """One open connection and who is on it."""

    connection: Login
    gateway: "Link | None" = None
    channels: int = 0
    most_channels: int = MAX_CHANNELS
    tunnels: int = 0
    idle_since: float = field(default_factory=time.monotonic)
    is_retired: bool = False
    shelf: Shelf = field(default_factory=Shelf)
    opened_at: float = field(default_factory=time.monotonic)

    @property
    def is_idle(self) -> bool:
        return self.channels == 0 and self.tunnels == 0

    def has_room(self, *, tunnel: bool) -> bool:
        if self.is_retired or not self.connection.is_connected:
            return False
        return self.tunnels < MAX_TUNNELS if tunnel else self.channels < self.most_channels


@dataclass(eq=False, slots=True)
class Line:
    """All about one target: its links, the handshakes under way, the last failure for those who waited for it."""

    links: list[Link] = field(default_factory=list)
    opening: list[Login] = field(default_factory=list)
    failures: int = 0
    failure: NodeError | None = None

    def note(self, failure: NodeError) -> None:
        self.failures += 1
        self.failure = failure


def with_room(line: Line, *, tunnel: bool) -> Link | None:
    return next((link for link in line.links if link.has_room(tunnel=tunnel)), None)


def may_open(line: Line) -> bool:
    alive = sum(link.connection.is_connected for link in line.links)
    return len(line.opening) < MAX_HANDSHAKES and alive + len(line.opening) < MAX_CONNECTIONS


def ask(link: Link, key: int, heard: Heard) -> bool:
    """Send a keepalive request without waiting. False: it would have to wait."""
    transport = link.connection.transport
    if not transport.can_send:
        return False
    link.idle_since = started = time.monotonic()
    with contextlib.suppress(EOFError, OSError, paramiko.SSHException):  # it has ended, and says so in `heard`
        transport.request_keepalive(_answered(key, started, heard))
    return True


def ensure_alive(link: Link, seconds: float) -> None:
    """One keepalive round trip. Raises ConnectTimeout, and closes the link."""
    if not link.connection.transport.keepalive(seconds):
        link.is_retired = True
        link.connection.close()
        raise ConnectTimeout(f"{link.connection.target} does not answer any more.")


def enter(link: Link, *, tunnel: bool) -> None:
    if tunnel:
        link.tunnels += 1
    else:
        link.channels += 1


def leave(link: Link, *, tunnel: bool) -> None:
    if tunnel:
        link.tunnels -= 1
    else:
        link.channels -= 1
    link.idle_since = time.monotonic()


def retire(links: Iterable[Link]) -> list[Link]:
    """Who may be closed now. The others are closed by the last who leaves them."""
    idle = []
    for link in links:
        link.is_retired = True
        if link.is_idle:
            idle.append(link)
    return idle


def is_spent(link: Link) -> bool:
    if link.is_retired or not link.connection.is_connected:
        return True
    transport = link.connection.transport
    return bool(transport.received_bytes > RETIRE_BYTES or transport.opened_channels > RETIRE_CHANNELS)


def is_over(link: Link, old: float) -> bool:
    return link.is_idle and (link.idle_since <= old or link.is_retired or not link.connection.is_connected)


def concerns(known: Target, target: Target) -> bool:
    """Whether `known` is this node, by name or by address, or is reached through it."""
    place = (target.hostname, target.port)
    return any(hop.name == target.name or (hop.hostname, hop.port) == place for hop in hops(known))


def _answered(key: int, started: float, heard: Heard) -> Callable[[bool], None]:
    return lambda is_alive: heard.put((key, time.monotonic() - started if is_alive else None))
