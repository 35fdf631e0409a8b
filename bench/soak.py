"""`python -m bench.soak --minutes 15`: does anything grow? Bareboat under a light load that never stops, sampled.

Gunicorn with scheduler and runner, as it is installed, over nodes with sshds of their own, and two that are dead.
All the time there are commands, pulls, probes and looks; now and then a node cuts all its connections; connections
are made anew after a minute, not a quarter of an hour. Memory, threads and open files are written to
bench/results/soak.csv. It ends with status 1 when one of them is higher in the last quarter than in the second: the
first one warms up.
"""

import argparse
import csv
import itertools
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from app.cli.demo.rest import Rest
from bench.clone import SMALL
from bench.controller import running_controller
from bench.fleet import running_fleet
from bench.peers.base import Fleet, Node
from bench.procs import memory_mib, tree
from bench.repositories import make, served
from tests.support.ports import free_port

RESULT: Final = Path(__file__).parent / "results" / "soak.csv"
SETTINGS: Final[dict[str, Any]] = {
    "PROBE_INTERVAL_SECONDS": 5,
    "FACTS_INTERVAL_SECONDS": 20,
    "FRESH_CONNECTION_SECONDS": 60,
    "SSH_IDLE_SECONDS": 15,
}
SAMPLE_SECONDS: Final = 5
LOOKS: Final = ("/nodes", "/jobs", "/projects", "/events?page_size=50", "/nodes/1", "/runs")
SCRIPT: Final = 'i=0; while [ $i -lt 200 ]; do echo "line $i of a log"; i=$((i+1)); done'
# What may come on top, between quarters: a pool's last thread, an allocator's page. A leak in what happens every second
# is hundreds by then.
ROOM: Final = {"memory_mib": 4.0, "threads": 3.0, "files": 6.0}


@dataclass(frozen=True, slots=True)
class Sample:
    """Of gunicorn and its worker together."""

    seconds: float
    memory_mib: float
    threads: int
    files: int
    asked: int


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--nodes", type=int, default=20)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bareboat-bench-") as name, running_fleet(wanted.nodes) as (fleet, _):
        (Path(name) / "git").mkdir()
        make(Path(name) / "git", SMALL)
        with_dead = replace(fleet, nodes=(*fleet.nodes, Node("dead-1", free_port()), Node("dead-2", free_port())))
        with (
            served(Path(name) / "git") as base,
            running_controller(Path(name) / "instance", with_dead, SETTINGS) as (rest, pid),
        ):
            samples = _soak(rest, pid, fleet, f"{base}small.git", wanted.minutes * 60)
            states = Counter(job["state"] for job in rest.get("/jobs?page_size=200"))
    _write(samples)
    print(f"{samples[-1].asked} requests; the last jobs: {dict(states)}")
    return 1 if _grown(samples) else 0


def _soak(rest: Rest, pid: int, fleet: Fleet, url: str, seconds: float) -> list[Sample]:
    project_ids = [_clone(rest, node_id, url) for node_id in range(1, len(fleet.nodes) + 1)]
    load = Load(rest, fleet, project_ids)
    started, samples = time.monotonic(), list[Sample]()
    for asked in itertools.count():
        now = time.monotonic() - started
        if now >= len(samples) * SAMPLE_SECONDS:
            samples.append(_sample(pid, now, asked))
            if len(samples) % 12 == 1:
                print(samples[-1], file=sys.stderr, flush=True)
        if now >= seconds:
            return samples
        load.act(asked)
        time.sleep(0.2)
    raise AssertionError


def _clone(rest: Rest, node_id: int, url: str) -> int:
    job = rest.post("/projects/clone", {"name": f"project-{node_id}", "git_url": url, "node_id": node_id})
    return int(rest.follow(job, lambda step: None)["project_id"])


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked, one after the other, without end."""

    rest: Rest
    fleet: Fleet
    project_ids: list[int]

    def act(self, number: int) -> None:
        node = number // 5 % len(self.project_ids)
        project = f"/projects/{self.project_ids[node]}"
        match number % 5:
            case 0:
                self.rest.post(f"{project}/commands", {"argv": ["sh", "-c", SCRIPT]})
            case 1:
                self.rest.post(f"/nodes/{node + 1}/probe")
            case 2 if number % 20 == 2:
                _unless_busy(lambda: self.rest.post(f"{project}/pull"))
            case 3:
                self.rest.get(f"{project}/status")
            case 4 if number % 150 == 149:
                _cut(self.fleet.listeners[number // 150 % len(self.fleet.listeners)])
            case _:
                self.rest.get(LOOKS[number // 5 % len(LOOKS)])


def _unless_busy(act: Callable[[], object]) -> None:
    """A project that another job is changing refuses with 409."""
    try:
        act()
    except RuntimeError as error:
        if ": 409 " not in str(error):
            raise


def _cut(listener: int) -> None:
    for pid in tree(listener)[1:]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _sample(pid: int, now: float, asked: int) -> Sample:
    pids = tree(pid)
    threads = sum(len(list(Path(f"/proc/{each}/task").iterdir())) for each in pids)
    files = sum(len(list(Path(f"/proc/{each}/fd").iterdir())) for each in pids)
    return Sample(round(now, 1), round(memory_mib(pid), 2), threads, files, asked)


def _write(samples: list[Sample]) -> None:
    RESULT.parent.mkdir(exist_ok=True)
    with RESULT.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(field.name for field in fields(Sample))
        rows.writerows(astuple(sample) for sample in samples)


def _grown(samples: list[Sample]) -> list[str]:
    quarter = max(1, len(samples) // 4)
    grown = []
    for name, room in ROOM.items():
        before, after = (
            statistics.median(getattr(sample, name) for sample in part)
            for part in (samples[quarter : 2 * quarter], samples[-quarter:])
        )
        is_grown = after > before + room
        print(f"{name}: {before:.1f} in the second quarter, {after:.1f} in the last{': it GROWS' * is_grown}")
        grown += [name] * is_grown
    return grown


if __name__ == "__main__":
    sys.exit(main())
