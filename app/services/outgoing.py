"""Asks of an address that somebody has typed: once, to an address that was checked, and within its time.

The name is looked up once; if any address of it is denied, nothing is said; the connection goes to a looked-up address,
and TLS and Host keep the name. No redirect is followed, no proxy of the environment used (http.client knows neither).
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self

from app.commands.giturl import is_address_denied
from app.errors import DeliveryFailed, NameNotResolved
from app.services.weburl import WebUrl
from app.ssh.dial import Address, resolve

CONNECT_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 10.0
ANSWER_LIMIT: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Ask:
    method: Literal["GET", "POST"]
    url: WebUrl
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


class CutOff:
    """Ends the socket that it holds when the time is over, whatever is being waited for: a timeout on a socket is one
    for each read, and a byte now and then outlives it."""

    def __init__(self, seconds: float) -> None:
        self.ends = time.monotonic() + seconds
        self.is_over = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._socket = None

    @property
    def left(self) -> float:
        return max(0.001, self.ends - time.monotonic())

    def hold(self, sock: socket.socket) -> None:
        """From now on this one. Raises TimeoutError when it is too late already."""
        with self._lock:
            self._socket = sock
            if self.is_over:
                raise TimeoutError

    def _cut(self) -> None:
        with self._lock:
            self.is_over = True
            if self._socket is not None and self._socket.fileno() >= 0:
                try:
                    socket.socket.shutdown(
                        self._socket, socket.SHUT_RDWR
                    )  # of TLS too: its own would say goodbye first
                except OSError:
                    return  # it has ended by itself


def post(
    url: WebUrl,
    body: bytes,
    headers: Mapping[str, str],
    denied: Sequence[str],
    *,
    context: ssl.SSLContext | None = None,
    seconds: float = TOTAL_SECONDS,
) -> int:
    """The status of a good answer (2xx, 64 KiB at most). Raises DeliveryFailed."""
    answer = ask(Ask("POST", url, headers, body), denied, context=context, seconds=seconds)
    if not 200 <= answer.status < 300:
        raise DeliveryFailed(f"The receiver answered {answer.status}.", status=answer.status)
    return answer.status


def ask(
    what: Ask, denied: Sequence[str], *, context: ssl.SSLContext | None = None, seconds: float = TOTAL_SECONDS
) -> Answer:
    """What came, of 64 KiB at most, with any status but a redirect's. Raises DeliveryFailed."""
    with CutOff(seconds) as limit:
        try:
            return _ask_pinned(what, denied, context or ssl.create_default_context(), limit)
        except (OSError, http.client.HTTPException, NameNotResolved) as error:
            raise DeliveryFailed(_why(error, limit, what.url, seconds)) from error


def _ask_pinned(what: Ask, denied: Sequence[str], context: ssl.SSLContext, limit: CutOff) -> Answer:
    url = what.url
    sock = _connected(url, denied, limit)
    try:
        if url.scheme == "https":
            sock = context.wrap_socket(sock, server_hostname=url.host, do_handshake_on_connect=False)
            limit.hold(sock)
            sock.do_handshake()
        return _ask(what, sock, context, limit)
    finally:
        sock.close()


def _connected(url: WebUrl, denied: Sequence[str], limit: CutOff) -> socket.socket:
    ends = min(limit.ends, time.monotonic() + CONNECT_SECONDS)
    addresses = resolve(url.host, url.port, url.host, CONNECT_SECONDS)
    for _, place in addresses:
        if is_address_denied(str(place[0]), denied):
            raise DeliveryFailed(f"{url.host} leads to {place[0]}, in a network that is denied here (DENIED_NETWORKS).")
    failure: OSError = TimeoutError()
    for address in addresses:
        try:
            return _connect(address, ends, limit)
        except OSError as error:
            failure = error
    raise failure


def _connect(address: Address, ends: float, limit: CutOff) -> socket.socket:
    family, place = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        limit.hold(sock)
        sock.settimeout(max(0.001, ends - time.monotonic()))
        sock.connect(place)
        sock.settimeout(limit.left)
    except OSError:
        sock.close()
        raise
    return sock


def _ask(what: Ask, sock: socket.socket, context: ssl.SSLContext, limit: CutOff) -> Answer:
    url = what.url
    if url.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(url.host, url.port, context=context)
    else:
        connection = http.client.HTTPConnection(url.host, url.port)
    connection.sock = sock
    try:
        connection.request(what.method, url.target, what.body, dict(what.headers) | {"Connection": "close"})
        answer = connection.getresponse()
        said = answer.read(ANSWER_LIMIT + 1)
    finally:
        connection.close()
    if limit.is_over:
        raise TimeoutError
    _ensure_taken(answer.status, len(said))
    return Answer(answer.status, said)


def _ensure_taken(status: int, size: int) -> None:
    if size > ANSWER_LIMIT:
        raise DeliveryFailed("The receiver answered more than 64 KiB; the rest was not read.", status=status)
    if 300 <= status < 400:
        raise DeliveryFailed(f"The receiver answered {status}: redirects are not followed.", status=status)


def _why(error: Exception, limit: CutOff, url: WebUrl, seconds: float) -> str:
    """For the log of deliveries: by the error's type, never with words of the receiver."""
    if limit.is_over or isinstance(error, TimeoutError):
        return f"{url.host} did not answer in time ({seconds:g} s in all, {CONNECT_SECONDS:g} s to connect)."
    if isinstance(error, NameNotResolved):
        return error.message
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate of {url.host} is not trusted: {error.verify_message}."
    if isinstance(error, ConnectionRefusedError):
        return f"{url.host} refuses connections on port {url.port}."
    return f"The connection to {url.host} failed ({type(error).__name__})."
