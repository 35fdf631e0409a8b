"""Running one Command on an open transport, to its proved end.

The command line is the constant LOGIN_COMMAND; the script goes to stdin, which then stays open: it is the lease of what
runs there. Closing it ends the work on the node, and only the END line proves that it has ended.
"""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import paramiko

from app.commands.base import KILL_GRACE_SECONDS, LOGIN_COMMAND, Command
from app.errors import ConnectionLost, NodeBusy, ShellUnusable
from app.ssh.deadline import Deadline
from app.ssh.frames import MAX_NOISE_BYTES, Frame, Kept
from app.ssh.hardening import HardenedTransport, end_input, request_exec, ring_on_data
from app.ssh.watch import QUIET, Result, Stream, Watch

OUTPUT_LIMIT_BYTES: Final = 64 * 1024 * 1024
GRACE_SECONDS: Final = 5.0
_OPEN_SECONDS: Final = 20.0
_LOGIN_SECONDS: Final = 60.0
_TICK_SECONDS: Final = 0.2
_SETTLE_SECONDS: Final = 1.0
_GONE_SECONDS: Final = 0.5
_READ_BYTES: Final = 64 * 1024
# `timeout` ended the program: by TERM (coreutils), by KILL, by TERM (busybox).
_TIMEOUT_STATUSES: Final = frozenset({124, 137, 143})


class NotStarted(ConnectionLost):
    """The connection was dead before the script was sent: nothing has run, it is safe to try again."""


class SessionRefused(NodeBusy):
    """The node opens no further session on this connection: nothing has run, another connection may do."""


def run_command(transport: HardenedTransport, who: str, command: Command, watch: Watch = QUIET) -> Result:
    """Run to the END line. Raises ConnectionLost (no END: it may still run), NotStarted, NodeBusy, ShellUnusable."""
    nonce = secrets.token_hex(16)
    script = command.script(nonce).encode("utf-8", "surrogateescape")
    channel = open_session(transport, who)
    try:
        return _Run(transport, channel, who, command, watch, nonce).to_the_end(script)
    finally:
        close_channel(channel)


@dataclass(slots=True)
class _Reader:
    """One stream of the channel: its frame, what is kept of it, how to read it."""

    name: Stream
    frame: Frame
    is_ready: Callable[[], bool]
    receive: Callable[[int], bytes]
    kept: Kept = field(default_factory=Kept)


