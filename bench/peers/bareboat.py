"""Bareboat's ConnectionPool, as its services use it: keepalives, reads in a persistent shell, runs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue

from app.commands.base import Command
from app.commands.paths import ProjectsRoot
from app.commands.probe import Facts, facts, parse_facts
from app.secrets import Secret
from app.ssh.pool import ConnectionPool
from app.ssh.target import Target
from bench.peers.base import Fleet, main

IN_FLIGHT = 16
BEATS_AT_ONCE = 64
PATIENCE_SECONDS = 10.0
TRUE = Command(program=":\n", arguments=(), timeout_seconds=10)


class Bareboat:
    def __init__(self, fleet: Fleet) -> None:
        key = Secret(Path(fleet.key_path).read_text())
        self._targets = [
            Target(node.name, fleet.address, node.port, fleet.user, key, "bench", (fleet.host_key,))
            for node in fleet.nodes
        ]
        self._facts = facts(ProjectsRoot(fleet.root), only_changing=True)
        self._all_facts = facts(ProjectsRoot(fleet.root))
        self._pool = ConnectionPool(idle_seconds=3600)
        self._threads = ThreadPoolExecutor(IN_FLIGHT)

    def cold(self) -> int:
        """The first command opens the persistent shell too."""
        return self._on_all(lambda target: self._pool.read(target, TRUE).exit_status == 0)

    def liveness(self) -> int:
        """As the sweep does it: so many are asked at once, and their answers taken as they come."""
        heard: SimpleQueue[tuple[int, float | None]] = SimpleQueue()
        rest, answered = iter(enumerate(self._targets)), 0
        while part := dict(islice(rest, BEATS_AT_ONCE)):
            asked = len(part) - len(self._pool.beat(part, heard))
            answered += sum(_is_alive(heard) for _ in range(asked))
        return answered

    def command(self) -> int:
        """In a session of its own, under a time limit that the node keeps, and ended when the controller dies."""
        return self._on_all(lambda target: self._pool.run(target, TRUE).exit_status == 0)

    def facts(self) -> int:
        return self._on_all(lambda target: self._read(target, self._facts).load1 is not None)

    def all_facts(self) -> int:
        return self._on_all(lambda target: self._read(target, self._all_facts).kernel is not None)

    def one(self) -> None:
        self._pool.read(self._targets[0], TRUE)

    def close(self) -> None:
        self._threads.shutdown()
        self._pool.close()

    def _read(self, target: Target, command: Command) -> Facts:
        return parse_facts(self._pool.read(target, command).stdout)

    def _on_all(self, act: Callable[[Target], bool]) -> int:
        return sum(self._threads.map(act, self._targets))


def _is_alive(heard: "SimpleQueue[tuple[int, float | None]]") -> bool:
    try:
        return heard.get(timeout=PATIENCE_SECONDS)[1] is not None
    except Empty:
        return False


if __name__ == "__main__":
    main(Bareboat)
