"""A TCP proxy between two ends of a test: counts connections, slows them down, holds them, cuts them."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Self

import pytest

_PIECE = 4096


class Proxy:
    """Forwards to 127.0.0.1:`port`. `pace` seconds are waited before each piece of 4 KiB that comes back.

    `hold()` makes it a black hole, with the connections left open, until `release()`; it holds by itself, once, when
    `hold_at` bytes have come back. `cut()` closes all connections.
    """

    def __init__(self, port: int, pace: float = 0.0, address: str = "127.0.0.1", hold_at: int | None = None) -> None:
        self._target = port
        self._left = hold_at
        self._lock = threading.Lock()
        self.pace = pace
        self.connections = 0
        self._open = threading.Event()
        self._open.set()
        self._stopped = threading.Event()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((address, 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        """Also what has not come to stand yet does not any more."""
        with self._lock:
            self._left = None
            self._open.set()

    def cut(self) -> None:
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        self._stopped.set()
        self.release()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in list(self._threads):
            thread.join(90)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                continue
            self.connections += 1
            self._pairs.append((near, far))
            self._start(self._forward, near, far, False)
            self._start(self._forward, far, near, True)

    def _forward(self, source: socket.socket, sink: socket.socket, paced: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_PIECE):
                self._count(len(data) if paced else 0)
                self._open.wait()
                if paced and self.pace:
                    self._stopped.wait(self.pace)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        if paced:
            source.close()
            sink.close()

    def _count(self, size: int) -> None:
        with self._lock:
            if self._left is None:
                return
            self._left -= size
            if self._left <= 0:
                self._left = None
                self.hold()

    def _start(self, work: object, *words: object) -> None:
        thread = threading.Thread(target=work, args=words, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()


@pytest.fixture
def make_proxy() -> Iterator[object]:
    made: list[Proxy] = []

    def make(port: int, pace: float = 0.0, address: str = "127.0.0.1", hold_at: int | None = None) -> Proxy:
        made.append(Proxy(port, pace, address, hold_at))
        return made[-1]

    yield make
    for proxy in made:
        proxy.stop()
