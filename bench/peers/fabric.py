"""Fabric as it comes: a ThreadingGroup of Connections that stay open."""

import fabric

from bench.peers.base import Fleet, main


class Fabric:
    """It looks at no host key unless it is told to: known ones are loaded from the user's file only."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        options = {"user": fleet.user, "connect_kwargs": {"key_filename": fleet.key_path, "allow_agent": False}}
        config = fabric.Config(overrides={"load_ssh_configs": False})
        self._connections = [
            fabric.Connection(fleet.address, port=node.port, config=config, **options) for node in fleet.nodes
        ]
        self._group = fabric.ThreadingGroup.from_connections(self._connections)

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
        self._connections[0].run("true", hide=True)

    def close(self) -> None:
        self._group.close()

    def _on_all(self, command: str) -> int:
        return sum(result.ok for result in self._group.run(command, hide=True).values())


if __name__ == "__main__":
    main(Fabric)
