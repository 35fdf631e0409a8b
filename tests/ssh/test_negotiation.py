"""What is done once for all connections must not differ from what paramiko does for each."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko
import pytest

from app.ssh import negotiation
from app.ssh.hardening import HardenedTransport
from app.ssh.negotiation import KEY_EXCHANGES

ED25519 = ("ssh-ed25519",)
ECDSA = ("ecdsa-sha2-nistp256",)
COOKIE = 16


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(negotiation, "_our_offers", {})
    negotiation._read_offer.cache_clear()


@contextmanager
def unstarted(key_algorithms: tuple[str, ...] = ED25519) -> Iterator[HardenedTransport]:
    here, there = socket.socketpair()
    transport = HardenedTransport(here, key_algorithms, lambda _: None, 1.0)
    try:
        yield transport
    finally:
        transport.close()
        there.close()


def our_offer(key_algorithms: tuple[str, ...]) -> bytes:
    with unstarted(key_algorithms) as transport:
        transport._send_kex_init()
        return bytes(transport.local_kex_init)


def their_offer(*, extra: bytes = b"", host_keys: str = "ssh-ed25519", follows: bool = False) -> paramiko.Message:
    message = paramiko.Message()
    message.add_bytes(b"c" * COOKIE)
    lists = ("ecdh-sha2-nistp256,kex-strict-s-v00@openssh.com", host_keys, *["aes128-gcm@openssh.com"] * 2)
    for names in (*lists, *["hmac-sha2-256"] * 2, *["none"] * 2, "", ""):
        message.add_string(names)
    message.add_boolean(follows)
    message.add_int(0)
    message.add_bytes(extra)
    message.rewind()
    message.seqno = 0
    return message


def test_an_offer_of_ours_that_is_repeated_is_the_first_with_another_cookie() -> None:
    first, second = our_offer(ED25519), our_offer(ED25519)
    assert first[1:17] != second[1:17]
    assert (first[:1], first[17:]) == (second[:1], second[17:])


def test_who_has_pinned_another_type_of_key_offers_another_list() -> None:
    our_offer(ED25519)
    for offer in (our_offer(ECDSA), our_offer(ECDSA)):
        assert ECDSA[0].encode() in offer
        assert ED25519[0].encode() not in offer


def test_keys_are_being_exchanged_when_an_offer_is_repeated_too() -> None:
    our_offer(ED25519)
    with unstarted() as transport:
        transport.clear_to_send.set()
        transport._send_kex_init()
        assert transport.in_kex
        assert not transport.clear_to_send.is_set()


@pytest.mark.parametrize("repeated", [False, True])
def test_what_a_node_offers_is_read_as_paramiko_reads_it(repeated: bool) -> None:
    """Paramiko strikes what is no algorithm from the lists that it was given: the next must get whole ones."""
    with unstarted() as transport:
        if repeated:
            transport._parse_kex_init(their_offer())
        read = transport._really_parse_kex_init(their_offer())
        assert read == paramiko.Transport._really_parse_kex_init(transport, their_offer())
        assert transport.offered_algorithms == ED25519


@pytest.mark.parametrize("repeated", [False, True])
def test_bytes_behind_the_lists_are_no_part_of_what_is_signed(repeated: bool) -> None:
    with unstarted() as transport:
        for _ in range(1 + repeated):
            transport._parse_kex_init(their_offer(extra=b"\0"))
        assert transport.remote_kex_init == paramiko.common.cMSG_KEXINIT + their_offer().asbytes()


@pytest.mark.parametrize("repeated", [False, True])
def test_an_offer_that_is_not_the_first_packet_is_refused_in_strict_mode(repeated: bool) -> None:
    with unstarted() as transport:
        if repeated:
            transport._parse_kex_init(their_offer())
        late = their_offer()
        late.seqno = 1
        with pytest.raises(paramiko.SSHException, match="not the first packet"):
            transport._parse_kex_init(late)


@pytest.mark.parametrize("name", KEY_EXCHANGES)
@pytest.mark.parametrize("size", [12, 16, 32, 33, 64, 100])
def test_the_keys_are_those_that_paramiko_makes(name: str, size: int) -> None:
    with unstarted() as transport:
        transport.kex_engine = transport._kex_info[name](transport)
        transport._set_K_H(0xF00D << 200, b"hash" * 8)
        for _ in range(2):
            for letter in "ABCDEF":
                paramikos = paramiko.Transport._compute_key(transport, letter, size)
                assert transport._compute_key(letter, size) == paramikos
                assert len(paramikos) == size


def test_the_next_key_exchange_makes_other_keys() -> None:
    with unstarted() as transport:
        transport.kex_engine = transport._kex_info[KEY_EXCHANGES[0]](transport)
        transport._set_K_H(7, b"hash")
        first = transport._compute_key("A", 16)
        transport._set_K_H(8, b"hash")
        assert transport._compute_key("A", 16) != first


def test_an_endless_offer_is_read_and_not_kept() -> None:
    with unstarted() as transport:
        transport._parse_kex_init(their_offer(host_keys="ssh-ed25519," + ",".join(["x" * 50] * 100)))
        assert len(transport.offered_algorithms) == 101
    assert negotiation._read_offer.cache_info().currsize == 0
