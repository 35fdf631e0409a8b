"""A connection of a job's own, over which the node may ask a KeyAgent of ours.

sshd gives all sessions of a connection the same agent socket, so a connection with an agent is never shared: it is not
in the pool, serves one job, and the socket on the node is gone with it.
"""

import contextlib
import re
import threading
from typing import Any, Final, cast

import paramiko

from app.commands.base import Command
from app.errors import ConnectionLost, ShuttingDown
from app.ssh.agent import MAX_MESSAGE_BYTES, AgentSession, KeyAgent
from app.ssh.hardening import HardenedTransport
from app.ssh.login import Login
from app.ssh.process import NotStarted, run_command
from app.ssh.target import Target
from app.ssh.watch import QUIET, Result, Watch

MAX_SESSIONS: Final = 4  # at a time; git asks one after the other
MAX_REQUESTS: Final = 64  # in each of them
SESSION_SECONDS: Final = 60.0
_BINDS_SINCE: Final = (8, 9)
_VERSION: Final = re.compile(r"SSH-2\.0-OpenSSH_(\d{1,4})\.(\d{1,4})")


class AgentTransport(HardenedTransport):
    """Offers `agent` in every session that it opens. Without an agent it is a HardenedTransport."""

    agent: KeyAgent | None = None

    def open_session(self, *args: Any, **kwargs: Any) -> paramiko.Channel:
        channel = super().open_session(*args, **kwargs)
        if self.agent is not None:
            channel.request_forward_agent(_Door(self, self.agent).let_in)
        return channel


class AgentLogin(Login):
    transport_class = AgentTransport

    def __init__(self, target: Target, agent: KeyAgent) -> None:
        super().__init__(target)
        self._agent = agent

    def open(self) -> None:
        super().open()
        cast(AgentTransport, self.transport).agent = self._agent


class AgentLine:
    """Runs one job's commands, as the pool would, on a connection with an agent; opened when it is first needed, and
    anew when it was lost."""

    def __init__(self, target: Target, agent: KeyAgent) -> None:
        self.target = target
        self._agent = agent
        self._connection: AgentLogin | None = None
        self._closed = threading.Event()

    def run(self, target: Target, command: Command, watch: Watch = QUIET) -> Result:
        """Raises what the pool raises; ValueError for another target than the line's own."""
        if target != self.target:
            raise ValueError(f"this connection is {self.target}'s alone")
        try:
            return self._run(command, watch)
        except NotStarted:
            return self._run(command, watch)

    def hang_up(self) -> None:
        """End the connection; a command that runs on it gets ConnectionLost."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        self._closed.set()
        self.hang_up()

    def _run(self, command: Command, watch: Watch) -> Result:
        connection = self._connected()
        try:
            return run_command(connection.transport, str(self.target), command, watch)
        except ConnectionLost:
            self.hang_up()
            raise

    def _connected(self) -> AgentLogin:
        if self._closed.is_set():
            raise ShuttingDown()
        connection = self._connection
        if connection is None or not connection.is_connected:
            self.hang_up()
            connection = self._connection = AgentLogin(self.target, self._agent)
            connection.open()
        if self._closed.is_set():  # meanwhile, by another thread
            self.hang_up()
            raise ShuttingDown()
        return connection


class _Door:
    """Lets the node's agent clients in, a few at a time, each with a thread that ends with its channel."""

    def __init__(self, transport: AgentTransport, agent: KeyAgent) -> None:
        self._agent = agent
        self._must_bind = _binds(str(transport.remote_version))
        self._room = threading.BoundedSemaphore(MAX_SESSIONS)

    def let_in(self, channel: paramiko.Channel) -> None:
        """Called in the transport's reading thread, which must not wait: who is too many is never answered."""
        if self._room.acquire(blocking=False):
            threading.Thread(target=self._serve, args=(channel,), name="ssh-agent", daemon=True).start()

    def _serve(self, channel: paramiko.Channel) -> None:
        channel.settimeout(SESSION_SECONDS)
        session = AgentSession(self._agent, must_bind=self._must_bind)
        try:
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):  # the client or the node is gone
                for _ in range(MAX_REQUESTS):
                    if not _serve_one(channel, session):
                        break
                channel.close()
        finally:
            self._room.release()


def _serve_one(channel: paramiko.Channel, session: AgentSession) -> bool:
    size = int.from_bytes(_read(channel, 4), "big")
    if not 0 < size <= MAX_MESSAGE_BYTES:
        return False
    message = _read(channel, size)
    if not message:
        return False
    answer = session.answer(message)
    channel.sendall(len(answer).to_bytes(4, "big") + answer)
    return True


def _read(channel: paramiko.Channel, count: int) -> bytes:
    """Exactly so many bytes; empty when the client has hung up."""
    data = b""
    while len(data) < count:
        piece = channel.recv(count - len(data))
        if not piece:
            return b""
        data += piece
    return data


def _binds(greeting: str) -> bool:
    """Whether the node's OpenSSH is one whose client proves the server to the agent; sshd and ssh come together."""
    found = _VERSION.match(greeting)
    return found is not None and (int(found[1]), int(found[2])) >= _BINDS_SINCE
