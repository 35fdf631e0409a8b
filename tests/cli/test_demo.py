"""`make demo` as a new user types it, in a clean clone of this checkout; the virtual environment is borrowed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import CHECKOUT

LIMIT_SECONDS = 300


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The checkout may belong to somebody else (CI), which git wants to be told about."""
    config = tmp_path / "gitconfig"
    config.write_text("[safe]\n\tdirectory = *\n")
    environment = os.environ | {"GIT_CONFIG_GLOBAL": str(config)}
    target = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", CHECKOUT, target], check=True, env=environment, timeout=60)
    return target


@pytest.fixture
def environment() -> dict[str, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BAREBOAT_", "MAKE", "MFLAGS"))}
    return kept | {"BAREBOAT_VENV": sys.prefix, "BAREBOAT_DEMO_PORT": str(port)}


@pytest.fixture
def nothing_left(clone: Path) -> Iterator[None]:
    """No process is left that has the clone in its command line."""
    yield
    assert list(processes_of(clone)) == []


@pytest.mark.slow
@pytest.mark.ssh
@pytest.mark.usefixtures("nothing_left")
def test_the_demo_brings_a_project_to_its_node(clone: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["make", "demo", "DEMO_ARGS=--once"],
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bareboat is ACTIVE on demo-node" in done.stdout
    assert f"http://127.0.0.1:{environment['BAREBOAT_DEMO_PORT']}" in done.stdout
    tree = clone / "instance" / "demo" / "node" / "projects" / "bareboat"
    assert (tree / "Makefile").read_bytes() == (clone / "Makefile").read_bytes()
    assert subprocess.run(["git", "-C", tree, "status", "--porcelain"], check=True, capture_output=True).stdout == b""
    assert subprocess.run(["git", "status", "--porcelain"], cwd=clone, check=True, capture_output=True).stdout == b""


@pytest.mark.slow
@pytest.mark.ssh
@pytest.mark.usefixtures("nothing_left")
def test_ctrl_c_ends_all_that_the_demo_started(clone: Path, environment: dict[str, str]) -> None:
    with subprocess.Popen(
        ["make", "demo"],
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        assert demo.stderr is not None
        assert any("Ctrl-C stops" in line for line in demo.stderr)
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does it
        rest = demo.stderr.read()
    assert "nothing that was started is left running" in rest


def test_what_a_killed_demo_has_left_is_ended_by_the_next(tmp_path: Path) -> None:
    """In processes of their own: a demo takes in, and ends, whatever is below its process."""
    script = 'processes.start("tree", ["sh", "-c", "sleep 1001 & sleep 1002 & wait"]); print(started()); os._exit(9)'
    left = [int(word) for word in _run(script, tmp_path).split()]
    assert len(left) == 3
    assert all(Path(f"/proc/{pid}").exists() for pid in left)
    _run("end_leftovers(folder)", tmp_path)
    assert [pid for pid in left if _is_running(pid)] == []


def test_a_later_process_with_the_same_id_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pids").write_text(f"{os.getpid()} 1\n")
    _run("end_leftovers(folder)", tmp_path)  # or this test would not go on


def test_stop_ends_what_was_started_and_what_that_has_started(tmp_path: Path) -> None:
    script = 'processes.start("tree", ["sh", "-c", "setsid sleep 1003 & sleep 1004 & wait"]); print(started()); '
    *pids, still_there = _run(script + "print(len(processes.stop()))", tmp_path).split()
    assert (len(pids), still_there) == (3, "0")
    assert [pid for pid in pids if _is_running(int(pid))] == []


_SCRIPT = """
import os, sys, time
from pathlib import Path
from app.cli.demo.processes import Processes, _descendants, end_leftovers
folder = Path(sys.argv[1])

def started():
    while len(found := _descendants(os.getpid())) < 3:
        time.sleep(0.01)
    return " ".join(map(str, found))

processes = Processes(folder)
"""


def _run(script: str, folder: Path) -> str:
    script = f"{_SCRIPT}{script}".replace("print(started())", "print(started(), flush=True)")
    done = subprocess.run(
        [sys.executable, "-c", script, folder], cwd=CHECKOUT, capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def processes_of(folder: Path) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in entry.read_bytes():
                yield int(entry.parent.name)
        except (FileNotFoundError, ProcessLookupError):
            continue
