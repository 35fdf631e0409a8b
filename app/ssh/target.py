"""Target: all that is needed to speak to one node, as a frozen value; ids and rows stay outside this room."""

from dataclasses import dataclass, field

from app.secrets import Secret


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds; each step has its own limit, and `deadline` stands around all of them until login is done."""

    resolve: float = 5
    connect: float = 10
    banner: float = 15
    auth: float = 20
    deadline: float = 30


@dataclass(frozen=True, slots=True)
class Target:
    """A node as the SSH layer sees it.

    `host_keys` are the pins, each `"type base64"` as in known_hosts; empty means that nothing may be said to it.
    `private_key` is the login key in OpenSSH or PEM text, without passphrase. `jump` is another, equally pinned node.
    Limits bound the opening only, so they do not count in a comparison: a probe in a hurry and a patient job may share
    a connection.
    """

    name: str
    hostname: str
    port: int
    user: str
    private_key: Secret = field(compare=False)  # `key_fingerprint` stands for it
    key_fingerprint: str = ""
    host_keys: tuple[str, ...] = ()
    jump: "Target | None" = None
    limits: Limits = field(default=Limits(), compare=False)

    def __str__(self) -> str:
        return f"{self.name} ({self.user}@{self.hostname}:{self.port})"
