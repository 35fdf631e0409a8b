"""The container of OpenSSH's own private-key format (openssh/PROTOCOL.key): opened here, understood by cryptography.

cryptography alone reads three of the ten ciphers, drops the comment, and runs any number of KDF rounds.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass

import bcrypt
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

from app.errors import UnreadableKey
from app.redaction import printable
from app.secrets import Secret

MAX_ROUNDS = 256  # ssh-keygen's default is 16 (24 since 9.9); 256 take about three seconds, 2**31 months
_MAGIC = b"openssh-key-v1\x00"
_WRONG_PASSPHRASE = "The passphrase does not open this private key (or the key is damaged)."  # noqa: S105 - a message
_FIELDS = {b"ssh-ed25519": 2, b"ssh-rsa": 6}
_ECDSA, _ECDSA_FIELDS = b"ecdsa-sha2-", 3


@dataclass(frozen=True, slots=True)
class _Box:
    cipher: str
    kdf: str
    kdf_options: bytes
    public: bytes
    sealed: bytes
    tag: bytes


@dataclass(frozen=True, slots=True)
class _Suite:
    key_bytes: int
    iv_bytes: int
    open: Callable[[bytes, bytes, bytes, bytes], bytes]  # key, iv, ciphertext, tag -> plaintext


class _Wire:
    """Reads the data types of RFC 4251, section 5; ValueError where the data end too soon."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def take(self, size: int) -> bytes:
        piece = self._data[self.position : self.position + size]
        if len(piece) != size:
            raise ValueError("cut short")
        self.position += size
        return piece

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        return self.take(self.number())

    def rest(self) -> bytes:
        return self._data[self.position :]


def public_blob(blob: bytes) -> bytes:
    """The public half, which stands in the open. ValueError for what is no such container, or a damaged one."""
    return _read_box(blob).public


def key_type(public: bytes) -> str:
    return _Wire(public).string().decode("ascii")


def rsa_bits(public: bytes) -> int:
    """Of an ssh-rsa public half."""
    wire = _Wire(public)
    _, _, modulus = wire.string(), wire.string(), wire.string()
    return int.from_bytes(modulus, "big").bit_length()


def is_sealed(blob: bytes) -> bool:
    return _read_box(blob).cipher != "none"


def open_container(blob: bytes, passphrase: Secret | None) -> tuple[bytes, str]:
    """The same key as unencrypted PEM, and its comment.

    UnreadableKey for a wrong passphrase or a cipher unknown here, ValueError for damaged content.
    """
    box = _read_box(blob)
    if box.cipher == "none":
        section = box.sealed
    else:
        section = _unseal(box, (passphrase or Secret("")).reveal().encode("utf-8", "surrogatepass"))
    body, comment = _split(section)
    return _as_pem(box.public, body), comment


def _read_box(blob: bytes) -> _Box:
    wire = _Wire(blob)
    if wire.take(len(_MAGIC)) != _MAGIC:
        raise ValueError("no OpenSSH key")
    cipher, kdf, options = wire.string(), wire.string(), wire.string()
    if wire.number() != 1:
        raise ValueError("not exactly one key")
    public, sealed = wire.string(), wire.string()
    return _Box(cipher.decode("ascii"), kdf.decode("ascii"), options, public, sealed, wire.rest())


def _unseal(box: _Box, passphrase: bytes) -> bytes:
    suite = _SUITES.get(box.cipher)
    if suite is None or box.kdf != "bcrypt":
        name = printable(f"{box.cipher}, {box.kdf}", 80)
        raise UnreadableKey(
            f"This private key is encrypted in a way that Bareboat cannot read ({name}). "
            "Rewrite it with: ssh-keygen -p -Z aes256-ctr -f key"
        )
    keys = _derive(box.kdf_options, passphrase, suite.key_bytes + suite.iv_bytes)
    try:
        section = suite.open(keys[: suite.key_bytes], keys[suite.key_bytes :], box.sealed, box.tag)
    except (InvalidTag, InvalidSignature) as error:
        raise _wrong_passphrase() from error
    # The section begins with one random number twice; only the right key shows it so.
    if section[:4] != section[4:8]:
        raise _wrong_passphrase()
    return section


