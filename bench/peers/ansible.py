"""Ansible's `raw`, 50 forks, OpenSSH connections kept by ControlPersist; each act is one run of `ansible`."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.peers.base import Fleet, main

FORKS = 50
_CONFIG = """[defaults]
host_key_checking = True
interpreter_python = auto_silent
deprecation_warnings = False
[ssh_connection]
ssh_args = -F none -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile={known_hosts}
control_path_dir = {folder}/cp
pipelining = True
"""


class Ansible:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._folder = tempfile.TemporaryDirectory(prefix="ans")
        folder = Path(self._folder.name)
        (folder / "ansible.cfg").write_text(_CONFIG.format(known_hosts=fleet.known_hosts, folder=folder))
        common = f"ansible_host={fleet.address} ansible_user={fleet.user} ansible_ssh_private_key_file={fleet.key_path}"
        # A path of its own for each node: they share addresses.
        lines = [
            f"{node.name} {common} ansible_port={node.port} ansible_control_path={folder}/{node.name}"
            for node in fleet.nodes
        ]
        (folder / "hosts").write_text("\n".join(lines) + "\n")
        self._environment = os.environ | {"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_HOME": str(folder)}

    def cold(self) -> int:
        return self.command()

    def liveness(self) -> int:
        return self.command()

    def command(self) -> int:
        return self._ask("all", "true")

    def facts(self) -> int:
        return self._ask("all", self._fleet.facts)

    def all_facts(self) -> int:
        return self._ask("all", self._fleet.all_facts)

    def one(self) -> None:
        self._ask(self._fleet.nodes[0].name, "true")

    def close(self) -> None:
        for node in self._fleet.nodes:
            words = ["ssh", "-F", "none", "-o", f"ControlPath={self._folder.name}/{node.name}", "-O", "exit", "x"]
            subprocess.run(words, stderr=subprocess.DEVNULL)
        self._folder.cleanup()

    def _ask(self, pattern: str, command: str) -> int:
        words = [str(Path(sys.executable).with_name("ansible")), pattern, "-i", f"{self._folder.name}/hosts"]
        words += ["-f", str(FORKS), "-m", "raw", "-a", command.replace("{{", "{ {")]
        done = subprocess.run(words, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return done.stdout.count("| CHANGED | rc=0")


if __name__ == "__main__":
    main(Ansible)
