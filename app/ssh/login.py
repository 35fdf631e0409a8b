"""Login: a connection that is logged in, the only way in which a node is. Fabric's face of it is in `connection`."""

from functools import partial
from typing import Any, Final, Self, cast

import paramiko

from app.errors import ConnectionLost, ConnectTimeout, NodeUnreachable, ProtocolError
from app.ssh.deadline import Deadline
from app.ssh.dial import dial
from app.ssh.handshake import IncompatiblePeer, load_private_key, log_in, show_host_key
from app.ssh.hardening import HardenedTransport
from app.ssh.hostkeys import ALGORITHMS, HostKeyLine, UnreadableHostKey, host_key_from_blob
from app.ssh.pins import algorithms, ensure_pinned, missing_type, read_pins
from app.ssh.target import Target

CHANNEL_SECONDS: Final = 20.0


class Login:
    """Opens only to the pinned host key, within the target's limits, with the target's key and nothing else: no
    ssh_config, no agent, no key look-up, no known_hosts.

    With `target.jump` it goes through `gateway`, or through a login of its own that it closes again.
    """

    transport_class: type[HardenedTransport] = HardenedTransport

    def __init__(self, target: Target, gateway: "Login | None" = None) -> None:
        self.target = target
        self.gateway = gateway
        self.transport: HardenedTransport = cast(HardenedTransport, None)  # until it is open
        self._pins: tuple[HostKeyLine, ...] = ()
        self._own_gateway: Login | None = None
        self._at_door: HardenedTransport | None = None

    @property
    def is_connected(self) -> bool:
        return self.transport is not None and self.transport.active

    def open(self) -> None:
        """Resolve, connect, exchange keys, log in: all within `limits.deadline`. Raises NodeError, UnreadableKey."""
        if self.is_connected:
            return
        self._pins = read_pins(self.target.host_keys, str(self.target))
        key = load_private_key(self.target.private_key)
        deadline = Deadline(self.target.limits.deadline)
        transport = self._meet(self._reach(deadline))
        try:
            self._log_in(transport, key, deadline)
        except BaseException:
            transport.close()
            raise
        self.transport = transport

    def close(self) -> None:
        """Also ends an `open` that is under way in another thread."""
        for transport in (self.transport, self._at_door):
            if transport is not None:
                transport.close()
        if self._own_gateway is not None:
            self._own_gateway.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _reach(self, deadline: Deadline) -> Any:
        if self.target.jump is None:
            return dial(self.target.hostname, self.target.port, str(self.target), self.target.limits, deadline)
        if self.gateway is None:
            self._own_gateway = Login(self.target.jump)
            self.gateway = self._own_gateway
        seconds = deadline.left(self.target.limits.connect)
        return tunnel(self.gateway, self.target.hostname, self.target.port, seconds)

    def _meet(self, sock: Any) -> HardenedTransport:
        accept = partial(_judge, self._pins, str(self.target))
        transport = self.transport_class(sock, algorithms(self._pins), accept, self.target.limits.auth)
        transport.channel_timeout = CHANNEL_SECONDS
        self._at_door = transport
        return transport

    def _log_in(self, transport: HardenedTransport, key: paramiko.PKey, deadline: Deadline) -> None:
        try:
            log_in(transport, self.target, key, deadline)
        except IncompatiblePeer:
            if not set(transport.offered_algorithms) & set(algorithms(self._pins)):
                self._refuse_other_types(deadline)
            raise

    def _refuse_other_types(self, deadline: Deadline) -> None:
        """The node has no key of the pinned type: ask once more, to be able to say what it has instead."""
        every = tuple(name for names in ALGORITHMS.values() for name in names)
        limits, who = self.target.limits, str(self.target)
        offered, _ = show_host_key(self._reach(deadline), every, who, limits, deadline)
        if offered is not None:
            raise missing_type(offered, self._pins, who)


def tunnel(gateway: Login, hostname: str, port: int, seconds: float) -> paramiko.Channel:
    """A direct-tcpip channel of `gateway`: a socket for the next hop. Raises NodeUnreachable, ConnectTimeout,
    ConnectionLost."""
    gateway.open()
    place = f"{hostname}:{port}"
    try:
        return gateway.transport.open_channel("direct-tcpip", (hostname, port), ("127.0.0.1", 0), timeout=seconds)
    except paramiko.ChannelException as error:
        raise NodeUnreachable(
            f"The jump host {gateway.target} has no way to {place}, or forbids it (AllowTcpForwarding)."
        ) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        if gateway.is_connected:
            raise ConnectTimeout(f"{place} did not answer the jump host {gateway.target} in time.") from error
        raise ConnectionLost(f"The connection to the jump host {gateway.target} was lost.") from error


def _judge(pins: tuple[HostKeyLine, ...], who: str, blob: bytes) -> None:
    try:
        offered = host_key_from_blob(blob)
    except UnreadableHostKey as error:
        raise ProtocolError(f"{who} shows a host key that is too weak or damaged: {error}") from error
    ensure_pinned(offered, pins, who)
