"""Where a node is: a DNS name or an IP literal. No resolver is asked here, and nothing that only it would accept."""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from app.errors import Invalid

HOSTNAME_LIMIT: Final = 253
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_REFUSED_IN_URL: Final = frozenset("\\\"'<>`^{|} ")


def ensure_hostname(text: str) -> None:
    """Raises Invalid, naming the rule."""
    if not text or len(text) > HOSTNAME_LIMIT:
        raise Invalid(f"A host name has 1 to {HOSTNAME_LIMIT} characters.")
    if _is_address(text):
        return
    labels = text.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise Invalid(
            "A DNS name (letters, digits, '-' and '_' inside, '.' between) or an IP address; IPv6 without brackets."
        )
    # 127.1 and 0x7f000001 are 127.0.0.1 to a resolver: what ends in a number must be a whole IPv4 address.
    if _NUMBER.fullmatch(labels[-1]):
        raise Invalid("A host that ends in a number must be an IPv4 address with four plain numbers.")


def ensure_web_url(text: str) -> None:
    """Raises Invalid unless it is an http or https address with a host and without a password in it."""
    rule = "An address that starts with https:// or http://, with a host, without user, spaces or quotes."
    if not text.isprintable() or _REFUSED_IN_URL & set(text):
        raise Invalid(rule)
    try:
        parts = urlsplit(text)
        is_fine = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        _ = parts.port
    except ValueError as error:
        raise Invalid(rule) from error
    if not is_fine:
        raise Invalid(rule)


def _is_address(text: str) -> bool:
    """Zones (`fe80::1%eth0`) are refused: the part behind `%` is free text."""
    if "%" in text:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
