"""pyinfra's API: connect_all, then shell commands on every host of the inventory."""

from gevent import monkey

monkey.patch_all()  # before anything that opens sockets, as pyinfra's own command does

from gevent.pool import Pool  # noqa: E402
from pyinfra.api import Config, Inventory, State, StringCommand  # noqa: E402
from pyinfra.api.connect import connect_all, disconnect_all  # noqa: E402

from bench.peers.base import Fleet, main  # noqa: E402

IN_FLIGHT = 50


class Pyinfra:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        common = {
            "ssh_hostname": fleet.address,
            "ssh_user": fleet.user,
            "ssh_key": fleet.key_path,
            "ssh_known_hosts_file": fleet.known_hosts,
            "ssh_strict_host_key_checking": "yes",
            "ssh_allow_agent": False,
        }
        names = [(node.name, common | {"ssh_port": node.port}) for node in fleet.nodes]
        self._state = State(Inventory((names, {})), Config(PARALLEL=IN_FLIGHT))
        self._pool = Pool(IN_FLIGHT)

    def cold(self) -> int:
        connect_all(self._state)
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
        self._run(next(iter(self._state.inventory)), "true")

    def close(self) -> None:
        disconnect_all(self._state)

    def _on_all(self, command: str) -> int:
        hosts = list(self._state.inventory)
        return sum(self._pool.map(lambda host: self._run(host, command), hosts))

    def _run(self, host: object, command: str) -> bool:
        ok, _ = host.run_shell_command(StringCommand(command))  # type: ignore[attr-defined]
        return bool(ok)


if __name__ == "__main__":
    main(Pyinfra)
