"""parallel-ssh: libssh2 under gevent, connections kept by the client."""

from pssh.clients import ParallelSSHClient
from pssh.config import HostConfig

from bench.peers.base import Fleet, main

IN_FLIGHT = 50


class ParallelSsh:
    """It does not compare host keys."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        options = {"user": fleet.user, "pkey": fleet.key_path, "allow_agent": False}
        config = [HostConfig(port=node.port, user=fleet.user, private_key=fleet.key_path) for node in fleet.nodes]
        hosts = [fleet.address] * len(fleet.nodes)
        self._client = ParallelSSHClient(hosts, host_config=config, pool_size=IN_FLIGHT, **options)
        self._one = ParallelSSHClient(hosts[:1], host_config=config[:1], **options)
        self._is_open = False

    def cold(self) -> int:
        return self.command()

    def liveness(self) -> int:
        return self.command()

    def command(self) -> int:
        return self._on_all("true")

    def facts(self) -> int:
        return self._on_all(self._fleet.facts)

    def all_facts(self) -> int:
        return self._on_all(self._fleet.all_facts)

    def one(self) -> None:
        self._ask(self._one, "true")

    def close(self) -> None:
        del self._client, self._one

    def _on_all(self, command: str) -> int:
        return self._ask(self._client, command)

    def _ask(self, client: ParallelSSHClient, command: str) -> int:
        output = client.run_command(command)
        client.join(output)
        return sum(host.exit_code == 0 for host in output)


if __name__ == "__main__":
    main(ParallelSsh)
