"""The way to a node: the node itself and its jump hosts, each with pins of its own."""

from collections.abc import Iterator

from app.ssh.hostkeys import read_pins
from app.ssh.target import Target


def hops(target: Target) -> Iterator[Target]:
    """The node first, then its jump host, then that one's."""
    hop: Target | None = target
    while hop is not None:
        yield hop
        hop = hop.jump


def ensure_way_pinned(target: Target) -> None:
    """Raises HostKeyUnknown when any hop has no pin: before a socket is opened to any of them."""
    for hop in hops(target):
        read_pins(hop.host_keys, str(hop))
