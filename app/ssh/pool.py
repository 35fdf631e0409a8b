"""ConnectionPool: warm connections by Target, because a new one costs tens of milliseconds and an exec two.

A connection is shared by several runs (channels) at a time, never by two targets: another key, pin or address is
another Target. It has no thread of its own; idle connections are closed when the pool is used, and by `reap`.
"""

import copy
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Self

from app.commands.base import Command
from app.errors import ConnectionLost, ConnectTimeout, NodeBusy, NodeError
from app.ssh.connection import PinnedConnection
from app.ssh.deadline import Deadline
from app.ssh.pins import ensure_way_pinned, hops
from app.ssh.process import NotStarted, SessionRefused, run_command
from app.ssh.target import Limits, Target
from app.ssh.watch import QUIET, Result, Watch

MAX_CONNECTIONS: Final = 4
MAX_HANDSHAKES: Final = 2
MAX_CHANNELS: Final = 8  # sshd's MaxSessions is 10
MAX_TUNNELS: Final = 64  # per connection of a jump host; MaxSessions does not count them
RETIRE_BYTES: Final = 256 * 1024 * 1024  # paramiko fails at its own rekey, due at 512 MiB
PING_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 10.0
_PAUSES: Final = (0.0, 0.05, 0.2)  # sshd counts a session for a moment after both sides have closed it
_ANY_LIMITS: Final = Limits()


@dataclass(eq=False, slots=True)
class _Link:
    """One open connection and who is on it."""

    connection: PinnedConnection
    gateway: "_Link | None" = None
    channels: int = 0
    most_channels: int = MAX_CHANNELS
    tunnels: int = 0
    idle_since: float = field(default_factory=time.monotonic)
    is_retired: bool = False
    ping_lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_idle(self) -> bool:
        return self.channels == 0 and self.tunnels == 0

    def has_room(self, *, tunnel: bool) -> bool:
        if self.is_retired or not self.connection.is_connected:
            return False
        return self.tunnels < MAX_TUNNELS if tunnel else self.channels < self.most_channels


@dataclass(eq=False, slots=True)
class _Line:
    """All about one target: its links, the handshakes under way, the last failure for those who waited for it."""

    links: list[_Link] = field(default_factory=list)
    opening: list[PinnedConnection] = field(default_factory=list)
    failures: int = 0
    failure: NodeError | None = None


