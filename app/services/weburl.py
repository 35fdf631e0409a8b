"""WebUrl: the addresses that notifications may be sent to, by a grammar of our own: what is not in it is refused.

https://HOST[:PORT]/PATH[?QUERY]    http:// alike, where NOTIFY_ALLOW_HTTP says so; no user, no fragment
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from app.commands.giturl import is_address_denied
from app.errors import Invalid

URL_LIMIT: Final = 2048
_FORM: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<target>(?:[/?][!-\"$-;=?-\[\]-_a-z|~]*)?)"
)
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_RULE: Final = "An address such as https://hooks.example.com/path; no user, no fragment, no blanks, ASCII only."
_LOCAL: Final = ("localhost", ".localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")


@dataclass(frozen=True, slots=True)
class WebUrl:
    """Made by `parse` only. `host` has no brackets; `target` is what stands in the request line. Its text is secret."""

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises Invalid that names the rule."""
        match = _FORM.fullmatch(text) if len(text) <= URL_LIMIT else None
        if match is None:
            raise Invalid(_RULE)
        scheme, target = match["scheme"], match["target"]
        port = int(match["port"] or (443 if scheme == "https" else 80))
        if port > 65535:
            raise Invalid("The port is a number from 1 to 65535.")
        return cls(scheme, _host(match["host"]), port, target if target.startswith("/") else f"/{target}")

    @property
    def place(self) -> str:
        """What of it may be shown: often the path is a secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def ensure_allowed(url: WebUrl, is_http_allowed: bool, denied: Iterable[str]) -> None:
    """What can be said before the name is looked up; raises Invalid."""
    if url.scheme != "https" and not is_http_allowed:
        raise Invalid("Only https:// addresses are allowed here; an admin can change the setting NOTIFY_ALLOW_HTTP.")
    address = "127.0.0.1" if url.host.lower().endswith(_LOCAL) else url.host
    if _is_address(address) and is_address_denied(address, denied):
        raise Invalid(f"{url.host} is in a network that is denied here; see the setting DENIED_NETWORKS.")


def _host(text: str) -> str:
    """A name, or an address in its one plain form: 127.1 and 0x7f.1 are addresses to a resolver, and refused."""
    if text.startswith("["):
        if not _is_address(text[1:-1]):
            raise Invalid(_RULE)
        return text[1:-1]
    labels = text.split(".")
    is_number = re.fullmatch(r"[0-9]+|0[xX][0-9A-Fa-f]*", labels[-1]) is not None
    is_name = len(text) <= 253 and all(_LABEL.fullmatch(label) for label in labels)
    if not is_name or (is_number and not _is_address(text)):
        raise Invalid(_RULE)
    return text


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
