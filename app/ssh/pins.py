"""Pins: what a target trusts, hop by hop, and the refusal of everything else."""

from collections.abc import Iterable, Iterator

from app.errors import HostKeyMismatch, HostKeyUnknown
from app.ssh.hostkeys import ALGORITHMS, HostKeyLine, parse_host_key
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


def algorithms(pins: Iterable[HostKeyLine]) -> tuple[str, ...]:
    """What to negotiate for these pins, and nothing else: another type is never even asked for."""
    types = {pin.type for pin in pins}
    return tuple(name for type_, names in ALGORITHMS.items() if type_ in types for name in names)


def read_pins(lines: Iterable[str], who: str) -> tuple[HostKeyLine, ...]:
    """The pins of a Target. Raises HostKeyUnknown when there is none."""
    pins = tuple(parse_host_key(line) for line in lines)
    if not pins:
        raise HostKeyUnknown(f"No host key of {who} is pinned; nothing was sent. Scan it, compare, and pin its key.")
    return pins


def ensure_pinned(offered: HostKeyLine, pins: tuple[HostKeyLine, ...], who: str) -> None:
    """Raises HostKeyMismatch unless the offered key is one of the pins, byte for byte."""
    if offered not in pins:
        raise HostKeyMismatch(
            f"{who} shows the {offered.type} key {offered.fingerprint}, pinned is {_named(pins)}; no login was tried. "
            "Was it installed anew? Compare on its console (ssh-keygen -lf), then approve the new key, or find out who"
            " answers there.",
            offered=str(offered),
            who=who,
        )


def missing_type(offered: HostKeyLine, pins: tuple[HostKeyLine, ...], who: str) -> HostKeyMismatch:
    """The error for a node that has no key of a pinned type at all."""
    types = ", ".join(sorted({pin.type for pin in pins}))
    return HostKeyMismatch(
        f"{who} offers no {types} key, but that is what is pinned; it shows the {offered.type} key "
        f"{offered.fingerprint}. No login was tried. Compare on its console, then approve the new key.",
        offered=str(offered),
        who=who,
    )


def _named(pins: tuple[HostKeyLine, ...]) -> str:
    return " or ".join(f"{pin.type} {pin.fingerprint}" for pin in pins)
