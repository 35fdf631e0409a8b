"""What a node writes to its disks, also when it is gone a moment later: told by the kernel (fanotify, Linux, root).

A mount belongs to one namespace, so marks on the mounts of a node that has one of its own tell of nothing else.
"""

import ctypes
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.sshd import SshdServer

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_CLOEXEC_NONBLOCK_UNLIMITED: Final = 0x1 | 0x2 | 0x10
_ADD_MOUNT: Final = 0x1 | 0x10
_MODIFY_OR_CLOSE_WRITE: Final = 0x2 | 0x8
_OVERFLOW: Final = 0x4000
_EVENT: Final = struct.Struct("=IBBHQii")
_NO_DISKS: Final = frozenset({"proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "securityfs", "debugfs"})
_PIECE_BYTES: Final = 4 * 1024 * 1024


class Writes:
    """What was in each file after each of its changes, as soon as that can be read; later as part of what follows."""

    def __init__(self, pid: int) -> None:
        self._contents: dict[str, list[bytes]] = {}
        self._lock, self._over = threading.Lock(), threading.Event()
        self._descriptor = _checked(_LIBC.fanotify_init(_CLOEXEC_NONBLOCK_UNLIMITED, os.O_RDONLY | os.O_CLOEXEC))
        for folder in _disks(pid):
            path = f"/proc/{pid}/root{folder}".encode()
            mask = ctypes.c_uint64(_MODIFY_OR_CLOSE_WRITE)
            _checked(_LIBC.fanotify_mark(self._descriptor, _ADD_MOUNT, mask, -1, path))
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def holding(self, needle: bytes) -> list[str]:
        """The files in which it ever was."""
        return sorted(path for path, text in self.places().items() if needle in text)

    def places(self) -> dict[str, bytes]:
        """By path, all that ever was in it."""
        self._drain()
        return {path: b"\n".join(pieces) for path, pieces in self._contents.items()}

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        os.close(self._descriptor)

    def _follow(self) -> None:
        while not self._over.wait(0.01):
            self._drain()

    def _drain(self) -> None:
        with self._lock:
            while events := _read(self._descriptor):
                while events:
                    length, _, _, _, mask, descriptor, _ = _EVENT.unpack_from(events)
                    assert not mask & _OVERFLOW
                    self._keep(descriptor)
                    events = events[length:]

    def _keep(self, descriptor: int) -> None:
        try:
            path = os.readlink(f"/proc/self/fd/{descriptor}").removesuffix(" (deleted)")
            pieces = self._contents.setdefault(path, [])
            piece = os.pread(descriptor, _PIECE_BYTES, 0)
        finally:
            os.close(descriptor)
        if pieces and piece.startswith(pieces[-1]):
            pieces.pop()
        pieces.append(piece)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return b""


def _disks(pid: int) -> list[str]:
    """Where file systems that hold files are mounted."""
    found = []
    for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        here, _, there = line.partition(" - ")
        if there.split()[0] not in _NO_DISKS:
            found.append(here.split()[4].encode().decode("unicode_escape"))
    return found


@pytest.fixture
def writes(trusting_sshd: SshdServer) -> Iterator[Writes]:
    """Of the node with a mount namespace of its own; its log of sshd is among them."""
    made = Writes(trusting_sshd.pid)
    yield made
    made.stop()
