"""Shell: one persistent `sh` on an open connection, for short reads, one at a time.

A command costs no session, no login shell and no `timeout` on the node, only its own fork. Whatever is odd (a frame
that is missing or late, words between two commands, too much output) ends the shell: another one is cheap.
"""

import secrets
import threading
import time
from collections.abc import Callable
from typing import Final

import paramiko

from app.commands import shell
from app.commands.base import LOGIN_COMMAND, Command
from app.errors import ConnectionLost
from app.ssh.deadline import Deadline
from app.ssh.frames import MAX_NOISE_BYTES, End, Frame, Kept
from app.ssh.hardening import HardenedTransport, end_input, request_exec, ring_on_data
from app.ssh.process import close_channel, open_session
from app.ssh.watch import QUIET, Result, Watch

MAX_TURNS: Final = 1_000
SETTLE_TURNS: Final = 4  # reads of facts on one connection are fewer
MAX_PROGRAMS: Final = 16
MAX_SECONDS: Final = 900.0
OUTPUT_LIMIT_BYTES: Final = 4 * 1024 * 1024
OPEN_SECONDS: Final = 10.0
_SEND_SECONDS: Final = 10.0
_GONE_SECONDS: Final = 5.0
_TICK_SECONDS: Final = 0.2
_READ_BYTES: Final = 64 * 1024


class ShellBroken(ConnectionLost):
    """No proved end from this shell, and it is closed. A read may be tried in another way."""


class Shell:
    """Open with `Shell.open`; `run` from one thread at a time. After ShellBroken or `is_worn`, close it."""

    def __init__(self, transport: HardenedTransport, channel: paramiko.Channel, who: str) -> None:
        self._transport, self._channel, self._who = transport, channel, who
        self._bell = threading.Event()
        self._known: set[str] = set()
        self._turns = 0
        self._opened = time.monotonic()
        self._is_odd = False
        self.has_begun = False
        ring_on_data(channel, self._bell)
        channel.settimeout(_SEND_SECONDS)

    @classmethod
    def open(cls, transport: HardenedTransport, who: str) -> "Shell":
        """Raises NotStarted, SessionRefused, NodeBusy as an exec would. Whether the login is fit for it, the first
        `run` finds out: `has_begun` says so."""
        channel = open_session(transport, who)
        try:
            request_exec(channel, LOGIN_COMMAND)
        except (OSError, EOFError, paramiko.SSHException) as error:
            close_channel(channel)
            raise ShellBroken(f"{who} has closed its shell.") from error
        return cls(transport, channel, who)

    @property
    def is_worn(self) -> bool:
        """Not to be used again."""
        return (
            self._is_odd
            or self._channel.closed
            or self._turns >= MAX_TURNS
            or len(self._known) >= MAX_PROGRAMS
            or time.monotonic() - self._opened > MAX_SECONDS
        )

    def run(self, command: Command, watch: Watch = QUIET) -> Result:
        """The command's proved end, or its proved stop (`timeout`, `output_limit`, `cancelled`). Raises ShellBroken."""
        nonce = secrets.token_hex(16)
        script = shell.turn(command, nonce, self._known)
        self._is_odd = True  # until it has ended as it should
        if command.is_told and not self.has_begun:
            self._prepare(shell.opening)  # what is told begins when it has ended
        noise_bytes = self._prepare(shell.settling) if self._turns == SETTLE_TURNS else 0
        self._turns += 1
        turn = _Turn(nonce, watch, has_end_on_stderr=not command.is_told)
        reason = self._take_turn(turn, script, command.timeout_seconds)
        if reason is not None:
            return self._stopped(turn, reason)
        self._is_odd = self._turns > 1 and noise_bytes + turn.noise_bytes > 0  # a login may greet
        return turn.result()

    def close(self) -> None:
        """What runs in it is killed."""
        close_channel(self._channel)

    def _take_turn(self, turn: "_Turn", script: str, seconds: int) -> str | None:
        """None, or the reason to stop it. The command's time is its own: a login that takes long is no part of it."""
        if self.has_begun:
            self._send(script)
            return self._follow(turn, Deadline(seconds))
        self._send(shell.OPENING + script)
        reason = self._follow(turn, Deadline(OPEN_SECONDS), lambda: turn.has_begun)
        if reason in ("timeout", "output_limit"):
            raise self._unfit()
        self.has_begun = turn.has_begun
        return reason or self._follow(turn, Deadline(seconds))

    def _prepare(self, script: Callable[[str], str]) -> int:
        """Returns how many bytes were said before, by whom ever."""
        nonce = secrets.token_hex(16)
        turn = _Turn(nonce, QUIET)
        self._send(script(nonce))
        if self._follow(turn, Deadline(OPEN_SECONDS)) is not None or turn.end != End(shell.READY, None):
            raise self._unfit()
        self.has_begun = True
        return turn.noise_bytes

    def _unfit(self) -> ShellBroken:
        return ShellBroken(f"The login of {self._who} keeps no shell open.")

    def _send(self, script: str) -> None:
        try:
            self._channel.sendall(script.encode("utf-8", "surrogateescape"))
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise ShellBroken(f"The shell on {self._who} has ended.") from error

    def _follow(self, turn: "_Turn", limit: Deadline, is_enough: Callable[[], bool] | None = None) -> str | None:
        """To the end, or until it is enough: None. Or the reason to stop."""
        while True:
            is_over = self._channel.closed or self._channel.eof_received
            has_read = self._drain(turn)
            if turn.is_over or (is_enough is not None and is_enough()):
                return None
            if is_over and not has_read:
                raise ShellBroken(f"The shell on {self._who} ended without a proved end of its command.")
            if (reason := turn.reason_to_stop() or ("timeout" if limit.has_passed else None)) is not None:
                return reason
            if not has_read:
                self._wait(limit)

    def _drain(self, turn: "_Turn") -> bool:
        has_read = False
        if self._channel.recv_stderr_ready():
            turn.feed("stderr", self._channel.recv_stderr(_READ_BYTES))
            has_read = True
        if self._channel.recv_ready():
            turn.feed("stdout", self._channel.recv(_READ_BYTES))
            has_read = True
        return has_read

    def _wait(self, limit: Deadline) -> None:
        if not (self._channel.recv_ready() or self._channel.recv_stderr_ready() or self._channel.closed):
            self._bell.wait(limit.left(_TICK_SECONDS))
        self._bell.clear()

    def _stopped(self, turn: "_Turn", reason: str) -> Result:
        """End the lease. sshd closes the channel when the shell is dead and nobody holds its output any more."""
        patience = Deadline(_GONE_SECONDS)
        try:
            end_input(self._channel)
        except (OSError, EOFError, paramiko.SSHException):
            self._bell.set()
        while not self._channel.closed and not patience.has_passed:
            if not self._discard():
                self._wait(patience)
        if not self._channel.closed or not self._transport.is_active():
            raise ConnectionLost(f"{self._who} did not confirm that a read was stopped ({reason}).")
        return turn.result(reason)

    def _discard(self) -> bool:
        """Read on, so that the node can close, without keeping it."""
        has_read = False
        for is_ready, receive in (
            (self._channel.recv_ready, self._channel.recv),
            (self._channel.recv_stderr_ready, self._channel.recv_stderr),
        ):
            if is_ready():
                has_read = bool(receive(_READ_BYTES)) or has_read
        return has_read


