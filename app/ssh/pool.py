"""ConnectionPool: warm connections by Target, because a new one costs tens of milliseconds and an exec two.

A connection is shared by several runs (channels) at a time, never by two targets: another key, pin or address is
another Target. It has no thread of its own; idle connections are closed when the pool is used, and by `reap`.
"""

import copy
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Self

from app.commands.base import Command
from app.errors import ConnectionLost, NodeBusy, NodeError, ShuttingDown
from app.ssh.agent import KeyAgent
from app.ssh.connection import PinnedConnection
from app.ssh.deadline import Deadline
from app.ssh.forwarding import AgentLine
from app.ssh.links import (
    MAX_CONNECTIONS,
    Line,
    Link,
    ask,
    concerns,
    ensure_alive,
    enter,
    is_over,
    is_spent,
    leave,
    may_open,
    retire,
    with_room,
)
from app.ssh.login import Login
from app.ssh.pins import ensure_way_pinned
from app.ssh.process import NotStarted, SessionRefused, run_command
from app.ssh.target import Target
from app.ssh.watch import QUIET, Heard, Result, Watch

PING_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 10.0
_REAP_SECONDS: Final = 1.0
_PAUSES: Final = (0.0, 0.05, 0.2)  # sshd counts a session for a moment after both sides have closed it


