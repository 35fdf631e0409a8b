"""What the settings say about logins at an OpenID Connect issuer: all that is needed, or nothing at all."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from app.errors import Invalid, SettingsWrong
from app.models import Role
from app.secrets import Secret
from app.services.weburl import WebUrl

ISSUER_LIMIT: Final = 512  # of the column that holds it
_NEEDED: Final = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_ROLES")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """`external_url` is scheme and host, without a slash at its end."""

    issuer: str
    client_id: str
    client_secret: Secret
    roles: Mapping[str, Role]
    role_claim: str
    username_claim: str
    name: str
    external_url: str
    allows_loopback_http: bool

    @classmethod
    def find(cls, settings: Mapping[str, Any]) -> Self | None:
        """None where nothing is set. Raises SettingsWrong naming the setting."""
        if not any(settings[name] for name in _NEEDED):
            return None
        if missing := [name for name in (*_NEEDED, "EXTERNAL_URL") if not settings[name]]:
            raise SettingsWrong(f"Logins by OIDC are half set up: {', '.join(missing)} is missing.")
        may_be_http = settings["OIDC_ALLOW_LOOPBACK_HTTP"] is True
        return cls(
            issuer=_issuer(settings["OIDC_ISSUER"], may_be_http),
            client_id=_text(settings, "OIDC_CLIENT_ID"),
            client_secret=Secret(_text(settings, "OIDC_CLIENT_SECRET")),
            roles=_roles(settings["OIDC_ROLES"]),
            role_claim=_text(settings, "OIDC_ROLE_CLAIM"),
            username_claim=_text(settings, "OIDC_USERNAME_CLAIM"),
            name=_text(settings, "OIDC_NAME"),
            external_url=_external_url(settings["EXTERNAL_URL"], may_be_http),
            allows_loopback_http=may_be_http,
        )

    def role_of(self, claims: Mapping[str, Any]) -> Role | None:
        """The highest that the claim is mapped to. A dot leads inwards, where no claim has the whole name."""
        given = _claim(claims, self.role_claim)
        values = given if isinstance(given, list) else [given]
        found = [self.roles[value] for value in values if isinstance(value, str) and value in self.roles]
        return max(found, key=list(Role).index, default=None)


def endpoint(text: object, may_be_http: bool) -> WebUrl:
    """An address of the issuer: https, or http on loopback where that is allowed. Raises Invalid."""
    url = WebUrl.parse(text if isinstance(text, str) else "")
    if url.scheme != "https" and not (may_be_http and _is_loopback(url.host)):
        raise Invalid("It has to be an https:// address.")
    return url


def _text(settings: Mapping[str, Any], name: str) -> str:
    text = settings[name]
    if not isinstance(text, str) or not 1 <= len(text) <= 1024 or not text.isprintable():
        raise SettingsWrong(f"{name} has to be a text of 1 to 1024 printable characters.")
    return text


def _issuer(text: object, may_be_http: bool) -> str:
    url = _address(text, "OIDC_ISSUER", may_be_http)
    if "?" in url.target or len(str(text)) > ISSUER_LIMIT:
        raise SettingsWrong(f"OIDC_ISSUER has no query, and {ISSUER_LIMIT} characters at most.")
    return str(text)


def _external_url(text: object, may_be_http: bool) -> str:
    url = _address(text, "EXTERNAL_URL", may_be_http)
    if url.target != "/":
        raise SettingsWrong("EXTERNAL_URL is scheme and host alone, such as https://bareboat.example.com.")
    place = url.place.lower()
    return place.removesuffix(f":{_DEFAULT_PORTS[url.scheme]}")


def _address(text: object, name: str, may_be_http: bool) -> WebUrl:
    try:
        return endpoint(text, may_be_http)
    except Invalid as error:
        raise SettingsWrong(f"{name} is not usable. {error.message}") from error


def _roles(given: object) -> Mapping[str, Role]:
    rule = "OIDC_ROLES maps values of the claim to viewer, operator or admin, such as {'bareboat-admins': 'admin'}."
    if not isinstance(given, Mapping):
        raise SettingsWrong(rule)
    try:
        roles = {value: Role(role) for value, role in given.items() if isinstance(value, str) and value}
    except ValueError as error:
        raise SettingsWrong(rule) from error
    if len(roles) != len(given):
        raise SettingsWrong(rule)
    return roles


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    if name in claims:
        return claims[name]
    inner: Any = claims
    for part in name.split("."):
        inner = inner.get(part) if isinstance(inner, Mapping) else None
    return inner


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
