"""What processes have used: CPU seconds and memory of a whole tree, read from /proc; or of a control group."""

import contextlib
import ctypes
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PR_SET_CHILD_SUBREAPER: Final = 36  # prctl(2): what our children leave behind becomes our child, and is counted


def adopt_orphans() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@contextmanager
def control_group() -> Iterator[str]:
    """An empty control group (version 2); empty text where we may make none. It knows the CPU of all that was ever in
    it to the microsecond, whoever has waited for it or not."""
    folder = _hierarchy() / f"bareboat-bench-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        yield ""
        return
    try:
        yield str(folder)
    finally:
        _remove(folder)


def join_group(folder: str, pid: int) -> None:
    """With all that it will start. Nothing where there is no group."""
    if folder:
        (Path(folder) / "cgroup.procs").write_text(str(pid))


def group_seconds(folder: str) -> float:
    words = (Path(folder) / "cpu.stat").read_text().split()
    return int(words[words.index("usage_usec") + 1]) / 1e6


def _hierarchy() -> Path:
    """Where version 2 is mounted, alone or beside version 1."""
    root = Path("/sys/fs/cgroup")
    return root / "unified" if (root / "unified/cgroup.procs").exists() else root


def _remove(folder: Path) -> None:
    """Those that were in it are ending; it can go when they have gone."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            folder.rmdir()
            return
        time.sleep(0.05)


def tree(pid: int) -> list[int]:
    """This process and all below it."""
    found = [pid]
    for each in found:
        found += _children(each)
    return found


def cpu_seconds(roots: Iterable[int]) -> float:
    """Of these processes, all below them, and those below that have ended and were waited for."""
    return sum(_cpu_of(pid) for root in roots for pid in tree(root))


def memory_mib(root: int) -> float:
    """Proportional set size: what is shared with others is counted in part."""
    return sum(_pss_kib(pid) for pid in tree(root)) / 1024


def _children(pid: int) -> list[int]:
    """A process may end while it is looked at; then it has none."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(word) for task in tasks for word in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _cpu_of(pid: int) -> float:
    """Its own, and that of its children that have ended. Ticks are rounded down for each process, so that a small one
    that lives seems to have used nothing: threads that are alive are counted in nanoseconds."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        threads = sum(_thread_seconds(path) for path in Path(f"/proc/{pid}/task").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    user, system, of_children, in_system_for_children = (int(field) / _TICKS for field in fields[11:15])  # proc(5)
    return max(user + system, threads) + of_children + in_system_for_children


def _thread_seconds(thread: Path) -> float:
    try:
        return int((thread / "schedstat").read_text().split()[0]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
