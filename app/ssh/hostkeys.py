"""Host keys as values: reading a pinned line strictly, its fingerprint, and what may be negotiated for it."""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from app.errors import HostKeyMismatch, HostKeyUnknown, Invalid

# What is offered in the key exchange for a key of each type (RFC 8332: an RSA key signs with SHA-2).
ALGORITHMS: Final[dict[str, tuple[str, ...]]] = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
_MIN_RSA_BITS: Final = 2048
_MAX_LINE: Final = 8192


class UnreadableHostKey(Invalid):
    """Not a public host key that may be pinned; the message says why."""

    code = "host_key_unreadable"
    message = "This is not a host key that Bareboat can pin."


@dataclass(frozen=True, slots=True, order=True)
class HostKeyLine:
    """One public host key. `str()` is `type base64`, the form in which it is pinned and stored."""

    type: str
    public_key: str
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.type} {self.public_key}"


def parse_host_key(text: str) -> HostKeyLine:
    """Read `type base64 [comment]`. Raises UnreadableHostKey; nothing is repaired."""
    if len(text) > _MAX_LINE or not text.isprintable():
        raise UnreadableHostKey("A host key is one printable line: its type, then base64.")
    words = text.split(" ")
    if len(words) < 2:
        raise UnreadableHostKey("A host key is its type, one space, then base64; the second word is missing.")
    return _checked(words[0], words[1])


def host_key_from_blob(blob: bytes) -> HostKeyLine:
    """The same from the bytes of the wire; its type is the one that the bytes name."""
    size = int.from_bytes(blob[:4], "big")
    return _checked(blob[4 : 4 + size].decode("ascii", "replace"), base64.b64encode(blob).decode())


def fingerprint(blob: bytes) -> str:
    """`SHA256:` and unpadded base64, as `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


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
        )


def missing_type(offered: HostKeyLine, pins: tuple[HostKeyLine, ...], who: str) -> HostKeyMismatch:
    """The error for a node that has no key of a pinned type at all."""
    types = ", ".join(sorted({pin.type for pin in pins}))
    return HostKeyMismatch(
        f"{who} offers no {types} key, but that is what is pinned; it shows the {offered.type} key "
        f"{offered.fingerprint}. No login was tried. Compare on its console, then approve the new key.",
        offered=str(offered),
    )


def _named(pins: tuple[HostKeyLine, ...]) -> str:
    return " or ".join(f"{pin.type} {pin.fingerprint}" for pin in pins)


def _checked(type_: str, text: str) -> HostKeyLine:
    if type_ not in ALGORITHMS:
        raise UnreadableHostKey(f"The key type must be one of {', '.join(ALGORITHMS)}.")
    blob = _decoded(text)
    if blob[4 : 4 + int.from_bytes(blob[:4], "big")] != type_.encode():
        raise UnreadableHostKey("The type before the key is not the one inside the key.")
    try:
        key = load_ssh_public_key(f"{type_} {text}".encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnreadableHostKey("The bytes of the key are damaged or cut off; copy the whole line.") from error
    if isinstance(key, RSAPublicKey) and key.key_size < _MIN_RSA_BITS:
        raise UnreadableHostKey(f"An RSA host key needs {_MIN_RSA_BITS} bits; this one has {key.key_size}.")
    return HostKeyLine(type_, text, fingerprint(blob))


def _decoded(text: str) -> bytes:
    try:
        blob = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise UnreadableHostKey("The key is not whole base64; copy the whole line.") from error
    if base64.b64encode(blob).decode() != text:
        raise UnreadableHostKey("The key is not plain base64; copy the whole line.")
    return blob