class _Run:
    def __init__(
        self,
        transport: HardenedTransport,
        channel: paramiko.Channel,
        who: str,
        command: Command,
        watch: Watch,
        nonce: str,
    ) -> None:
        self._transport, self._channel, self._who = transport, channel, who
        self._command, self._watch = command, watch
        self._stdout = _Reader("stdout", Frame(nonce), channel.recv_ready, channel.recv)
        self._stderr = _Reader("stderr", Frame(nonce), channel.recv_stderr_ready, channel.recv_stderr)
        self._bell = threading.Event()
        self._started = time.monotonic()
        self._limit = Deadline(command.timeout_seconds + KILL_GRACE_SECONDS + GRACE_SECONDS)
        self._login = Deadline(min(_LOGIN_SECONDS, command.timeout_seconds + GRACE_SECONDS))
        self._patience = self._limit
        self._stop_reason: str | None = None

    def to_the_end(self, script: bytes) -> Result:
        ring_on_data(self._channel, self._bell)
        self._send(script)
        while self._stdout.frame.end is None:
            has_ended = _has_ended(self._channel)
            if not self._drain() and has_ended:
                raise self._without_end()
            self._look_at_the_clock()
            self._wait(_TICK_SECONDS)
        self._settle()
        return self._result()

    def _send(self, script: bytes) -> None:
        """Nothing waits for an answer here: a refused exec closes the channel, which the reading notices."""
        try:
            request_exec(self._channel, LOGIN_COMMAND)
            self._channel.settimeout(_OPEN_SECONDS)
            self._channel.sendall(script)
        except (OSError, EOFError, paramiko.SSHException):
            # Not the end yet: what the node said before it closed decides which error this is.
            self._bell.set()

    def _drain(self) -> bool:
        """Read both streams in turns: neither may fill its window meanwhile, nor keep us from the clock."""
        return self._read(self._stderr) | self._read(self._stdout)

    def _read(self, reader: _Reader) -> bool:
        if not reader.is_ready():
            return False
        self._keep(reader, reader.frame.feed(reader.receive(_READ_BYTES)))
        return True

    def _keep(self, reader: _Reader, output: bytes) -> None:
        if not output:
            return
        reader.kept.add(output)
        if self._stop_reason is None:
            self._watch.on_output(reader.name, output)

    def _look_at_the_clock(self) -> None:
        if self._stop_reason is not None:
            if self._patience.has_passed:
                raise self._unproved()
        elif self._watch.is_cancelled():
            self._stop("cancelled")
        elif self._total_bytes() > OUTPUT_LIMIT_BYTES:
            self._stop("output_limit")
        elif self._limit.has_passed:
            self._stop("timeout")
        elif not self._stdout.frame.has_begun:
            self._mind_the_login()

    def _stop(self, reason: str) -> None:
        """End the lease; the envelope then terminates the program, and kills it after its grace."""
        self._stop_reason = reason
        self._patience = Deadline(KILL_GRACE_SECONDS + GRACE_SECONDS)
        self._end_input()

    def _end_input(self) -> None:
        try:
            end_input(self._channel)
        except (OSError, EOFError, paramiko.SSHException):
            self._bell.set()  # the connection is gone: the reading will find no END

    def _mind_the_login(self) -> None:
        noise = max(self._stdout.frame.noise_bytes, self._stderr.frame.noise_bytes)
        if noise > MAX_NOISE_BYTES or self._login.has_passed:
            raise ShellUnusable(
                f"The login of {self._who} starts no POSIX shell, or not in time; look at the account's login "
                "shell, its start files, and a forced command in authorized_keys."
            )

    def _wait(self, seconds: float) -> None:
        if not (self._channel.recv_ready() or self._channel.recv_stderr_ready() or self._channel.closed):
            self._bell.wait(seconds)
        self._bell.clear()

    def _settle(self) -> None:
        """What is still on its way on stderr, and the close: a channel counts for MaxSessions until then. A daemon of
        the command's may hold it open, so not for long."""
        self._end_input()  # dropbear closes only after that
        settled = Deadline(_SETTLE_SECONDS)
        while (self._drain() or not self._channel.closed) and not settled.has_passed:
            self._wait(settled.left(_TICK_SECONDS))
        self._keep(self._stderr, self._stderr.frame.finish())

    def _result(self) -> Result:
        end = self._stdout.frame.end
        assert end is not None  # noqa: S101 - the loop ends only with it
        reason, status = self._stop_reason or end.reason, end.status
        if reason == "exit" and status in _TIMEOUT_STATUSES and self._elapsed() >= self._command.timeout_seconds:
            reason = "timeout"
        return Result(reason, status, self._stdout.kept.value(), self._stderr.kept.value())

    def _without_end(self) -> ConnectionLost | ShellUnusable:
        if not self._channel.eof_received:
            self._transport.join(_GONE_SECONDS)  # a dying transport closes its channels first
        if not self._transport.is_active() or self._stdout.frame.has_begun:
            return ConnectionLost(f"The connection to {self._who} was lost; what ran there may still run for a while.")
        return ShellUnusable(
            f"The login of {self._who} ended without starting a POSIX shell (exit status "
            f"{self._channel.exit_status}); is its login shell nologin, or is there a forced command?"
        )

    def _unproved(self) -> ConnectionLost:
        return ConnectionLost(
            f"{self._who} did not confirm that the command was stopped ({self._stop_reason}); it may still run there."
        )

    def _total_bytes(self) -> int:
        return self._stdout.kept.total_bytes + self._stderr.kept.total_bytes

    def _elapsed(self) -> float:
        return time.monotonic() - self._started


def open_session(transport: HardenedTransport, who: str) -> paramiko.Channel:
    patience = Deadline(_OPEN_SECONDS)
    try:
        return transport.open_session(timeout=_OPEN_SECONDS)
    except (paramiko.SSHException, EOFError, OSError) as error:
        if not transport.is_active():
            raise NotStarted(f"The connection to {who} was lost before anything was run.") from error
        if patience.has_passed:
            raise NodeBusy(f"{who} opened no session in time; try again later.") from error
        # Of two refusals at once paramiko hands out the reason of one only, so its type does not count here.
        raise SessionRefused(f"{who} takes no further session now (MaxSessions of its sshd); try later.") from error


def close_channel(channel: paramiko.Channel) -> None:
    try:
        channel.close()
    except (EOFError, OSError, paramiko.SSHException):
        return  # the connection is gone, and with it the channel


def _has_ended(channel: paramiko.Channel) -> bool:
    return bool(channel.eof_received or channel.closed)
