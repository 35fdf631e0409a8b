"""A scan sees every key of a node and never logs in."""

from collections.abc import Callable

import pytest

from app.errors import ConnectionRefused, ConnectTimeout, HostKeyMismatch, ProtocolError
from app.ssh.scan import scan
from app.ssh.target import Limits
from tests.support import fakes
from tests.support.sshd import SshdServer

pytestmark = [pytest.mark.ssh, pytest.mark.usefixtures("no_leaked_threads")]


def test_every_key_of_the_node_is_found_without_a_login(make_sshd: Callable[..., SshdServer]) -> None:
    server = make_sshd(key_types=("rsa", "ecdsa", "ed25519"))
    assert set(scan("127.0.0.1", server.port)) == set(server.host_keys())
    assert server.login_attempts() == 0
    assert server.connections() == 3


def test_a_node_with_a_single_key_is_asked_once(fresh_sshd: SshdServer) -> None:
    assert scan("127.0.0.1", fresh_sshd.port) == tuple(fresh_sshd.host_keys())
    assert fresh_sshd.connections() == 1


def test_a_node_behind_a_jump_host_is_scanned(make_sshd: Callable[..., SshdServer]) -> None:
    jump, node = make_sshd(), make_sshd(key_types=("ecdsa", "ed25519"))
    assert set(scan("127.0.0.1", node.port, jump=jump.target(name="jump"))) == set(node.host_keys())
    assert node.login_attempts() == 0


def test_a_jump_host_is_pinned_for_a_scan_too(make_sshd: Callable[..., SshdServer]) -> None:
    jump, node = make_sshd(), make_sshd()
    target = jump.target(name="jump")
    jump.restart_with(("ed25519",))
    with pytest.raises(HostKeyMismatch):
        scan("127.0.0.1", node.port, jump=target)
    assert node.connections() == 0


def test_a_closed_port_is_refused(fresh_sshd: SshdServer) -> None:
    fresh_sshd.stop()
    with pytest.raises(ConnectionRefused):
        scan("127.0.0.1", fresh_sshd.port)


@pytest.mark.parametrize(
    ("behave", "error"),
    [(fakes.silence, ConnectTimeout), (fakes.web_server, ProtocolError), (fakes.huge_packet, ProtocolError)],
)
def test_a_server_that_misbehaves_is_left_in_time(behave: fakes.Behaviour, error: type[Exception]) -> None:
    with fakes.FakeServer(behave) as server, pytest.raises(error):
        scan("127.0.0.1", server.port, Limits(connect=0.5, banner=0.5, deadline=1))
