"""Which algorithms a connection speaks, and how its keys are made: part of `hardening`, which says what paramiko lacks.

What costs a login nothing but time is done once for all: what we offer is written once for each list of host key
algorithms, what a node offers is read once for all nodes that say the same, and a secret is written once.
"""

from collections.abc import Callable
from functools import lru_cache
from os import urandom
from typing import Any, Final, cast

import paramiko

CIPHERS: Final = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
MACS: Final = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
# OpenSSH computes P-256 with OpenSSL's assembler, curve25519 with portable C: 15 ms of the node's CPU a login, or 12.
KEY_EXCHANGES: Final = ("ecdh-sha2-nistp256", "curve25519-sha256@libssh.org")

_COOKIE_BYTES: Final = 16  # random bytes that begin an offer (RFC 4253 §7.1)
_KEPT_OFFER_BYTES: Final = 4096  # OpenSSH's has about 1,100

Offer = dict[str, Any]


class NegotiatingTransport(paramiko.Transport):
    """Negotiates strong algorithms and the given host key algorithms only, and shows the host key, as the bytes that
    were signed, to `accept` inside every key exchange, after its signature was checked and before anything else is
    said. What `accept` raises ends the connection. `offered_algorithms` are the host key algorithms the node named.
    """

    _latest_kex_init: bytes
    _preferred_ciphers, _preferred_macs, _preferred_kex = CIPHERS, MACS, KEY_EXCHANGES

    def __init__(
        self, sock: Any, key_algorithms: tuple[str, ...], accept: Callable[[bytes], None], **rest: Any
    ) -> None:
        super().__init__(sock, **rest)
        self.offered_algorithms: tuple[str, ...] = ()
        self._key_algorithms = key_algorithms
        self._accept = accept
        self._written_secret = b""

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        return self._key_algorithms

    def _filter_algorithm(self, type_: str) -> tuple[str, ...]:
        """Paramiko's lists less what it was told to disable; ours are chosen."""
        return cast(tuple[str, ...], getattr(self, f"_preferred_{type_}"))

    def _send_kex_init(self) -> None:
        ours = _our_offers.get(self._key_algorithms)
        if ours is None:
            super()._send_kex_init()
            _our_offers[self._key_algorithms] = self._latest_kex_init[1 + _COOKIE_BYTES :]
            return
        with self.clear_to_send_lock:
            self.clear_to_send.clear()
        self.in_kex = True
        message = paramiko.Message()
        message.add_byte(paramiko.common.cMSG_KEXINIT)
        message.add_bytes(urandom(_COOKIE_BYTES))
        message.add_bytes(ours)
        self.local_kex_init = self._latest_kex_init = message.asbytes()
        self._send_message(message)

    def _really_parse_kex_init(self, m: paramiko.Message, ignore_first_byte: bool = False) -> Offer:
        """Paramiko reads its own, too, with `ignore_first_byte`."""
        if ignore_first_byte:
            return cast(Offer, super()._really_parse_kex_init(m, ignore_first_byte))
        m.get_bytes(_COOKIE_BYTES)
        offer = m.get_remainder()
        read = _read_offer if len(offer) <= _KEPT_OFFER_BYTES else _read_offer.__wrapped__
        shown, size = read(offer)
        m.get_bytes(size)
        self.offered_algorithms = tuple(shown["server_key_algo_list"])
        return {name: value.copy() if isinstance(value, list) else value for name, value in shown.items()}

    def _set_K_H(self, k: int, h: bytes) -> None:
        super()._set_K_H(k, h)
        message = paramiko.Message()
        self._add_K(message)
        self._written_secret = message.asbytes()

    def _compute_key(self, id: str, nbytes: int) -> bytes:
        """RFC 4253 §7.2. Paramiko writes the secret out anew for each of the six keys that are made from it."""
        hashed = self.kex_engine.hash_algo
        known = self._written_secret + self.H
        key: bytes = hashed(known + id.encode() + self.session_id).digest()
        while len(key) < nbytes:
            key += hashed(known + key).digest()
        return key[:nbytes]

    def _parse_newkeys(self, m: paramiko.Message) -> None:
        super()._parse_newkeys(m)
        self._written_secret = b""

    def _verify_key(self, host_key: bytes, sig: bytes) -> None:
        super()._verify_key(host_key, sig)
        self._accept(host_key)


_our_offers: Final[dict[tuple[str, ...], bytes]] = {}  # few: there are few types of host keys


@lru_cache(maxsize=64)
def _read_offer(offer: bytes) -> tuple[Offer, int]:
    """The lists, and how many bytes they took: what follows them is no part of what is signed."""
    message = paramiko.Message(bytes(_COOKIE_BYTES) + offer)
    shown = paramiko.Transport._really_parse_kex_init(cast(Any, None), message)
    return shown, len(message.get_so_far()) - _COOKIE_BYTES


_INSIDE: Final = (
    "_add_K",
    "_compute_key",
    "_filter_algorithm",
    "_parse_kex_init",
    "_parse_newkeys",
    "_preferred_ciphers",
    "_preferred_kex",
    "_preferred_macs",
    "_really_parse_kex_init",
    "_set_K_H",
    "_send_kex_init",
    "_send_message",
    "_verify_key",
    "preferred_keys",
)


def _ensure_known_transport() -> None:
    """Fail at import, loudly, when paramiko has changed where we lean on its inside."""
    if missing := [name for name in _INSIDE if not hasattr(paramiko.Transport, name)]:
        raise ImportError(f"app.ssh.negotiation is for paramiko 5; this is {paramiko.__version__}, without {missing}")


_ensure_known_transport()
