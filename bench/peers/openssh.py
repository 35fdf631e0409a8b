"""The `ssh` client, one process for each command, through ControlMaster connections that stay open."""

import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.peers.base import Fleet, Node, main

IN_FLIGHT = 50


class OpenSsh:
    """Masters are our own children, not in the background, so that what they use is counted."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._folder = tempfile.TemporaryDirectory(prefix="mux")
        self._threads = ThreadPoolExecutor(IN_FLIGHT)
        self._masters: list[subprocess.Popen[bytes]] = []

    def cold(self) -> int:
        return sum(self._threads.map(self._connect, self._fleet.nodes))

    def liveness(self) -> int:
        return self.command()

    def command(self) -> int:
        return self._on_all("true")

    def facts(self) -> int:
        return self._on_all(self._fleet.facts)

    def all_facts(self) -> int:
        return self._on_all(self._fleet.all_facts)

    def one(self) -> None:
        self._run(self._fleet.nodes[0], "true")

    def close(self) -> None:
        self._threads.shutdown()
        for master in self._masters:
            master.terminate()
        for master in self._masters:
            master.wait()
        self._folder.cleanup()

    def _connect(self, node: Node) -> bool:
        """The master announces itself by the socket; the command waits for it as long as it takes."""
        words = [*self._words(node), "-M", "-o", "PermitLocalCommand=yes", "-o", "LocalCommand=echo up", "x", "cat"]
        master = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._masters.append(master)
        assert master.stdout is not None
        return master.stdout.readline() == b"up\n" and self._run(node, "true")

    def _on_all(self, command: str) -> int:
        return sum(self._threads.map(lambda node: self._run(node, command), self._fleet.nodes))

    def _run(self, node: Node, command: str) -> bool:
        words = [*self._words(node), "x", command]
        return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).returncode == 0

    def _words(self, node: Node) -> list[str]:
        fleet = self._fleet
        options = {
            "HostName": fleet.address,
            "Port": str(node.port),
            "User": fleet.user,
            "IdentityFile": fleet.key_path,
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": fleet.known_hosts,
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "ControlPath": str(Path(self._folder.name) / node.name),
        }
        return ["ssh", "-F", "none", *(word for pair in options.items() for word in ("-o", "=".join(pair)))]


if __name__ == "__main__":
    main(OpenSsh)