class ConnectionPool:
    """Nodes over SSH. Safe for threads. Use as a context manager, or call `close`."""

    def __init__(self, *, idle_seconds: float = 120.0) -> None:
        self._idle_seconds = idle_seconds
        self._lines: dict[Target, _Line] = {}
        self._changed = threading.Condition()
        self._is_closed = False

    def run(self, target: Target, command: Command, watch: Watch = QUIET) -> Result:
        """Run a command to its proved end. A connection found dead or full before anything was sent is replaced."""
        for pause_seconds in _PAUSES:
            try:
                return self._run_once(target, command, watch)
            except (NotStarted, SessionRefused):
                time.sleep(pause_seconds)
        return self._run_once(target, command, watch)

    def ping(self, target: Target) -> float:
        """Seconds of one keepalive round trip on a warm connection, or of connect and login on a cold one."""
        started = time.monotonic()
        link, is_new = self._acquire(target)
        try:
            if not is_new:
                started = time.monotonic()
                self._keepalive(link)
            return time.monotonic() - started
        finally:
            self._release(link)

    @contextmanager
    def lease(self, target: Target) -> Iterator[PinnedConnection]:
        """A connection for something of one's own, at most a channel at a time; it is not closed meanwhile."""
        link, _ = self._acquire(target)
        try:
            yield link.connection
        finally:
            self._release(link)

    def forget(self, target: Target) -> None:
        """Close what is pooled for this node, whatever its key, pin or address were, and what goes through it."""
        with self._changed:
            links = [link for known, line in self._lines.items() if _concerns(known, target) for link in line.links]
        for link in links:
            self._discard(link)

    def reap(self) -> None:
        """Close dead connections, and those idle for `idle_seconds`; never one with a channel on it."""
        with self._changed:
            old = time.monotonic() - self._idle_seconds
            links = [link for line in self._lines.values() for link in line.links if _is_over(link, old)]
            for link in links:
                self._remove(link)
            self._lines = {target: line for target, line in self._lines.items() if line.links or line.opening}
        for link in links:
            self._shut(link)

    def close(self) -> None:
        """Close everything, handshakes under way included. Whatever runs gets ConnectionLost."""
        with self._changed:
            self._is_closed = True
            lines = list(self._lines.values())
            links = [link for line in lines for link in line.links]
            doors = [connection for line in lines for connection in line.opening]
            self._lines.clear()
        for connection in [*doors, *(link.connection for link in links)]:
            connection.close()
        with self._changed:
            self._changed.wait_for(lambda: not any(line.opening for line in lines), _CLOSE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run_once(self, target: Target, command: Command, watch: Watch) -> Result:
        link, _ = self._acquire(target)
        try:
            return run_command(link.connection.transport, str(target), command, watch)
        except ConnectionLost:
            link.is_retired = True
            raise
        except SessionRefused:
            link.most_channels = max(1, link.channels - 1)
            raise
        finally:
            self._release(link)

    def _keepalive(self, link: _Link) -> None:
        with link.ping_lock:
            if not link.connection.transport.keepalive(PING_SECONDS):
                link.is_retired = True
                link.connection.close()
                raise ConnectTimeout(f"{link.connection.target} does not answer any more.")

    def _acquire(self, target: Target, *, tunnel: bool = False) -> tuple[_Link, bool]:
        """A link with room, and whether it was opened for this. Raises what opening it raised."""
        ensure_way_pinned(target)
        self.reap()
        deadline = Deadline(target.limits.deadline)
        with self._changed:
            line = self._line(_key(target))
            seen = line.failures
            while True:
                if (link := _with_room(line, tunnel=tunnel)) is not None:
                    _enter(link, tunnel=tunnel)
                    return link, False
                if _may_open(line):
                    connection = PinnedConnection(target)
                    line.opening.append(connection)
                    break
                self._wait_for_others(line, seen, deadline, target)
        return self._open(line, connection, tunnel=tunnel), True

    def _line(self, target: Target) -> _Line:
        if self._is_closed:
            raise ConnectionLost("Bareboat is shutting down; nothing was sent.")
        return self._lines.setdefault(target, _Line())

    def _wait_for_others(self, line: _Line, seen: int, deadline: Deadline, target: Target) -> None:
        """Those who wait for a handshake share its failure, instead of knocking one after the other."""
        self._changed.wait(deadline.left(1.0))
        if line.failures != seen and line.failure is not None:
            raise copy.copy(line.failure)
        if deadline.has_passed:
            raise NodeBusy(f"All {MAX_CONNECTIONS} connections to {target} are in use; try again later.")

    def _open(self, line: _Line, connection: PinnedConnection, *, tunnel: bool) -> _Link:
        link = _Link(connection)
        try:
            if connection.target.jump is not None:
                link.gateway, _ = self._acquire(connection.target.jump, tunnel=True)
                connection.gateway = link.gateway.connection
            connection.open()
        except BaseException as error:
            self._failed(line, link, error)
            raise
        self._opened(line, link, tunnel=tunnel)
        return link

    def _failed(self, line: _Line, link: _Link, error: BaseException) -> None:
        self._shut(link)
        with self._changed:
            line.opening.remove(link.connection)
            if isinstance(error, NodeError):
                line.failures += 1
                line.failure = error
            self._changed.notify_all()

    def _opened(self, line: _Line, link: _Link, *, tunnel: bool) -> None:
        with self._changed:
            line.opening.remove(link.connection)
            is_late = self._is_closed
            if not is_late:
                line.links.append(link)
                _enter(link, tunnel=tunnel)
                self._lines[_key(link.connection.target)] = line
            self._changed.notify_all()
        if is_late:
            self._shut(link)
            raise ConnectionLost("Bareboat is shutting down; nothing was sent.")

    def _release(self, link: _Link, *, tunnel: bool = False) -> None:
        with self._changed:
            _leave(link, tunnel=tunnel)
            is_over = link.is_idle and _is_spent(link)
            if is_over:
                self._remove(link)
            self._changed.notify_all()
        if is_over:
            self._shut(link)

    def _discard(self, link: _Link) -> None:
        with self._changed:
            self._remove(link)
        self._shut(link)

    def _remove(self, link: _Link) -> None:
        line = self._lines.get(_key(link.connection.target))
        if line is not None and link in line.links:
            line.links.remove(link)
        self._changed.notify_all()

    def _shut(self, link: _Link) -> None:
        link.is_retired = True
        link.connection.close()
        gateway, link.gateway = link.gateway, None
        if gateway is not None:
            self._release(gateway, tunnel=True)


def _key(target: Target) -> Target:
    """Limits bound the opening only: a probe in a hurry and a patient job may share a connection."""
    return replace(target, limits=_ANY_LIMITS, jump=_key(target.jump) if target.jump else None)


def _with_room(line: _Line, *, tunnel: bool) -> _Link | None:
    return next((link for link in line.links if link.has_room(tunnel=tunnel)), None)


def _may_open(line: _Line) -> bool:
    return len(line.opening) < MAX_HANDSHAKES and len(line.links) + len(line.opening) < MAX_CONNECTIONS


def _enter(link: _Link, *, tunnel: bool) -> None:
    if tunnel:
        link.tunnels += 1
    else:
        link.channels += 1


def _leave(link: _Link, *, tunnel: bool) -> None:
    if tunnel:
        link.tunnels -= 1
    else:
        link.channels -= 1
    link.idle_since = time.monotonic()


def _is_spent(link: _Link) -> bool:
    if link.is_retired or not link.connection.is_connected:
        return True
    return link.connection.transport.received_bytes > RETIRE_BYTES


def _is_over(link: _Link, old: float) -> bool:
    return link.is_idle and (link.idle_since <= old or not link.connection.is_connected)


def _concerns(known: Target, target: Target) -> bool:
    """Whether `known` is this node, by name or by address, or is reached through it."""
    place = (target.hostname, target.port)
    return any(hop.name == target.name or (hop.hostname, hop.port) == place for hop in hops(known))
