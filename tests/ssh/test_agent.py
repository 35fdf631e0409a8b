"""What our agent signs, and above all what it does not."""

import base64

import paramiko
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.ssh.agent import AgentSession, KeyAgent
from tests.support.sshd import KeyPair, make_keypair

FAILURE, SUCCESS, IDENTITIES, SIGNED = b"\x05", b"\x06", 12, 14
SESSION = b"s" * 32
HOSTBOUND = "publickey-hostbound-v00@openssh.com"


@pytest.fixture(scope="session")
def mine(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return make_keypair(tmp_path_factory.mktemp("agent"))


@pytest.fixture(scope="session")
def rsa(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return make_keypair(tmp_path_factory.mktemp("agent"), "rsa")


@pytest.fixture(scope="session")
def host() -> paramiko.ECDSAKey:
    return paramiko.ECDSAKey.generate()


def line_of(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.get_base64()}"


@pytest.fixture
def agent(mine: KeyPair, host: paramiko.PKey) -> KeyAgent:
    return KeyAgent(mine.private, "git", [line_of(host)], 3)


def pack(*parts: object) -> bytes:
    message = paramiko.Message()
    for part in parts:
        if isinstance(part, bool):
            message.add_boolean(part)
        elif isinstance(part, int):
            message.add_byte(bytes([part]))
        else:
            message.add_string(part)
    return message.asbytes()


def login(blob: bytes, /, **changes: object) -> bytes:
    """The text that a client signs in order to log in."""
    fields: dict[str, object] = {"session": SESSION, "kind": 50, "user": "git", "service": "ssh-connection"}
    fields |= {"method": "publickey", "signed": True, "algorithm": "ssh-ed25519", "blob": blob} | changes
    return pack(*fields.values())


def sign(blob: bytes, data: bytes, flags: int = 0) -> bytes:
    return pack(13, blob, data) + flags.to_bytes(4, "big")


def bind(host: paramiko.PKey, session: bytes = SESSION, *, signed: bytes = SESSION, forwarding: bool = False) -> bytes:
    signature = host.sign_ssh_data(signed).asbytes()
    return pack(27, "session-bind@openssh.com", host.asbytes(), session, signature, forwarding)


def free(agent: KeyAgent) -> AgentSession:
    return AgentSession(agent, must_bind=False)


def test_it_has_exactly_one_key(agent: KeyAgent) -> None:
    answer = paramiko.Message(free(agent).answer(b"\x0b"))
    assert (answer.get_byte(), answer.get_int(), answer.get_binary()) == (bytes([IDENTITIES]), 1, agent.blob)


def test_it_signs_a_login_with_that_key(agent: KeyAgent, mine: KeyPair) -> None:
    data = login(agent.blob)
    answer = paramiko.Message(free(agent).answer(sign(agent.blob, data)))
    assert answer.get_byte() == bytes([SIGNED])
    public = paramiko.Ed25519Key(data=base64.b64decode(mine.public.split()[1]))
    assert public.verify_ssh_sig(data, paramiko.Message(answer.get_binary()))


@pytest.mark.parametrize(
    "changes",
    [
        {"user": "root"},
        {"kind": 51},
        {"service": "ssh-userauth"},
        {"method": "hostbased"},
        {"signed": False},
        {"algorithm": "ssh-rsa"},
        {"blob": b"another key"},
        {"more": "left over"},
        {"method": HOSTBOUND},
        {"method": HOSTBOUND, "host": b"not a pinned host"},
    ],
)
def test_it_signs_nothing_but_a_login_of_its_user_and_key(agent: KeyAgent, changes: dict[str, object]) -> None:
    assert free(agent).answer(sign(agent.blob, login(agent.blob, **changes))) == FAILURE
    assert (agent.signed, agent.refused) == (0, 1)


@pytest.mark.parametrize("data", [b"", b"SSHSIG" + b"\0" * 40, b"commit to be signed", b"\0\0\0\x20" + SESSION])
def test_it_signs_no_other_text(agent: KeyAgent, data: bytes) -> None:
    assert free(agent).answer(sign(agent.blob, data)) == FAILURE


def test_it_signs_for_no_other_key(agent: KeyAgent) -> None:
    assert free(agent).answer(sign(b"another key", login(agent.blob))) == FAILURE


def test_it_stops_after_so_many_signatures_in_whatever_sessions(agent: KeyAgent) -> None:
    request = sign(agent.blob, login(agent.blob))
    assert [free(agent).answer(request)[0] for _ in range(5)] == [SIGNED] * 3 + [FAILURE[0]] * 2


@pytest.mark.parametrize("kind", [1, 9, 17, 18, 19, 20, 21, 22, 23, 25, 26, 255])
def test_it_takes_no_key_and_does_nothing_else(agent: KeyAgent, kind: int) -> None:
    assert free(agent).answer(bytes([kind]) + b"\0" * 8) == FAILURE


@pytest.mark.parametrize(("flags", "algorithm", "is_signed"), [(4, "rsa-sha2-512", True), (0, "ssh-rsa", False)])
def test_rsa_signs_with_sha2_only(
    rsa: KeyPair, host: paramiko.PKey, flags: int, algorithm: str, is_signed: bool
) -> None:
    agent = KeyAgent(rsa.private, "git", [line_of(host)], 3)
    answer = free(agent).answer(sign(agent.blob, login(agent.blob, algorithm=algorithm), flags))
    assert (answer[0] == SIGNED) == is_signed


def test_where_the_client_can_prove_the_server_nothing_is_signed_before(agent: KeyAgent, host: paramiko.PKey) -> None:
    session = AgentSession(agent, must_bind=True)
    request = sign(agent.blob, login(agent.blob))
    assert session.answer(request) == FAILURE
    assert session.answer(bind(host)) == SUCCESS
    assert session.answer(request)[0] == SIGNED
    hostbound = login(agent.blob, method=HOSTBOUND, host=host.asbytes())
    assert session.answer(sign(agent.blob, hostbound))[0] == SIGNED


def test_once_bound_it_signs_for_that_session_alone(agent: KeyAgent, host: paramiko.PKey) -> None:
    session = free(agent)
    assert session.answer(bind(host)) == SUCCESS
    assert session.answer(sign(agent.blob, login(agent.blob, session=b"t" * 32))) == FAILURE


@pytest.mark.parametrize("how", ["unpinned", "forwarding", "unsigned", "twice"])
def test_a_session_that_is_bound_elsewhere_gets_nothing(agent: KeyAgent, host: paramiko.PKey, how: str) -> None:
    session = AgentSession(agent, must_bind=True)
    requests = {
        "unpinned": [bind(paramiko.ECDSAKey.generate())],
        "forwarding": [bind(host, forwarding=True)],
        "unsigned": [bind(host, signed=b"another session")],
        "twice": [bind(host), bind(host)],
    }[how]
    assert [session.answer(request) for request in requests][-1] == FAILURE
    assert session.answer(sign(agent.blob, login(agent.blob))) == FAILURE


def test_its_key_is_in_no_text_of_it(agent: KeyAgent, mine: KeyPair) -> None:
    assert mine.private.reveal().splitlines()[2] not in repr(agent) + str(agent)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(message=st.binary(max_size=200))
def test_whatever_comes_is_answered_and_never_signed(agent: KeyAgent, message: bytes) -> None:
    assert free(agent).answer(message)[0] in (FAILURE[0], IDENTITIES)
    assert agent.signed == 0
