"""Paramiko made safe against a hostile or sick node; this file, `negotiation` and `packets` alone know what paramiko
keeps private.

Found with paramiko 5.1.0: it obeys a packet header that announces 2 GiB, reads a greeting without end, lets the server
ignore the channel's window, leaves a timer thread behind each failed handshake, waits for some answers for ever, and
wakes ten times a second for every open connection.
"""

import contextlib
import logging
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import paramiko
from paramiko.common import MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA

from app.ssh.negotiation import NegotiatingTransport
from app.ssh.packets import WRITE_SECONDS, CappedPacketizer

JOIN_SECONDS: Final = 5.0
_WIRE_LOG: Final = "app.ssh.wire"
_KEEPALIVE: Final = paramiko.Message()
_KEEPALIVE.add_byte(paramiko.common.cMSG_GLOBAL_REQUEST)
_KEEPALIVE.add_string("keepalive@openssh.com")
_KEEPALIVE.add_boolean(True)

# Paramiko logs what the other side sent, with traces; our errors say what matters, without remote text.
logging.getLogger(_WIRE_LOG).setLevel(logging.CRITICAL + 1)


class HardenedTransport(NegotiatingTransport):
    """What it negotiates, and with whom it goes on, `NegotiatingTransport` says; here are the limits of the rest."""

    _active_check_timeout = 5.0

    def __init__(
        self, sock: Any, key_algorithms: tuple[str, ...], accept: Callable[[bytes], None], auth_seconds: float
    ) -> None:
        super().__init__(sock, key_algorithms, accept, packetizer_class=CappedPacketizer)
        self.set_log_channel(_WIRE_LOG)
        self.auth_timeout = auth_seconds
        self._login: Callable[[], object] | None = None
        self._decided = threading.Event()
        self._questions: deque[Callable[[bool], None]] = deque()
        self._channel_handler_table = {
            **paramiko.Transport._channel_handler_table,
            MSG_CHANNEL_DATA: _within_window(paramiko.Channel._feed),
            MSG_CHANNEL_EXTENDED_DATA: _within_window(paramiko.Channel._feed_extended),
        }

    @property
    def received_bytes(self) -> int:
        return int(self.packetizer.received_bytes)

    @property
    def opened_channels(self) -> int:
        return int(self._channel_counter)

    def close(self) -> None:
        """Hang up, wait for the thread, then close: a descriptor is never closed under a reader (its number could
        already be another connection's)."""
        _hang_up(self.sock)
        if self.ident is not None and self is not threading.current_thread():
            self.join(JOIN_SECONDS)
        super().close()
        self.sock.close()

    def start_login(self, user: str, key: paramiko.PKey) -> threading.Event:
        """Exchange keys and log in, one after the other in the reading thread: who waits is woken once, when it is
        decided, either way. `initial_kex_done` says how far it came."""
        self._login = partial(self.auth_publickey, user, key, event=self._decided)
        self.start_client(event=threading.Event())
        return self._decided

    def run(self) -> None:
        """The reading thread. Whoever waits for an answer is told when it ends."""
        try:
            super().run()
        finally:
            self._decided.set()
            while self._answer(False):
                pass

    def _parse_newkeys(self, m: paramiko.Message) -> None:
        super()._parse_newkeys(m)
        login, self._login = self._login, None
        if login is not None:
            login()

    @property
    def can_send(self) -> bool:
        """Whether a few bytes go out at once: no keys are being exchanged, and nobody is stuck in sending."""
        return bool(self.active and self.clear_to_send.is_set() and not self.packetizer.is_writing)

    def request_keepalive(self, answered: Callable[[bool], None]) -> None:
        """Ask, and return. `answered` is called once, in the reading thread: True for any answer (a refusal is life
        too), False when the connection ends. Answers come in the order of the questions (RFC 4254 §4)."""
        self._questions.append(answered)
        try:
            self._send_user_message(_KEEPALIVE)
        finally:
            if not self.is_alive():
                self._answer(False)  # it may have ended before it could see the question

    def keepalive(self, seconds: float) -> bool:
        """One round trip."""
        answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.request_keepalive(answers.put)
        try:
            return answers.get(timeout=seconds)
        except queue.Empty:
            return False

    def _answer(self, is_answered: bool) -> bool:
        """Tell whoever has waited longest. False: nobody waits."""
        try:
            answered = self._questions.popleft()
        except IndexError:
            return False
        answered(is_answered)
        return True

    def _parse_request_success(self, m: paramiko.Message) -> None:
        super()._parse_request_success(m)
        self._answer(True)

    def _parse_request_failure(self, m: paramiko.Message) -> None:
        super()._parse_request_failure(m)
        self._answer(True)

    def _next_channel(self) -> int:
        """Never a number that was used before: paramiko takes the lowest that is free, and what the node still says
        to the closed channel of that number would go to the new one."""
        self._channel_counter += 1
        return int(self._channel_counter)

    def _parse_debug(self, m: paramiko.Message) -> None:
        """Words of the node's for a log; paramiko would spell them out byte by byte."""

    def _log(self, *_: object) -> None:
        """Nothing: paramiko logs what the other side sent."""


