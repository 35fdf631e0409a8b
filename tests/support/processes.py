"""Processes of this machine, found by what they carry; never by name."""

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

PATIENCE_SECONDS = 60


def pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def proc(pid: int, name: str) -> bytes:
    """A file of a process; empty for one that has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def processes_with(key: str) -> list[int]:
    """Those that have the key in their arguments or environment, but for this one."""
    needle = key.encode()
    return [pid for pid in pids() if pid != os.getpid() and needle in proc(pid, "environ") + proc(pid, "cmdline")]


def processes_below(root: Path) -> list[int]:
    """Those that have the folder in their environment, or work in it."""
    needle = str(root)
    return [pid for pid in pids() if needle.encode() in proc(pid, "environ") or _cwd(pid).startswith(needle)]


def survivors(root: Path) -> list[int]:
    """Processes below the folder that go on."""
    return _lasting(lambda: processes_below(root))


def survivors_with(key: str) -> list[int]:
    """Processes with the key that go on."""
    return _lasting(lambda: processes_with(key))


def kill_all(found: Iterable[int]) -> None:
    """As a power cut does: nothing notices the end of another. What has ended by itself meanwhile is as good."""
    found = list(found)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _lasting(find: Callable[[], list[int]]) -> list[int]:
    """What is still there when those have ended that are just ending: a reader whose channel was closed, its sleep."""
    patience = time.monotonic() + PATIENCE_SECONDS
    while (found := find()) and time.monotonic() < patience:
        time.sleep(0.02)
    return found


def _cwd(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""
