"""The packets of a connection, read and written within limits: part of `hardening`, which says what paramiko lacks."""

import socket
import time
from typing import Final

import paramiko
from paramiko.packet import NeedRekeyException, Packetizer

MAX_PACKET_BYTES: Final = 256 * 1024  # as OpenSSH's PACKET_MAX_SIZE; RFC 4253 §6.1 asks for 35,000
MAX_GREETING_BYTES: Final = 16 * 1024
WRITE_SECONDS: Final = 30.0
_READ_BYTES: Final = 64 * 1024
_IDLE_READ_BYTES: Final = 4 * 1024


class CappedPacketizer(Packetizer):
    """Reads in large pieces, refuses oversized packets and endless greetings, has no timer thread: the caller's
    deadline hangs up from outside. `received_bytes` counts all that came in."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._wire = sock
        self._unread = bytearray()
        self._read_bytes = _IDLE_READ_BYTES
        self.received_bytes = 0
        self.is_writing = False

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        if not 0 <= n <= MAX_PACKET_BYTES:
            raise paramiko.SSHException("a packet has an impossible length")
        while len(self._unread) < n:
            if not self._receive() and check_rekey and not self._unread and self.need_rekey():
                raise NeedRekeyException
        return self._take(n)

    def readline(self, timeout: float) -> str:
        """One line of the greeting, without its end. The time limit is the caller's deadline."""
        while b"\n" not in self._unread:
            if len(self._unread) > MAX_GREETING_BYTES:
                raise paramiko.SSHException("the greeting does not end")
            self._receive()
        return self._take(self._unread.index(b"\n") + 1).decode("utf-8", "replace").rstrip("\r\n")

    def write_all(self, out: bytes) -> None:
        self.is_writing = True
        try:
            self._write(memoryview(out))
        finally:
            self.is_writing = False

    def start_handshake(self, timeout: float) -> None:
        """Nothing: no timer thread."""

    def _write(self, view: memoryview) -> None:
        end = time.monotonic() + WRITE_SECONDS
        while view:
            try:
                view = view[self._wire.send(view) :]
            except TimeoutError as error:
                if self.closed or time.monotonic() > end:
                    raise EOFError from error
            except OSError as error:
                raise EOFError from error

    def _receive(self) -> bool:
        """Python holds the whole buffer while it waits: a small one, until the wire has more than that."""
        try:
            data = self._wire.recv(self._read_bytes)
        except TimeoutError:
            data = None
        if self.closed or data == b"":
            raise EOFError
        self._unread += data or b""
        self.received_bytes += len(data or b"")
        self._read_bytes = _READ_BYTES if len(data or b"") == self._read_bytes else _IDLE_READ_BYTES
        return bool(data)

    def _take(self, n: int) -> bytes:
        taken = bytes(self._unread[:n])
        del self._unread[:n]
        return taken


def _ensure_known_packetizer() -> None:
    """Fail at import, loudly, when paramiko has changed where we lean on its inside."""
    inside = ("read_all", "readline", "write_all", "start_handshake", "need_rekey")
    if missing := [name for name in inside if not hasattr(Packetizer, name)]:
        raise ImportError(f"app.ssh.packets is for paramiko 5; this is {paramiko.__version__}, without {missing}")


_ensure_known_packetizer()
