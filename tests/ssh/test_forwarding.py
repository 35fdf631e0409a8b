"""Connections with an agent: never shared, and ended with the pool and with the node's pins."""

from collections.abc import Callable

import pytest

from app.commands.base import Command
from app.errors import ShuttingDown
from app.secrets import Secret
from app.ssh.agent import KeyAgent
from app.ssh.pool import ConnectionPool
from tests.support.sshd import KeyPair, SshdServer, make_keypair

pytestmark = pytest.mark.ssh
SOCKET = Command('printf %s "$SSH_AUTH_SOCK"')
LIST = Command("ssh-add -l")


@pytest.fixture
def deploy_key(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return make_keypair(tmp_path_factory.mktemp("deploy"))


@pytest.fixture
def agent(deploy_key: KeyPair) -> KeyAgent:
    return KeyAgent(Secret(deploy_key.private.reveal()), "git", [], 1)


def test_only_its_own_connection_reaches_the_agent(
    pool: ConnectionPool, sshd: SshdServer, agent: KeyAgent, deploy_key: KeyPair
) -> None:
    target, before = sshd.target(), sshd.connections()
    with pool.private(target, agent) as line:
        assert deploy_key.fingerprint in line.run(target, LIST).stdout.decode()
        assert line.run(target, LIST).exit_status == 0, "a later session of the connection has it, too"
        assert pool.run(target, SOCKET).stdout == b""
    assert sshd.connections() - before == 2


def test_a_connection_with_an_agent_serves_no_other_target(
    pool: ConnectionPool, sshd: SshdServer, agent: KeyAgent
) -> None:
    with pool.private(sshd.target(), agent) as line, pytest.raises(ValueError, match="alone"):
        line.run(sshd.target(user="somebody"), SOCKET)


def test_forgetting_the_node_ends_it_and_a_closed_pool_opens_none(sshd: SshdServer, agent: KeyAgent) -> None:
    pool, target = ConnectionPool(), sshd.target()
    with pool.private(target, agent) as line:
        before = line.run(target, SOCKET).stdout
        pool.forget(target)
        assert line.run(target, SOCKET).stdout not in (b"", before)
        pool.close()
        with pytest.raises(ShuttingDown):
            line.run(target, SOCKET)
    with pytest.raises(ShuttingDown), pool.private(target, agent):
        pass


def test_signing_for_anybody_who_asks_on_the_node_is_refused(
    pool: ConnectionPool, sshd: SshdServer, agent: KeyAgent, deploy_key: KeyPair
) -> None:
    """As another process of the account would: here with the agent's key for a signature of a text."""
    target = sshd.target()
    script = 'ssh-add -L >"$1/k.pub" && echo text | ssh-keygen -Y sign -n file -f "$1/k.pub"'
    with pool.private(target, agent) as line:
        result = line.run(target, Command(script, (str(sshd.home),)))
    assert (result.exit_status, b"BEGIN SSH SIGNATURE" in result.stdout, agent.signed) == (255, False, 0)
    assert agent.refused


def test_another_server_that_knows_the_key_gets_no_login_with_it(
    pool: ConnectionPool, sshd: SshdServer, make_sshd: Callable[..., SshdServer], deploy_key: KeyPair
) -> None:
    """Asked for by whoever else is in the account, with a client that proves the server to the agent."""
    other, target = make_sshd(), sshd.target()
    other.authorize(deploy_key)
    login = (
        f"ssh -F none -T -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
        f"-o IdentityFile=none -p {other.port} {target.user}@127.0.0.1 echo in"
    )
    for pins, said in (([str(sshd.host_keys()[0])], b""), ([str(other.host_keys()[0])], b"in\n")):
        agent = KeyAgent(deploy_key.private, target.user, pins, 1)
        with pool.private(target, agent) as line:
            assert line.run(target, Command(login)).stdout == said
        assert agent.signed == (1 if said else 0)
