"""Who is spoken to: pins, login, addresses, and servers that do not behave."""

import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from app.errors import (
    AuthFailed,
    ConnectionRefused,
    ConnectTimeout,
    HostKeyMismatch,
    HostKeyUnknown,
    NameNotResolved,
    NodeError,
    NodeUnreachable,
    ProtocolError,
    UnreadableKey,
)
from app.secrets import Secret
from app.ssh.connection import PinnedConnection
from app.ssh.deadline import Deadline
from app.ssh.dial import dial
from app.ssh.hostkeys import parse_host_key
from app.ssh.target import Limits, Target
from tests.support import fakes
from tests.support.sshd import DropbearServer, KeyPair, SshdServer, make_keypair

pytestmark = [pytest.mark.ssh, pytest.mark.usefixtures("no_leaked_threads")]

SHORT = Limits(resolve=0.5, connect=0.5, banner=0.5, auth=0.5, deadline=1)


def login(target: Target) -> None:
    with PinnedConnection(target) as connection:
        connection.open()
        assert connection.is_connected


def test_the_pinned_node_is_logged_in_to(sshd: SshdServer) -> None:
    login(sshd.target())


@pytest.mark.parametrize("type_", ["ecdsa", "rsa"])
def test_a_node_with_one_other_type_of_key_is_logged_in_to(make_sshd: Callable[..., SshdServer], type_: str) -> None:
    login(make_sshd(key_types=(type_,)).target())


def test_the_pinned_type_is_negotiated_although_the_node_prefers_another(make_sshd: Callable[..., SshdServer]) -> None:
    server = make_sshd(key_types=("rsa", "ecdsa", "ed25519"))
    for key in server.host_keys():
        login(server.target(host_keys=(str(key),)))


@pytest.mark.parametrize("type_", ["ecdsa", "rsa"])
def test_a_login_key_may_be_of_any_type(fresh_sshd: SshdServer, tmp_path: Path, type_: str) -> None:
    keypair = make_keypair(tmp_path, type_)
    fresh_sshd.authorize(keypair)
    login(fresh_sshd.target(private_key=keypair.private))


def test_a_dropbear_node_is_logged_in_to(tmp_path: Path, ssh_keypair: KeyPair) -> None:
    with DropbearServer(tmp_path, ssh_keypair, ("ed25519", "ecdsa")) as server:
        login(server.target())


def test_a_swapped_host_key_is_refused_before_any_login(fresh_sshd: SshdServer) -> None:
    target = fresh_sshd.target()
    fresh_sshd.restart_with(("ed25519",))

    with pytest.raises(HostKeyMismatch) as caught:
        login(target)

    assert caught.value.offered == str(fresh_sshd.host_keys()[0])
    assert fresh_sshd.host_keys()[0].fingerprint in caught.value.message
    assert parse_host_key(target.host_keys[0]).fingerprint in caught.value.message
    assert fresh_sshd.login_attempts() == 0


def test_a_node_without_a_key_of_the_pinned_type_is_a_mismatch(fresh_sshd: SshdServer) -> None:
    target = fresh_sshd.target()
    fresh_sshd.restart_with(("ecdsa",))

    with pytest.raises(HostKeyMismatch, match="offers no ssh-ed25519 key") as caught:
        login(target)

    assert caught.value.offered == str(fresh_sshd.host_keys()[0])
    assert fresh_sshd.login_attempts() == 0


def test_one_of_several_pins_is_enough(fresh_sshd: SshdServer) -> None:
    old = fresh_sshd.target().host_keys
    fresh_sshd.restart_with(("ed25519",))
    login(fresh_sshd.target(host_keys=old + fresh_sshd.target().host_keys))


def test_nothing_is_said_to_an_unpinned_node(fresh_sshd: SshdServer) -> None:
    with pytest.raises(HostKeyUnknown):
        login(fresh_sshd.target(host_keys=()))
    assert fresh_sshd.connections() == 0


def test_a_refused_login_is_tried_once(fresh_sshd: SshdServer, tmp_path: Path) -> None:
    with pytest.raises(AuthFailed):
        login(fresh_sshd.target(private_key=make_keypair(tmp_path).private))
    assert fresh_sshd.connections() == 1
    assert fresh_sshd.log().count("Failed publickey") == 1


def test_a_login_key_that_is_none_is_found_before_anything_is_sent(fresh_sshd: SshdServer) -> None:
    with pytest.raises(UnreadableKey):
        login(fresh_sshd.target(private_key=Secret("-----BEGIN NONSENSE-----")))
    assert fresh_sshd.connections() == 0


def test_a_closed_port_is_refused_at_once(fresh_sshd: SshdServer) -> None:
    target = fresh_sshd.target()
    fresh_sshd.stop()
    with pytest.raises(ConnectionRefused, match=r"node \("):
        login(target)


@pytest.mark.parametrize("hostname", ["no-such-name.invalid", "a" * 64 + ".invalid", "two..dots"])
def test_a_name_without_address_does_not_resolve(sshd: SshdServer, hostname: str) -> None:
    with pytest.raises(NameNotResolved):
        login(sshd.target(hostname=hostname))