class ConnectionPool:
    """Nodes over SSH. Safe for threads. Use as a context manager, or call `close`."""

    def __init__(self, *, idle_seconds: float = 120.0) -> None:
        self._idle_seconds = idle_seconds
        self._lines: dict[Target, Line] = {}
        self._private: set[AgentLine] = set()
        self._changed = threading.Condition()
        self._next_reap = 0.0
        self._is_closed = False

    def run(self, target: Target, command: Command, watch: Watch = QUIET) -> Result:
        """Run a command to its proved end. A connection found dead or full before anything was sent is replaced."""
        for pause_seconds in _PAUSES:
            try:
                return self._run_once(target, command, watch)
            except (NotStarted, SessionRefused):
                time.sleep(pause_seconds)
        return self._run_once(target, command, watch)

    def read(self, target: Target, command: Command, watch: Watch = QUIET) -> Result:
        """Run a short program of ours that changes nothing and leaves nothing behind, in a persistent shell where one
        is free, else as `run` does; it may be started twice. What it printed is handed to `watch` as it comes."""
        link, _ = self._acquire(target)
        try:
            result = link.shelf.read(link.connection.transport, str(target), command, watch)
        except ConnectionLost:
            link.is_retired = True
            raise
        finally:
            self._release(link)
        return self.run(target, command, watch) if result is None else result

    def beat(self, targets: Mapping[int, Target], heard: Heard) -> set[int]:
        """Ask every node with a warm connection for a sign of life, and return. See `Nodes`."""
        links = ((key, self._warm(target)) for key, target in targets.items())
        return {key for key, link in links if link is None or not ask(link, key, heard)}

    def renew(self, target: Target) -> float:
        """Seconds of connect and login. The oldest connection is closed as soon as nobody is on it."""
        ensure_way_pinned(target)
        started = time.monotonic()
        connection = Login(target)
        with self._changed:
            line = self._line(target)
            old = line.links[:1]
            line.opening.append(connection)
        link = self._open(line, connection, tunnel=False)
        seconds = time.monotonic() - started
        with self._changed:
            idle = retire(old)
        for each in idle:
            self._discard(each)
        self._release(link)
        return seconds

    def age(self, target: Target) -> float | None:
        return None if (link := self._warm(target)) is None else time.monotonic() - link.opened_at

    def ping(self, target: Target) -> float:
        """Seconds of one keepalive round trip on a warm connection, or of connect and login on a cold one."""
        started = time.monotonic()
        link, is_new = self._acquire(target)
        try:
            if not is_new:
                started = time.monotonic()
                ensure_alive(link, PING_SECONDS)
            return time.monotonic() - started
        finally:
            self._release(link)

    @contextmanager
    def lease(self, target: Target) -> Iterator[PinnedConnection]:
        """Fabric's tools on a pooled connection, at most a channel at a time; it is not closed meanwhile."""
        link, _ = self._acquire(target)
        try:
            yield PinnedConnection(target, link.connection)
        finally:
            self._release(link)

    @contextmanager
    def private(self, target: Target, agent: KeyAgent) -> Iterator[AgentLine]:
        """A connection of one's own, which nobody else uses, with an agent; closed at the end."""
        ensure_way_pinned(target)
        line = AgentLine(target, agent)
        with self._changed:
            if self._is_closed:
                raise ShuttingDown()
            self._private.add(line)
        try:
            yield line
        finally:
            with self._changed:
                self._private.discard(line)
            line.close()

    def forget(self, target: Target) -> None:
        """Close what is pooled for this node, whatever its key, pin or address were, and what goes through it."""
        with self._changed:
            links = [link for known, line in self._lines.items() if concerns(known, target) for link in line.links]
            private = [line for line in self._private if concerns(line.target, target)]
        for link in links:
            self._discard(link)
        for line in private:
            line.hang_up()

    def reap(self) -> None:
        """Close dead connections, and those idle for `idle_seconds`; never one with a channel on it."""
        with self._changed:
            self._next_reap = time.monotonic() + _REAP_SECONDS
            old = time.monotonic() - self._idle_seconds
            links = [link for line in self._lines.values() for link in line.links if is_over(link, old)]
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
            private = list(self._private)
        for own in private:
            own.close()
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
            if not link.shelf.give_way():
                link.most_channels = max(1, link.channels - 1)
            raise
        finally:
            self._release(link)

    def _acquire(self, target: Target, *, tunnel: bool = False) -> tuple[Link, bool]:
        """A link with room, and whether it was opened for this. Raises what opening it raised."""
        ensure_way_pinned(target)
        if time.monotonic() >= self._next_reap:
            self.reap()
        deadline = Deadline(target.limits.deadline)
        with self._changed:
            line = self._line(target)
            seen = line.failures
            while True:
                if (link := with_room(line, tunnel=tunnel)) is not None:
                    enter(link, tunnel=tunnel)
                    return link, False
                if may_open(line):
                    connection = Login(target)
                    line.opening.append(connection)
                    break
                self._wait_for_others(line, seen, deadline, target)
        return self._open(line, connection, tunnel=tunnel), True

    def _line(self, target: Target) -> Line:
        if self._is_closed:
            raise ShuttingDown()
        return self._lines.setdefault(target, Line())

    def _wait_for_others(self, line: Line, seen: int, deadline: Deadline, target: Target) -> None:
        """Those who wait for a handshake share its failure, instead of knocking one after the other."""
        self._changed.wait(deadline.left(1.0))
        if line.failures != seen and line.failure is not None:
            raise copy.copy(line.failure)
        if deadline.has_passed:
            raise NodeBusy(f"All {MAX_CONNECTIONS} connections to {target} are in use; try again later.")

    def _open(self, line: Line, connection: Login, *, tunnel: bool) -> Link:
        link = Link(connection)
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

    def _failed(self, line: Line, link: Link, error: BaseException) -> None:
        self._shut(link)
        with self._changed:
            line.opening.remove(link.connection)
            if isinstance(error, NodeError):
                line.note(error)
            self._changed.notify_all()

    def _opened(self, line: Line, link: Link, *, tunnel: bool) -> None:
        with self._changed:
            line.opening.remove(link.connection)
            is_late = self._is_closed
            if not is_late:
                line.links.append(link)
                enter(link, tunnel=tunnel)
                self._lines[link.connection.target] = line
            self._changed.notify_all()
        if is_late:
            self._shut(link)
            raise ShuttingDown()

    def _release(self, link: Link, *, tunnel: bool = False) -> None:
        with self._changed:
            leave(link, tunnel=tunnel)
            is_over = link.is_idle and is_spent(link)
            if is_over:
                self._remove(link)
            self._changed.notify_all()
        if is_over:
            self._shut(link)

    def _warm(self, target: Target) -> Link | None:
        with self._changed:
            line = self._lines.get(target)
            return None if line is None else with_room(line, tunnel=True)

    def _discard(self, link: Link) -> None:
        with self._changed:
            self._remove(link)
        self._shut(link)

    def _remove(self, link: Link) -> None:
        line = self._lines.get(link.connection.target)
        if line is not None and link in line.links:
            line.links.remove(link)
        self._changed.notify_all()

    def _shut(self, link: Link) -> None:
        link.is_retired = True
        link.connection.close()
        gateway, link.gateway = link.gateway, None
        if gateway is not None:
            self._release(gateway, tunnel=True)
