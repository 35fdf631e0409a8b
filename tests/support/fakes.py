"""Servers that misbehave, for tests: each connection is given to a function in a thread of its own."""

import socket
import threading
from collections.abc import Callable
from typing import Self

import paramiko

Behaviour = Callable[[socket.socket, threading.Event], None]


class FakeServer:
    """Listens on loopback; `behave(sock, stopping)` must return soon after `stopping` is set or the socket closed."""

    def __init__(self, behave: Behaviour, address: str = "127.0.0.1") -> None:
        self._behave = behave
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.bind((address, 0))
        self._listener.listen()
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for sock in [self._listener, *self._sockets]:
            _hang_up(sock)
        for thread in self._threads:
            thread.join(10)
        for sock in [self._listener, *self._sockets]:
            sock.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(sock)
            self._spawn(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        try:
            self._behave(sock, self._stopping)
        except (OSError, EOFError):
            return  # the client hung up, as it should

    def _spawn(self, function: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


def silence(sock: socket.socket, stopping: threading.Event) -> None:
    stopping.wait(30)


def byte_by_byte(sock: socket.socket, stopping: threading.Event) -> None:
    while not stopping.wait(0.1):
        sock.sendall(b"S")


def endless_line(sock: socket.socket, stopping: threading.Event) -> None:
    while not stopping.is_set():
        sock.sendall(b"A" * 65536)


def endless_lines(sock: socket.socket, stopping: threading.Event) -> None:
    while not stopping.is_set():
        sock.sendall(b"not yet SSH\r\n" * 1000)


def huge_packet(sock: socket.socket, stopping: threading.Event) -> None:
    """A packet that announces 2 GiB, and as much of it as is taken."""
    sock.sendall(b"SSH-2.0-huge\r\n" + (0x7FFFFFFC).to_bytes(4, "big"))
    while not stopping.is_set():
        sock.sendall(b"\0" * 65536)


def stuck_after_greeting(sock: socket.socket, stopping: threading.Event) -> None:
    sock.sendall(b"SSH-2.0-stuck\r\n")
    stopping.wait(30)


def hang_up_at_once(sock: socket.socket, stopping: threading.Event) -> None:
    _hang_up(sock)


def web_server(sock: socket.socket, stopping: threading.Event) -> None:
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    _hang_up(sock)


class LooseServer(paramiko.ServerInterface):
    """Lets everybody in and answers every exec with success, without running anything."""

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        return True


def floods_the_window(host_key: paramiko.PKey) -> Behaviour:
    """An SSH server that sends without regard for the window of the channel, from the first byte on that it is sent."""

    def behave(sock: socket.socket, stopping: threading.Event) -> None:
        transport = paramiko.Transport(sock)
        transport.add_server_key(host_key)
        transport.start_server(event=threading.Event(), server=LooseServer())
        channel = transport.accept(90)
        try:
            if channel is not None and channel.recv(1):
                _flood(transport, channel, stopping)
        finally:
            transport.close()
            transport.join(10)

    return behave


def _flood(transport: paramiko.Transport, channel: paramiko.Channel, stopping: threading.Event) -> None:
    while transport.is_active() and not stopping.is_set():
        channel.out_window_size = 1 << 30
        channel.send(b"\0" * 32000)


def _hang_up(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
