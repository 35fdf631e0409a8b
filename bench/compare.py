"""Peers side by side: each in a process of its own, in turn, several rounds; what counts is the median."""

import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

TREE: Final = Path(__file__).parents[1]
TIMEOUT_SECONDS: Final = 300
Say = Callable[[str], None]
Numbers = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Contender:
    """`most_nodes` and `most_rounds` keep slow ones from taking all the time; rates do not depend on them much."""

    name: str
    module: str
    is_ours: bool = False
    most_nodes: int = 1_000
    most_rounds: int = 9


CONTENDERS: Final = (
    Contender("Bareboat", "bareboat", is_ours=True),
    Contender("OpenSSH, ControlMaster", "openssh", is_ours=True),
    Contender("asyncssh", "asyncssh"),
    Contender("parallel-ssh", "parallel_ssh"),
    Contender("pyinfra", "pyinfra"),
    Contender("Fabric as it comes", "fabric", most_nodes=100),
    Contender("Ansible raw", "ansible", most_nodes=50, most_rounds=1),
)


def compare(fleet: Path, nodes: int, rounds: int, peers_python: Path | None, say: Say) -> list[Numbers]:
    """A row for each peer; `absent` says why there are no numbers."""
    runs: dict[str, list[Numbers]] = defaultdict(list)
    absent: dict[str, str] = {}
    for turn in range(rounds):
        for peer in CONTENDERS:
            if turn < peer.most_rounds and peer.name not in absent:
                say(f"round {turn + 1} of {rounds}: {peer.name}")
                result = run_peer(peer, fleet, nodes, peers_python)
                if isinstance(result, str):
                    absent[peer.name] = result
                else:
                    runs[peer.name].append(result)
    return [_row(peer, runs[peer.name], absent.get(peer.name)) for peer in CONTENDERS]


def grow(fleet: Path, sizes: list[int], rounds: int, say: Say) -> list[Numbers]:
    """Bareboat alone, with more and more nodes."""
    runs: dict[int, list[Numbers]] = defaultdict(list)
    for turn in range(rounds):
        for size in sizes:
            say(f"round {turn + 1} of {rounds}: Bareboat with {size} nodes")
            result = run_peer(CONTENDERS[0], fleet, size, None)
            if isinstance(result, str):
                say(f"{size} nodes are left out: {result}")
            else:
                runs[size].append(result)
    return [_row(CONTENDERS[0], runs[size], None) for size in sizes if runs[size]]


def run_peer(peer: Contender, fleet: Path, nodes: int, peers_python: Path | None) -> Numbers | str:
    """Its numbers, or why there are none."""
    python = sys.executable if peer.is_ours else str(peers_python or "")
    if not python:
        return "not installed"
    words = [python, "-m", f"bench.peers.{peer.module}", str(fleet), str(min(nodes, peer.most_nodes)), "2"]
    environment = {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}
    environment["PYTHONPATH"] = str(TREE)
    try:
        done = subprocess.run(
            words, cwd=TREE, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not ready after {TIMEOUT_SECONDS} s"
    if done.returncode != 0:
        return (done.stderr.strip().splitlines() or ["it failed without a word"])[-1][:200]
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def _row(peer: Contender, runs: list[Numbers], absent: str | None) -> Numbers:
    if not runs:
        return {"name": peer.name, "absent": absent or "no run"}
    phases = [phase for run in runs for phase in run["phases"]]
    row: Numbers = {"name": peer.name, "rounds": len(runs), "nodes": phases[0]["nodes"], "failed": absent}
    row["unanswered"] = sum(phase["nodes"] - phase["answered"] for phase in phases)
    for name in ("cold", "liveness", "command", "facts", "all_facts"):
        row[name] = _act([phase for phase in phases if phase["name"] == name])
    row["latency_ms"] = statistics.median(run["latency_ms"] for run in runs)
    held = statistics.median(run["memory_mib"] for run in runs)
    row["memory_mib"] = held
    row["kib_per_node"] = (held - statistics.median(run["memory_before_mib"] for run in runs)) * 1024 / row["nodes"]
    return row


def _act(phases: list[Numbers]) -> Numbers:
    """Nodes a second, and milliseconds of CPU for one node: the client's and the server's."""
    rates = [phase["nodes"] / phase["seconds"] for phase in phases]
    return {
        "per_second": statistics.median(rates),
        "least": min(rates),
        "most": max(rates),
        "client_cpu_ms": statistics.median(phase["client_cpu"] / phase["nodes"] * 1000 for phase in phases),
        "server_cpu_ms": statistics.median(phase["server_cpu"] / phase["nodes"] * 1000 for phase in phases),
    }
