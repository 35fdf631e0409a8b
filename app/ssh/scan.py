"""Scan: which host keys a node has, found by key exchange only. It never logs in, and trusts nothing it sees."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from app.errors import ProtocolError
from app.ssh.deadline import Deadline
from app.ssh.dial import dial
from app.ssh.handshake import show_host_key
from app.ssh.hostkeys import ALGORITHMS, HostKeyLine
from app.ssh.login import Login, tunnel
from app.ssh.target import Limits, Target

_EVERY: Final = tuple(name for names in ALGORITHMS.values() for name in names)


def scan(hostname: str, port: int, limits: Limits | None = None, jump: Target | None = None) -> tuple[HostKeyLine, ...]:
    """All host keys a node offers, in our order of preference; one key exchange for each type it has.

    `limits.deadline` stands around the whole scan. Through `jump`, which is pinned and logged in to as always. Raises
    NodeError; ProtocolError when the node has no key of a type that Bareboat pins.
    """
    bounds = limits or Limits()
    place = _Place(hostname, port, bounds, Deadline(bounds.deadline))
    with _way(jump) as gateway:
        keys = list(_keys(place, gateway))
    if not keys:
        raise ProtocolError(f"{place} has no host key of a type that Bareboat pins ({', '.join(ALGORITHMS)}).")
    return tuple(keys)


class _Place:
    def __init__(self, hostname: str, port: int, limits: Limits, deadline: Deadline) -> None:
        self.hostname, self.port, self.limits, self.deadline = hostname, port, limits, deadline

    def __str__(self) -> str:
        return f"{self.hostname}:{self.port}"

    def reach(self, gateway: Login | None) -> Any:
        if gateway is None:
            return dial(self.hostname, self.port, str(self), self.limits, self.deadline)
        return tunnel(gateway, self.hostname, self.port, self.deadline.left(self.limits.connect))

    def show(self, algorithms: tuple[str, ...], gateway: Login | None) -> Any:
        return show_host_key(self.reach(gateway), algorithms, str(self), self.limits, self.deadline)


def _keys(place: _Place, gateway: Login | None) -> Iterator[HostKeyLine]:
    """The first exchange names every algorithm on offer; the others ask for one further type each."""
    first, offered = place.show(_EVERY, gateway)
    if first is not None:
        yield first
    for type_, names in ALGORITHMS.items():
        if first is not None and type_ != first.type and set(names) & set(offered):
            key, _ = place.show(names, gateway)
            if key is not None:
                yield key


@contextmanager
def _way(jump: Target | None) -> Iterator[Login | None]:
    if jump is None:
        yield None
        return
    with Login(jump) as gateway:
        gateway.open()
        yield gateway
