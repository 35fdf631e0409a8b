"""Receivers of notifications on loopback: good ones that keep what they get, and those that misbehave."""

import json
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.fakes import Behaviour

HANDS_OFF = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


@dataclass(frozen=True)
class Received:
    path: str
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Answers `status` to each POST; `got` is what came."""

    status: int = 200
    chain: Path | None = None  # certificate and key: then it speaks TLS
    got: list[Received] = field(default_factory=list)

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):  # a client that breaks off its handshake
                    super().handle()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(Received(self.path, self.headers, body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *args: Any) -> None:
                """Not on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if self.chain is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.chain)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        scheme = "https" if self.chain else "http"
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}/hook?key=s3cret"


def _read_request(sock: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536)


def hangs(sock: socket.socket, stopping: threading.Event) -> None:
    """Takes all, says nothing."""
    _read_request(sock)
    stopping.wait(60)


def drips(sock: socket.socket, stopping: threading.Event) -> None:
    """A byte of a header now and then, without end: no single read ever waits long."""
    _read_request(sock)
    sock.sendall(HANDS_OFF + b"X-Long: ")
    while not stopping.wait(0.1):
        sock.sendall(b"a")


def drips_body(sock: socket.socket, stopping: threading.Event) -> None:
    _read_request(sock)
    sock.sendall(HANDS_OFF + b"Content-Length: 60000\r\n\r\n")
    while not stopping.wait(0.1):
        sock.sendall(b"a")


def answers_a_gigabyte(sock: socket.socket, stopping: threading.Event) -> None:
    _read_request(sock)
    sock.sendall(HANDS_OFF + b"Content-Length: 1073741824\r\n\r\n")
    block = bytes(1 << 20)
    for _ in range(1024):
        sock.sendall(block)


def answers_headers_without_end(sock: socket.socket, stopping: threading.Event) -> None:
    _read_request(sock)
    sock.sendall(HANDS_OFF)
    while not stopping.is_set():
        sock.sendall(b"X-More: " + b"a" * 4000 + b"\r\n")


def hangs_up(sock: socket.socket, stopping: threading.Event) -> None:
    _read_request(sock)
    sock.close()


def speaks_nonsense(sock: socket.socket, stopping: threading.Event) -> None:
    _read_request(sock)
    sock.sendall(b"220 mail.example.org ESMTP\r\n")


def redirects_to(url: str) -> Behaviour:
    def behave(sock: socket.socket, stopping: threading.Event) -> None:
        _read_request(sock)
        sock.sendall(f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode())

    return behave
