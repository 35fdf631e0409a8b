"""asyncssh: one event loop, connections kept."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncssh

from bench.peers.base import Fleet, Node, main

IN_FLIGHT = 50


class AsyncSsh:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._loop = asyncio.new_event_loop()
        self._open: dict[str, asyncssh.SSHClientConnection] = {}

    def cold(self) -> int:
        return self._on_all(self._connect)

    def liveness(self) -> int:
        return self.command()

    def command(self) -> int:
        return self._on_all(lambda node: self._run(node, "true"))

    def facts(self) -> int:
        return self._on_all(lambda node: self._run(node, self._fleet.facts))

    def all_facts(self) -> int:
        return self._on_all(lambda node: self._run(node, self._fleet.all_facts))

    def one(self) -> None:
        self._loop.run_until_complete(self._run(self._fleet.nodes[0], "true"))

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()
        self._loop.run_until_complete(self._closed())
        self._loop.close()

    async def _connect(self, node: Node) -> bool:
        fleet = self._fleet
        self._open[node.name] = await asyncssh.connect(
            fleet.address,
            node.port,
            username=fleet.user,
            client_keys=[fleet.key_path],
            known_hosts=fleet.known_hosts,
            config=None,
        )
        return await self._run(node, "true")

    async def _run(self, node: Node, command: str) -> bool:
        return (await self._open[node.name].run(command)).exit_status == 0

    async def _closed(self) -> None:
        await asyncio.gather(*(connection.wait_closed() for connection in self._open.values()))

    def _on_all(self, act: Callable[[Node], Awaitable[bool]]) -> int:
        return self._loop.run_until_complete(self._bounded(act))

    async def _bounded(self, act: Callable[[Node], Awaitable[bool]]) -> int:
        room = asyncio.Semaphore(IN_FLIGHT)

        async def with_room(node: Node) -> bool:
            async with room:
                return await act(node)

        return sum(await asyncio.gather(*map(with_room, self._fleet.nodes)))


if __name__ == "__main__":
    main(AsyncSsh)