class _Turn:
    """Both streams of one command: only what stands between its own BEGIN and END counts."""

    def __init__(self, nonce: str, watch: Watch, *, has_end_on_stderr: bool = True) -> None:
        self._watch = watch
        self._frames = {"stdout": Frame(nonce), "stderr": Frame(nonce)}
        self._kept = {"stdout": Kept(), "stderr": Kept()}
        self._has_end_on_stderr = has_end_on_stderr

    @property
    def has_begun(self) -> bool:
        return self._frames["stdout"].has_begun

    @property
    def end(self) -> End | None:
        return self._frames["stdout"].end

    @property
    def is_over(self) -> bool:
        return self.end is not None and (not self._has_end_on_stderr or self._frames["stderr"].end is not None)

    @property
    def noise_bytes(self) -> int:
        return sum(frame.noise_bytes for frame in self._frames.values())

    def feed(self, stream: str, data: bytes) -> None:
        output = self._frames[stream].feed(data)
        if output:
            self._kept[stream].add(output)
            self._watch.on_output("stderr" if stream == "stderr" else "stdout", output)

    def reason_to_stop(self) -> str | None:
        if self.noise_bytes > MAX_NOISE_BYTES or self._total_bytes() > OUTPUT_LIMIT_BYTES:
            return "output_limit"
        return "cancelled" if self._watch.is_cancelled() else None

    def result(self, reason: str | None = None) -> Result:
        """With a reason of ours: what came until then."""
        end = self.end or End("-", None)
        status = end.status if reason is None else None
        return Result(reason or end.reason, status, self._kept["stdout"].value(), self._kept["stderr"].value())

    def _total_bytes(self) -> int:
        return sum(kept.total_bytes for kept in self._kept.values())
