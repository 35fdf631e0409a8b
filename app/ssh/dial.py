"""Opening a TCP connection of our own: every step has a limit, a dead peer is noticed, nothing is delayed."""

import queue
import socket
import threading
from typing import Any, Final

from app.errors import ConnectionRefused, ConnectTimeout, NameNotResolved, NodeError, NodeUnreachable
from app.ssh.deadline import Deadline
from app.ssh.target import Limits

_QUICK_READS: Final = 24  # a login and a first command
_OPTIONS: Final = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),  # milliseconds: also notices unanswered data (RFC 5482)
)

Address = tuple[socket.AddressFamily, Any]


class QuickSocket(socket.socket):
    """Acknowledges its first reads at once: sshd's own Nagle would else wait 40 ms in login and in the first exec.

    The kernel forgets TCP_QUICKACK after a few segments, so it is set again after each of those reads.
    """

    _quick = _QUICK_READS

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        data = super().recv(size, flags)
        if self._quick > 0 and data:
            self._quick -= 1
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data


def dial(hostname: str, port: int, who: str, limits: Limits, deadline: Deadline) -> socket.socket:
    """A connected socket to the first address that answers. Raises NameNotResolved, ConnectionRefused,
    NodeUnreachable or ConnectTimeout (what the last address said)."""
    failure: NodeError | None = None
    for address in resolve(hostname, port, who, deadline.left(limits.resolve)):
        try:
            return _connect(address, deadline.left(limits.connect))
        except OSError as error:
            failure = _translated(error, who)
            failure.__cause__ = error
    raise failure or NameNotResolved(f"The host name of {who} has no address; check the name, and DNS here.")


def resolve(hostname: str, port: int, who: str, seconds: float) -> list[Address]:
    """Addresses of a name. The resolver knows no time limit, so it gets a thread that is left behind when late."""
    answers: queue.SimpleQueue[list[Address] | Exception] = queue.SimpleQueue()
    try:
        return _look_up(hostname, port, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):  # UnicodeError: a label that is too long or empty
        threading.Thread(target=_answer, args=(answers, hostname, port), name="resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=max(seconds, 0.001))
    except queue.Empty:
        raise NameNotResolved(f"No DNS answer for {who} within {seconds:g} s; check the name servers here.") from None
    if isinstance(answer, Exception):
        raise NameNotResolved(f"The host name of {who} does not resolve; check the name, and DNS here.") from answer
    return answer


def _answer(answers: "queue.SimpleQueue[list[Address] | Exception]", hostname: str, port: int) -> None:
    try:
        answers.put(_look_up(hostname, port, 0))
    except (OSError, UnicodeError) as error:
        answers.put(error)


def _look_up(hostname: str, port: int, flags: int) -> list[Address]:
    infos = socket.getaddrinfo(hostname, port, type=socket.SOCK_STREAM, flags=flags)
    return [(info[0], info[4]) for info in infos]


def _connect(address: Address, seconds: float) -> socket.socket:
    family, place = address
    sock = QuickSocket(family, socket.SOCK_STREAM)
    try:
        for level, option, value in _OPTIONS:
            sock.setsockopt(level, option, value)
        sock.settimeout(max(seconds, 0.001))
        sock.connect(place)
    except OSError:
        sock.close()
        raise
    return sock


def _translated(error: OSError, who: str) -> NodeError:
    if isinstance(error, ConnectionRefusedError):
        return ConnectionRefused(f"{who} refuses connections: is sshd running there, on that port?")
    if isinstance(error, TimeoutError):
        return ConnectTimeout(f"{who} did not answer in time: is it switched on, or does a firewall drop us?")
    return NodeUnreachable(f"There is no way to {who} ({error.strerror}); check the address and the network.")
