"""A clone through Bareboat, from POST to ACTIVE, against the same `git clone` run by hand; pushes and
their webhooks; and the API meanwhile."""

import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from app.cli.demo.rest import Rest
from bench import push
from bench.controller import running_controller
from bench.large import p95
from bench.peers.base import Fleet
from bench.procs import memory_mib
from bench.repositories import Repository, git, make, served

SMALL: Final = Repository("small", 20, 2_000)
BIG: Final = Repository("big", 40_000, 8_000)
BIG_WHEN_QUICK: Final = Repository("big", 2_000, 8_000)
CLIENTS: Final = 4
PATHS: Final = ("/nodes?page_size=50", "/projects", "/jobs", "/nodes/1")
_LOOK_SHARE: Final = 0.02  # of what the clone takes by hand: looking costs the controller CPU
_LOOK_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 600
Numbers = dict[str, Any]


def measure(
    folder: Path, fleet: Fleet, rounds: int, seconds: float, big: Repository, say: Callable[[str], None]
) -> Numbers:
    """Clones of a small and a big repository in turn with local ones; then the API while nodes are watched."""
    (folder / "git").mkdir(parents=True)
    for repository in (SMALL, big):
        say(f"making the {repository.name} repository")
        make(folder / "git", repository)
    with served(folder / "git") as base, running_controller(folder / "instance", fleet) as (rest, pid):
        rest.post("/nodes/1/probe")
        clones = [
            _clones(rest, fleet, base, each, rounds * 3 if each is SMALL else rounds, say) for each in (SMALL, big)
        ]
        say("pushes, and their webhooks")
        pushes = push.measure(folder, rest, base, Path(fleet.root), 3 * rounds)
        say("the API under load")
        return {
            "clones": clones,
            "pushes": pushes,
            "api": _under_load(rest, base, fleet, seconds),
            "controller_mib": memory_mib(pid),
            "watched_nodes": len(fleet.nodes),
        }


def _clones(
    rest: Rest, fleet: Fleet, base: str, repository: Repository, rounds: int, say: Callable[[str], None]
) -> Numbers:
    url, local, ours = f"{base}{repository.name}.git", [], []
    for turn in range(rounds):
        say(f"clone {turn + 1} of {rounds}: {repository.name}")
        local.append(_by_hand(url, Path(fleet.root).parent / "by-hand"))
        look = max(_LOOK_SECONDS, local[-1] * _LOOK_SHARE)
        ours.append(_by_bareboat(rest, url, f"{repository.name}-{turn}", Path(fleet.root), look))
    hand, bareboat = statistics.median(local), statistics.median(ours)
    sizes = {"repository": repository.name, "mib": repository.files * repository.file_bytes / 2**20}
    return sizes | {"rounds": rounds, "by_hand_seconds": hand, "bareboat_seconds": bareboat, "ratio": bareboat / hand}


def _by_hand(url: str, path: Path) -> float:
    started = time.perf_counter()
    git("clone", "--quiet", url, str(path))
    taken = time.perf_counter() - started
    shutil.rmtree(path)
    subprocess.run(["sync"], check=True)  # what one clone has left to write is not the next one's affair
    return taken


def _by_bareboat(rest: Rest, url: str, name: str, root: Path, look: float = _LOOK_SECONDS) -> float:
    started = time.perf_counter()
    job = rest.post("/projects/clone", {"name": name, "git_url": url, "node_id": 1})
    _await_active(rest, job["project_id"], look)
    taken = time.perf_counter() - started
    shutil.rmtree(root / name)
    subprocess.run(["sync"], check=True)
    return taken


def _await_active(rest: Rest, project_id: int, look: float) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        project = rest.get(f"/projects/{project_id}")
        if project["status"] == "ACTIVE":
            return
        if project["status"] == "ERROR":
            raise RuntimeError(f"the clone failed: {project['error']}")
        time.sleep(look)
    raise RuntimeError("the clone does not end")


def _under_load(rest: Rest, base: str, fleet: Fleet, seconds: float) -> Numbers:
    """Some clients ask without pause, while all nodes are watched and small clones run one after the other."""
    is_over = threading.Event()
    with ThreadPoolExecutor(CLIENTS + 1) as threads:
        cloning = threads.submit(_clone_on, rest, f"{base}small.git", Path(fleet.root), is_over)
        asking = [threads.submit(_ask_on, rest, is_over) for _ in range(CLIENTS)]
        is_over.wait(seconds)
        is_over.set()
        times = [taken for each in asking for taken in each.result()]
    return {
        "clients": CLIENTS,
        "per_second": len(times) / seconds,
        "p50_ms": statistics.median(times) * 1000,
        "p95_ms": p95(times) * 1000,
        "clones_meanwhile": cloning.result(),
    }


def _ask_on(rest: Rest, is_over: threading.Event) -> list[float]:
    times = []
    while not is_over.is_set():
        started = time.perf_counter()
        rest.get(PATHS[len(times) % len(PATHS)])
        times.append(time.perf_counter() - started)
    return times


def _clone_on(rest: Rest, url: str, root: Path, is_over: threading.Event) -> int:
    count = 0
    while not is_over.is_set():
        _by_bareboat(rest, url, f"meanwhile-{count}", root)
        count += 1
    return count
