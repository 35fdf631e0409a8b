"""GitUrl: the addresses that git on a node may be given, by a grammar of our own, and where they may point.

Nothing is decoded, stripped or normalised: a text is either in the grammar or refused, with the rule named.

    https://[USER@]HOST[:PORT]/PATH    http:// alike    git://HOST[:PORT]/PATH
    ssh://[USER@]HOST[:PORT]/PATH      [USER@]HOST:PATH (scp form; its scheme reads `ssh`)
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from app.errors import ActFailed, InvalidGitUrl
from app.redaction import printable

URL_LIMIT: Final = 2048
DEFAULT_PORTS: Final = {"https": 443, "http": 80, "git": 9418, "ssh": 22}

_USER: Final = re.compile(r"[A-Za-z0-9._+@][A-Za-z0-9._+@-]{0,63}")
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NUMBER_LABEL: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_REFUSED_IN_PATH: Final = frozenset('\\%?#"<>^`{|} ')
_LOCAL_NAMES: Final = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
# Addresses that carry an IPv4 address in their last 32 bits: IPv4-compatible, IPv4-translated, NAT64, local NAT64.
_CARRIERS: Final = tuple(
    ipaddress.IPv6Network(text) for text in ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)

_SHOWN_CHARACTERS: Final = 60

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class GitUrl:
    """Made by `parse` only. `text` is what git is given, unchanged; `host` has no brackets; `port` None = default."""

    scheme: str
    user: str | None
    host: str
    port: int | None
    path: str
    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises InvalidGitUrl, whose message names the rule that the text breaks."""
        _ensure_plain_text(text)
        scheme, mark, rest = text.partition("://")
        if mark:
            return cls(scheme, *_split_url(scheme, rest), text)
        return cls("ssh", *_split_scp(text), text)

    @property
    def effective_port(self) -> int:
        return self.port or DEFAULT_PORTS[self.scheme]

    @property
    def address(self) -> Address | None:
        """The host, when it is written as an IP address."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    def __str__(self) -> str:
        return self.text


def ensure_allowed(url: GitUrl, schemes: Iterable[str], denied_networks: Iterable[str]) -> None:
    """What can be said without asking a name server; raises InvalidGitUrl. Names are checked on the node, later."""
    allowed = tuple(schemes)
    if url.scheme not in allowed:
        raise InvalidGitUrl(
            f"{url.scheme} addresses are not allowed here, only {', '.join(allowed) or 'none'}; an admin can change "
            "the setting ALLOWED_GIT_SCHEMES."
        )
    networks = tuple(denied_networks)
    host = str(ipaddress.IPv4Address(0x7F000001)) if _is_local_name(url.host) else url.host
    if (_is_local_name(url.host) or url.address is not None) and is_address_denied(host, networks):
        raise InvalidGitUrl(
            f"{url.host} is in a network where git addresses may not point; an admin can change the setting "
            "DENIED_NETWORKS."
        )


def ensure_address_allowed(address: str, networks: Iterable[str]) -> None:
    """For an address that a name resolved to; raises ActFailed `git_address_denied`, also for what is no address."""
    if is_address_denied(address, networks):
        raise ActFailed(
            "git_address_denied",
            f"The git server's name leads to {printable(address, _SHOWN_CHARACTERS)}, in a network that is denied "
            "here; see DENIED_NETWORKS.",
        )


def is_address_denied(address: str, networks: Iterable[str]) -> bool:
    """True also for text that is no address, or has a zone: only link-local ones need it, and whatever text it is would
    go with the address. IPv4 inside IPv6 (mapped, compatible, translated, NAT64, 6to4, Teredo) counts as both."""
    try:
        meant = ipaddress.ip_address(address)
    except ValueError:
        return True
    if "%" in address:
        return True
    denied = [ipaddress.ip_network(network) for network in networks]
    return any(each in network for each in _faces(meant) for network in denied if each.version == network.version)


def _faces(address: Address) -> list[Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in carrier for carrier in _CARRIERS):
        carried.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [address, *(each for each in carried if each is not None)]


def _is_local_name(host: str) -> bool:
    return host.lower() in _LOCAL_NAMES or host.lower().endswith(".localhost")


def _ensure_plain_text(text: str) -> None:
    if not text or len(text) > URL_LIMIT:
        raise InvalidGitUrl(f"A git address has 1 to {URL_LIMIT} characters.")
    if not text.isprintable():
        raise InvalidGitUrl("A git address must not hold control or invisible characters, or line breaks.")
    if text.startswith("-"):
        raise InvalidGitUrl("A git address must not start with '-'.")


def _split_url(scheme: str, rest: str) -> tuple[str | None, str, int | None, str]:
    if scheme not in DEFAULT_PORTS:
        raise InvalidGitUrl(
            "A git address starts with https:// or ssh:// (where an admin allows it: http://, git://), "
            "or is user@host:path."
        )
    authority, slash, path = rest.partition("/")
    userinfo, at, place = authority.rpartition("@")
    if at and scheme == "git":
        raise InvalidGitUrl("A git:// address has no user.")
    host, port = _split_host(place)
    return _user(userinfo) if at else None, host, port, _path(slash + path, "/")


def _split_scp(text: str) -> tuple[str | None, str, int | None, str]:
    """`USER@HOST:PATH`; what has no colon, or a slash before it, is a local path."""
    match = re.fullmatch(r"(?:(?P<user>[^/:]*)@)?(?P<host>\[[^]/]*\]|[^/:@]*):(?P<path>.*)", text)
    if match is None:
        raise InvalidGitUrl("This is a local path or no address at all; git needs https://… or user@host:path.")
    if re.match(r"[^/@]*@[^/:]*:", match["path"]):
        raise InvalidGitUrl("A git address must not hold a password; add a git credential instead.")
    if match["path"].startswith((":", "-", "~")):
        raise InvalidGitUrl("The path after 'host:' must not start with ':', '-' or '~'.")
    user = _user(match["user"]) if match["user"] is not None else None
    return user, _host(match["host"]), None, _path(match["path"], "")


def _user(text: str) -> str:
    if ":" in text:
        raise InvalidGitUrl("A git address must not hold a password; add a git credential instead.")
    if not _USER.fullmatch(text):
        raise InvalidGitUrl("The user in a git address has only letters, digits and . _ + @ - (not first), at most 64.")
    return text


def _split_host(place: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"(?P<host>\[[^]]*\]|[^:\[\]]*)(?P<colon>:(?P<port>.*))?", place)
    if match is None:
        raise InvalidGitUrl("The host of a git address is a name, an IPv4 address, or an IPv6 address in brackets.")
    if match["colon"] is None:
        return _host(match["host"]), None
    if not _PORT.fullmatch(match["port"]) or int(match["port"]) > 65535:
        raise InvalidGitUrl("The port of a git address is a number from 1 to 65535.")
    return _host(match["host"]), int(match["port"])


def _host(text: str) -> str:
    if text.startswith("["):
        return _ipv6(text[1:-1])
    labels = text.split(".")
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidGitUrl("The host of a git address has only letters, digits, '-' inside and '.' between.")
    # 127.1, 2130706433 and 0x7f.1 are 127.0.0.1 to a resolver: a host that ends in a number must be plain IPv4.
    if _NUMBER_LABEL.fullmatch(labels[-1]) and not _is_ipv4(text):
        raise InvalidGitUrl("A host that ends in a number must be an IPv4 address with four plain numbers.")
    return text


def _is_ipv4(text: str) -> bool:
    try:
        return str(ipaddress.IPv4Address(text)) == text
    except ValueError:
        return False


def _ipv6(text: str) -> str:
    try:
        canonical = "%" not in text and str(ipaddress.IPv6Address(text)) == text.lower()
    except ValueError:
        canonical = False
    if not canonical:
        raise InvalidGitUrl("An IPv6 address in a git address is written in its short form, without a zone.")
    return text


def _path(text: str, prefix: str) -> str:
    if not text.startswith(prefix) or not text.strip("/"):
        raise InvalidGitUrl("A git address names a repository: a path after the host.")
    if refused := sorted(_REFUSED_IN_PATH.intersection(text)):
        raise InvalidGitUrl(f"The path of a git address must not hold {refused[0]!r} (no query, fragment or escapes).")
    components = text.removeprefix("/").removesuffix("/").split("/")
    if any(component in ("", ".", "..") for component in components):
        raise InvalidGitUrl("The path of a git address must have no empty, '.' or '..' component.")
    return text