class PinnedClient(paramiko.SSHClient):
    """What Fabric holds: a client that connects to nothing by itself and only carries a verified transport."""

    def __init__(self) -> None:
        super().__init__()
        self.set_missing_host_key_policy(paramiko.RejectPolicy())

    def carry(self, transport: HardenedTransport) -> None:
        self._transport = transport

    def connect(self, *_: object, **__: object) -> None:
        raise NotImplementedError("Login.open is the only door to a node")


def request_exec(channel: paramiko.Channel, command: str) -> None:
    """Ask for a command without waiting for the answer (paramiko waits for ever): a refusal closes the channel."""
    message = paramiko.Message()
    message.add_byte(paramiko.common.cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("exec")
    message.add_boolean(True)
    message.add_string(command)
    channel.transport._send_user_message(message)


def end_input(channel: paramiko.Channel) -> None:
    """Close the writing side, never after the channel's own close.

    `shutdown_write` sends outside the channel's lock, so that the end of input may follow the answer to a close that
    has just come in; sshd then drops the whole connection ("ieof packet referred to nonexistent channel"). Here the
    lock is held, but not while keys are being exchanged, when the reading thread may want it.
    """
    transport = channel.transport
    end = time.monotonic() + WRITE_SECONDS
    while transport.is_active() and time.monotonic() < end:
        with channel.lock, transport.clear_to_send_lock:
            if channel.closed or channel.eof_sent:
                return
            if transport.clear_to_send.is_set():
                transport._send_message(channel._send_eof())
                return
        transport.clear_to_send.wait(0.1)


def ring_on_data(channel: paramiko.Channel, bell: threading.Event) -> None:
    """Set `bell` whenever either stream of the channel has something to read, or has ended."""
    for buffer in (channel.in_buffer, channel.in_stderr_buffer):
        buffer.set_event(_Bell(bell))


class _Bell:
    """Paramiko clears the event of a stream that is empty; the other stream may not be."""

    def __init__(self, event: threading.Event) -> None:
        self.set = event.set

    def clear(self) -> None:
        """Left to the reader."""


def _within_window(feed: Callable[[paramiko.Channel, Any], None]) -> Callable[[paramiko.Channel, Any], None]:
    """`feed`, and then the end of the connection when more is waiting than the node was allowed to send."""

    def checked(channel: paramiko.Channel, message: Any) -> None:
        feed(channel, message)
        waiting = len(channel.in_buffer) + len(channel.in_stderr_buffer) + channel.in_window_sofar
        if waiting > channel.in_window_size:
            raise paramiko.SSHException("the node sends more than the window allows")

    return checked


def _hang_up(sock: Any) -> None:
    """End both directions, so that a reader in another thread wakes up. `sock` may be a channel of a jump host."""
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        if isinstance(sock, socket.socket):
            sock.shutdown(socket.SHUT_RDWR)
        else:
            sock.close()


_INSIDE: Final[dict[object, tuple[str, ...]]] = {
    paramiko.Transport: (
        "_active_check_timeout",
        "_channel_handler_table",
        "_log",
        "_next_channel",
        "_parse_debug",
        "_parse_request_failure",
        "_parse_request_success",
        "_send_message",
        "_send_user_message",
    ),
    paramiko.Channel: ("_feed", "_feed_extended", "_send_eof"),
}


def _ensure_known_paramiko() -> None:
    """Fail at import, loudly, when paramiko has changed where we lean on its inside."""
    missing = [name for owner, names in _INSIDE.items() for name in names if not hasattr(owner, name)]
    if missing or paramiko.__version__.split(".")[0] != "5":
        raise ImportError(f"app.ssh.hardening is for paramiko 5; this is {paramiko.__version__}, without {missing}")


_ensure_known_paramiko()
