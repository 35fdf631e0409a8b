"""From a new node to one that works: what the next step is, and what is pasted where."""

import shlex
from dataclasses import dataclass
from typing import Any, Literal

from app.errors import Invalid

Step = Literal["key", "scan", "pin", "probe", "mend"]
_KEY_TYPES = ("ssh-", "ecdsa-")


@dataclass(frozen=True, slots=True)
class Pasted:
    """What somebody has copied from a node's console. `fingerprints` and `public_keys` are pinned one by one; a
    `known_hosts` text is read as a whole."""

    fingerprints: tuple[str, ...] = ()
    public_keys: tuple[str, ...] = ()
    known_hosts: str | None = None


def next_step(node: Any) -> Step | None:
    """None when the node is online and whole."""
    if node.ssh_key_id is None:
        return "key"
    if not node.host_keys:
        return "pin" if node.offered_host_keys else "scan"
    if str(node.status) == "UNKNOWN":
        return "probe"
    return "mend" if str(node.status) == "OFFLINE" or node.status_reason else None


def authorize_line(public_key: str) -> str:
    """One line for the SSH user's shell on the node: lets us in, then prints the host keys to be pasted back."""
    return (
        f"umask 077; mkdir -p ~/.ssh && printf '\\n%s\\n' {shlex.quote(public_key)} >> ~/.ssh/authorized_keys; "
        "cat /etc/ssh/ssh_host_*_key.pub"
    )


def read_pasted(text: str) -> Pasted:
    """By its form: fingerprints (also with what `ssh-keygen -lf` prints around them), public keys, known_hosts."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise Invalid("Paste a fingerprint (SHA256:…), a host's public key, or lines of known_hosts.")
    fingerprints = tuple(word for line in lines for word in line.split() if word.startswith("SHA256:"))
    if fingerprints:
        return Pasted(fingerprints=fingerprints)
    if all(line.startswith(_KEY_TYPES) for line in lines):
        return Pasted(public_keys=tuple(lines))
    if len(lines) == 1 and len(lines[0].split()) < 3:
        raise Invalid("This is no fingerprint (SHA256:…), no public key and no line of known_hosts; copy it whole.")
    return Pasted(known_hosts=text)
