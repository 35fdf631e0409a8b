"""Processes of the demo: started with a log, ended by process id, and looked for afterwards."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

_PR_SET_CHILD_SUBREAPER: Final = 36  # prctl(2): what our children leave behind becomes our child
_END_SECONDS: Final = 15
_KILL_SECONDS: Final = 5
_LOOK_SECONDS: Final = 0.05


class Processes:
    """Their ids are written down, so that the next demo ends what a killed one has left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        _adopt_orphans()

    def start(self, name: str, argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> None:
        """In a session of its own: Ctrl-C on the terminal reaches us alone, and we end things in order."""
        with (self._folder / f"{name}.log").open("wb") as log:
            self._started[name] = subprocess.Popen(  # noqa: S603 - programs of the demo
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True
            )
        pid = self._started[name].pid
        with _pid_file(self._folder).open("a") as file:
            file.write(f"{pid} {_start_time(pid)}\n")

    def find_ended(self) -> str | None:
        """The name of a process that is not there any more."""
        return next((name for name, process in self._started.items() if process.poll() is not None), None)

    def log_of(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace")

    def stop(self) -> list[int]:
        """End them, the last started first, then whatever they left. Answers the ids that are still there."""
        below = {pid for process in self._started.values() for pid in _descendants(process.pid)}
        for process in reversed(self._started.values()):
            _end(process)
        _end_orphans(below | set(_descendants(os.getpid())))
        _pid_file(self._folder).unlink(missing_ok=True)
        return [pid for pid in below if _is_alive(pid)]


def end_leftovers(folder: Path) -> None:
    """What a demo that was killed has left. A start time tells a process from a later one with its id."""
    path = _pid_file(folder)
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        pid, _, started = line.partition(" ")
        if started and _start_time(int(pid)) == started:
            print(f"Ending process {pid}, left by an earlier demo", file=sys.stderr)
            _end_orphans({int(pid), *_descendants(int(pid))})


def _pid_file(folder: Path) -> Path:
    return folder / "pids"


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_orphans(pids: set[int]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            _send(pid, number)
        deadline = time.monotonic() + _KILL_SECONDS
        while any(_is_alive(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)  # not our children: there is nothing to wait for


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _is_alive(pid: int) -> bool:
    """A zombie of ours is reaped here; one of somebody else's counts as gone."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return _stat(pid)[:1] not in ([], ["Z"])


def _descendants(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    children = [int(word) for word in text.split()]
    return [found for child in children for found in [*_descendants(child), child]]


def _start_time(pid: int) -> str:
    """In clock ticks since boot, as /proc tells it (proc(5): field 22); empty when there is no such process."""
    return (_stat(pid)[19:20] or [""])[0]


def _stat(pid: int) -> list[str]:
    """Fields from the third (state) on: the second may hold spaces and parentheses."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
