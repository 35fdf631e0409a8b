"""What each peer does, in the same order, and how it is measured."""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from bench.procs import adopt_orphans, cpu_seconds, group_seconds, memory_mib

SETTLE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    port: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """`facts` and `all_facts` are command lines for the login shell: Bareboat's own program, the same for all.
    `group` is the control group of the servers, or empty."""

    user: str
    key_path: str
    known_hosts: str
    host_key: str
    root: str
    facts: str
    all_facts: str
    nodes: tuple[Node, ...]
    listeners: tuple[int, ...]
    group: str = ""
    address: str = "127.0.0.1"


class Peer(Protocol):
    """`count` nodes answered is what each act returns; connections opened by `cold` are kept."""

    def cold(self) -> int:
        """Connect and log in to every node, and run `true` there."""

    def liveness(self) -> int:
        """See that every node is there, with the least that this peer has for it."""

    def command(self) -> int:
        """Run `true` on every node."""

    def facts(self) -> int:
        """Run the facts program on every node, for what changes."""

    def all_facts(self) -> int:
        """Run it for everything."""

    def one(self) -> None:
        """Run `true` on the first node."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Phase:
    """CPU seconds of this peer's processes, and of the servers'."""

    name: str
    nodes: int
    answered: int
    seconds: float
    client_cpu: float
    server_cpu: float


def load_fleet(path: str, count: int) -> Fleet:
    values: dict[str, Any] = json.loads(Path(path).read_text())
    nodes = tuple(Node(**node) for node in values.pop("nodes")[:count])
    return Fleet(nodes=nodes, listeners=tuple(values.pop("listeners")), **values)


def main(make: Callable[[Fleet], Peer]) -> None:
    """Measures, and prints one JSON object."""
    adopt_orphans()
    fleet, repeats = load_fleet(sys.argv[1], int(sys.argv[2])), int(sys.argv[3])
    started = memory_mib(os.getpid())
    peer = make(fleet)
    try:
        phases = [_measure(fleet, "cold", peer.cold)]
        phases.append(_measure(fleet, "all_facts", peer.all_facts))
        for _ in range(repeats):
            phases += [_measure(fleet, name, getattr(peer, name)) for name in ("liveness", "command", "facts")]
        held = memory_mib(os.getpid())
        latency = _latencies(peer, 5 * repeats)
    finally:
        peer.close()
    result = {"phases": [asdict(phase) for phase in phases], "latency_ms": latency}
    print(json.dumps(result | {"memory_mib": held, "memory_before_mib": started}))


def _measure(fleet: Fleet, name: str, act: Callable[[], int]) -> Phase:
    servers, ours = _server_seconds(fleet), cpu_seconds([os.getpid()])
    started = time.perf_counter()
    answered = act()
    seconds = time.perf_counter() - started
    ours = cpu_seconds([os.getpid()]) - ours
    time.sleep(SETTLE_SECONDS)  # sshds end sessions after the client has what it wanted
    servers = _server_seconds(fleet) - servers
    return Phase(name, len(fleet.nodes), answered, seconds, ours, servers)


def _server_seconds(fleet: Fleet) -> float:
    return group_seconds(fleet.group) if fleet.group else cpu_seconds(fleet.listeners)


def _latencies(peer: Peer, count: int) -> float:
    """The median, in milliseconds."""
    times = []
    for _ in range(count):
        started = time.perf_counter()
        peer.one()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000
