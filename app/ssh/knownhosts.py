"""Importing host keys from text that people paste: known_hosts lines and public key files.

Written from sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". One bad line never hides the others, and what is not understood is
refused by number and reason: paramiko's reader drops the whole file at one bad line, and takes negated names for names.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from app.ssh.hostkeys import HostKeyLine, UnreadableHostKey, parse_host_key

_SSH_PORT: Final = 22
_MAX_LINES: Final = 10_000


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that was not taken: its number, counted from 1, and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Entry:
    number: int
    hosts: str
    marker: str
    key: HostKeyLine


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


_REFUSED_MARKERS: Final = {
    "@revoked": "this key is revoked",
    "@cert-authority": "a certificate authority cannot be pinned; pin the node's own key",
}


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