def _derive(options: bytes, passphrase: bytes, size: int) -> bytes:
    wire = _Wire(options)
    salt, rounds = wire.string(), wire.number()
    if rounds > MAX_ROUNDS:
        raise UnreadableKey(
            f"Opening this private key would take {rounds} rounds; Bareboat does at most {MAX_ROUNDS}. "
            "Rewrite it with: ssh-keygen -p -a 100 -f key"
        )
    if not salt or not rounds:
        raise ValueError("no salt or no rounds")
    return bcrypt.kdf(passphrase, salt, size, rounds, ignore_few_rounds=True)


def _wrong_passphrase() -> UnreadableKey:
    return UnreadableKey(_WRONG_PASSPHRASE, errors={"passphrase": [_WRONG_PASSPHRASE]})


def _split(section: bytes) -> tuple[bytes, str]:
    wire = _Wire(section)
    if wire.number() != wire.number():
        raise ValueError("check numbers differ")
    name = wire.string()
    for _ in range(_ECDSA_FIELDS if name.startswith(_ECDSA) else _FIELDS[name]):
        wire.string()
    body = section[: wire.position]
    return body, " ".join(printable(wire.string()).split())


def _as_pem(public: bytes, body: bytes) -> bytes:
    section = body + _string(b"")
    section += bytes(range(1, -len(section) % 8 + 1))
    none = _string(b"none")
    blob = _MAGIC + none + none + _string(b"") + (1).to_bytes(4, "big") + _string(public) + _string(section)
    return b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + base64.encodebytes(blob) + b"-----END OPENSSH PRIVATE KEY-----\n"


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _open_cbc(key: bytes, iv: bytes, sealed: bytes, _tag: bytes) -> bytes:
    return _decrypt(Cipher(algorithms.AES(key), modes.CBC(iv)), sealed)


def _open_3des(key: bytes, iv: bytes, sealed: bytes, _tag: bytes) -> bytes:
    return _decrypt(Cipher(TripleDES(key), modes.CBC(iv)), sealed)


def _open_ctr(key: bytes, iv: bytes, sealed: bytes, _tag: bytes) -> bytes:
    return _decrypt(Cipher(algorithms.AES(key), modes.CTR(iv)), sealed)


def _open_gcm(key: bytes, iv: bytes, sealed: bytes, tag: bytes) -> bytes:
    return _decrypt(Cipher(algorithms.AES(key), modes.GCM(iv, tag)), sealed)


def _open_chacha(key: bytes, _iv: bytes, sealed: bytes, tag: bytes) -> bytes:
    """openssh/PROTOCOL.chacha20poly1305 with packet number 0: block 0 keys the tag, the text begins at block 1."""
    first_block = Cipher(algorithms.ChaCha20(key[:32], bytes(16)), mode=None).decryptor().update(bytes(32))
    Poly1305.verify_tag(first_block, sealed, tag)
    return _decrypt(Cipher(algorithms.ChaCha20(key[:32], b"\x01" + bytes(15)), mode=None), sealed)


def _decrypt(cipher: Cipher, sealed: bytes) -> bytes:
    decryptor = cipher.decryptor()
    return decryptor.update(sealed) + decryptor.finalize()


_SUITES = {
    "3des-cbc": _Suite(24, 8, _open_3des),
    **{f"aes{bits}-cbc": _Suite(bits // 8, 16, _open_cbc) for bits in (128, 192, 256)},
    **{f"aes{bits}-ctr": _Suite(bits // 8, 16, _open_ctr) for bits in (128, 192, 256)},
    **{f"aes{bits}-gcm@openssh.com": _Suite(bits // 8, 12, _open_gcm) for bits in (128, 256)},
    "chacha20-poly1305@openssh.com": _Suite(64, 0, _open_chacha),
}
