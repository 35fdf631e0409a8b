"""Host keys as values: read strictly from one line, from the wire, and from text that people paste.

The reader of known_hosts is written from sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". One bad line never hides the others,
and what is not understood is refused by number and reason: paramiko's reader drops the whole file at one bad line, and
takes negated names for names.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from app.errors import Invalid

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
_MAX_LINES: Final = 10_000
_SSH_PORT: Final = 22
_REMEMBERED: Final = 4_096  # a pin is read for each act on its node
_REFUSED_MARKERS: Final = {
    "@revoked": "this key is revoked",
    "@cert-authority": "a certificate authority cannot be pinned; pin the node's own key",
}


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


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that was not taken: its number, counted from 1, and why."""

    number: int
    reason: str


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


def import_known_hosts(text: str, hostname: str, port: int) -> tuple[list[HostKeyLine], list[RefusedLine]]:
    """The keys for one host, each once, in their order; and the lines refused. Lines of other hosts are passed over.

    A revoked key is never taken, whatever other lines say. Certificate authorities are refused: keys are pinned.
    """
    refused: list[RefusedLine] = []
    entries = [entry for entry in _entries(text, refused) if _matches(entry, _lookup_name(hostname, port), refused)]
    revoked = {entry.key for entry in entries if entry.marker == "@revoked"}
    refused += [RefusedLine(entry.number, _REFUSED_MARKERS[entry.marker]) for entry in entries if entry.marker]
    refused += [
        RefusedLine(entry.number, "this key is revoked by another line")
        for entry in entries
        if not entry.marker and entry.key in revoked
    ]
    keys = [entry.key for entry in entries if not entry.marker and entry.key not in revoked]
    return _unique(keys), sorted(refused, key=lambda line: line.number)


def import_public_keys(text: str) -> tuple[list[HostKeyLine], list[RefusedLine]]:
    """The keys of `type base64 comment` lines, as in `/etc/ssh/ssh_host_*_key.pub`; and the lines refused."""
    keys: list[HostKeyLine] = []
    refused: list[RefusedLine] = []
    for number, line in _lines(text):
        try:
            keys.append(parse_host_key(" ".join(line.split())))
        except UnreadableHostKey as error:
            refused.append(RefusedLine(number, error.message))
    return _unique(keys), refused


@dataclass(frozen=True, slots=True)
class _Entry:
    number: int
    hosts: str
    marker: str
    key: HostKeyLine


@lru_cache(_REMEMBERED)
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


def _entries(text: str, refused: list[RefusedLine]) -> Iterator[_Entry]:
    for number, line in _lines(text):
        try:
            yield _entry(number, line.split())
        except UnreadableHostKey as error:
            refused.append(RefusedLine(number, error.message))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Numbered lines, without empty ones and comments."""
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text)[:_MAX_LINES], 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _entry(number: int, words: list[str]) -> _Entry:
    marker = words.pop(0) if words[0].startswith("@") else ""
    if marker and marker not in _REFUSED_MARKERS:
        raise UnreadableHostKey(f"The marker is not known; only {' and '.join(_REFUSED_MARKERS)} are.")
    if len(words) < 3:
        raise UnreadableHostKey("A line of known_hosts is: names, key type, key.")
    return _Entry(number, words[0], marker, parse_host_key(f"{words[1]} {words[2]}"))


def _lookup_name(hostname: str, port: int) -> str:
    """The name under which ssh looks a host up: with brackets and port, unless the port is 22."""
    name = hostname.lower()
    return name if port == _SSH_PORT else f"[{name}]:{port}"


def _matches(entry: _Entry, name: str, refused: list[RefusedLine]) -> bool:
    try:
        if entry.hosts.startswith("|"):
            return _is_hash_of(entry.hosts, name)
        return _is_listed(entry.hosts.lower().split(","), name)
    except UnreadableHostKey as error:
        refused.append(RefusedLine(entry.number, error.message))
        return False


def _is_hash_of(field: str, name: str) -> bool:
    """`|1|salt|hash`: HMAC-SHA1 of the name under the salt."""
    try:
        empty, version, salt, digest = field.split("|")
        key, wanted = base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True)
    except (ValueError, binascii.Error) as error:
        raise UnreadableHostKey("The hashed name is damaged; it should be |1|salt|hash.") from error
    if (empty, version) != ("", "1"):
        raise UnreadableHostKey("The hashed name is of an unknown kind; only |1| is known.")
    return hmac.compare_digest(hmac.new(key, name.encode(), hashlib.sha1).digest(), wanted)


def _is_listed(patterns: list[str], name: str) -> bool:
    """One pattern must match, and no negated one may."""
    if any(pattern.startswith("!") and _fits(pattern[1:], name) for pattern in patterns):
        return False
    return any(not pattern.startswith("!") and _fits(pattern, name) for pattern in patterns)


def _fits(pattern: str, name: str) -> bool:
    """`*` is any text, `?` one character, and nothing else is special. Linear, whatever the pattern."""
    at, star, resume = 0, -1, 0
    here = 0
    while here < len(name):
        if at < len(pattern) and pattern[at] in ("?", name[here]):
            at, here = at + 1, here + 1
        elif at < len(pattern) and pattern[at] == "*":
            star, resume, at = at, here, at + 1
        elif star >= 0:
            resume += 1
            at, here = star + 1, resume
        else:
            return False
    return not pattern[at:].strip("*")


def _unique(keys: Iterable[HostKeyLine]) -> list[HostKeyLine]:
    return list(dict.fromkeys(keys))