def test_a_silent_resolver_is_given_up_in_time(sshd: SshdServer, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = socket.getaddrinfo

    def late(host: str, *arguments: object, **options: object) -> object:
        if host == "late.invalid":
            if options["flags"]:
                raise socket.gaierror
            time.sleep(1)
        return answer(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", late)
    started = time.monotonic()
    with pytest.raises(NameNotResolved, match=r"within 0\.1 s"):
        login(sshd.target(hostname="late.invalid", limits=replace(SHORT, resolve=0.1)))
    assert time.monotonic() - started < 0.9


def test_a_network_without_a_way_is_unreachable(sshd: SshdServer) -> None:
    with pytest.raises(NodeUnreachable):
        login(sshd.target(hostname="255.255.255.255"))


@pytest.mark.parametrize(
    ("behave", "error"),
    [
        (fakes.silence, ConnectTimeout),
        (fakes.byte_by_byte, ConnectTimeout),
        (fakes.stuck_after_greeting, ConnectTimeout),
        (fakes.endless_line, ProtocolError),
        (fakes.endless_lines, ProtocolError),
        (fakes.huge_packet, ProtocolError),
        (fakes.hang_up_at_once, ProtocolError),
        (fakes.web_server, ProtocolError),
    ],
)
def test_a_server_that_misbehaves_is_left_in_time(
    sshd: SshdServer, behave: fakes.Behaviour, error: type[NodeError]
) -> None:
    with fakes.FakeServer(behave) as server:
        started = time.monotonic()
        with pytest.raises(error):
            login(sshd.target(port=server.port, limits=SHORT))
        assert time.monotonic() - started < 5


def test_a_node_that_ignores_the_window_is_left(sshd: SshdServer) -> None:
    host_key = paramiko.ECDSAKey.generate()
    pins = (f"{host_key.get_name()} {host_key.get_base64()}",)
    with (
        fakes.FakeServer(fakes.floods_the_window(host_key)) as server,
        PinnedConnection(sshd.target(port=server.port, host_keys=pins)) as connection,
    ):
        connection.open()
        channel = connection.transport.open_session(timeout=90)
        channel.sendall(b"x")  # the flood begins when the opening is known here
        connection.transport.join(90)
        assert not connection.is_connected
        assert len(channel.in_buffer) <= channel.in_window_size + 65536


def test_ipv6_is_dialled() -> None:
    with (
        fakes.FakeServer(fakes.silence, "::1") as server,
        dial("::1", server.port, "node", SHORT, Deadline(1)) as sock,
    ):
        assert sock.getpeername()[0] == "::1"


def test_a_dead_peer_will_be_noticed_by_the_kernel() -> None:
    with (
        fakes.FakeServer(fakes.silence) as server,
        dial("127.0.0.1", server.port, "node", SHORT, Deadline(1)) as sock,
    ):
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_weak_algorithms_are_refused(make_sshd: Callable[..., SshdServer]) -> None:
    server = make_sshd(extra=("Ciphers aes128-cbc,3des-cbc",))
    with pytest.raises(ProtocolError, match="no algorithm in common"):
        login(server.target())


def test_neither_ssh_config_nor_agent_nor_environment_is_read(
    sshd: SshdServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host *\n  HostName 192.0.2.1\n  ProxyCommand false\n")
    (tmp_path / ".fabric.yaml").write_text("user: nobody\nport: 1\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    monkeypatch.setenv("FABRIC_PORT", "1")
    login(sshd.target())


def test_fabric_transfers_files_over_the_pinned_connection(sshd: SshdServer, tmp_path: Path) -> None:
    (tmp_path / "here").write_text("content")
    with PinnedConnection(sshd.target()) as connection:
        connection.put(str(tmp_path / "here"), str(tmp_path / "there"))
    assert (tmp_path / "there").read_text() == "content"


def test_a_jump_host_is_a_pinned_hop_of_its_own(make_sshd: Callable[..., SshdServer]) -> None:
    jump, node = make_sshd(), make_sshd()
    login(node.target(jump=jump.target(name="jump")))
    assert "direct-tcpip" in jump.log()


def test_a_jump_host_with_a_swapped_key_is_refused_before_any_login(make_sshd: Callable[..., SshdServer]) -> None:
    jump, node = make_sshd(), make_sshd()
    target = node.target(jump=jump.target(name="jump"))
    jump.restart_with(("ed25519",))

    with pytest.raises(HostKeyMismatch, match=r"^jump "):
        login(target)

    assert jump.login_attempts() == 0
    assert node.connections() == 0


def test_a_node_behind_a_jump_host_with_a_swapped_key_is_refused(make_sshd: Callable[..., SshdServer]) -> None:
    jump, node = make_sshd(), make_sshd()
    target = node.target(jump=jump.target(name="jump"))
    node.restart_with(("ecdsa",))

    with pytest.raises(HostKeyMismatch, match=r"^node .*offers no"):
        login(target)

    assert node.login_attempts() == 0


def test_a_jump_host_that_cannot_reach_the_node_is_named(make_sshd: Callable[..., SshdServer]) -> None:
    jump, node = make_sshd(), make_sshd()
    target = node.target(jump=jump.target(name="jump"))
    node.stop()
    with pytest.raises(NodeUnreachable, match="The jump host jump "):
        login(target)
