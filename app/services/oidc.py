"""Logins at an OpenID Connect issuer: authorization code with PKCE, state and nonce; the ID token is checked here.

What the issuer says of itself is fetched within seconds, kept for an hour, and believed only where it names itself
exactly as the setting does. Asking keeps the rules of `outgoing`: no redirect, a limit on size and time.
"""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from flask import Flask, current_app
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from app.errors import DeliveryFailed, Invalid, IssuerUnavailable, LoginRefused
from app.services.oidc_settings import OidcSettings, endpoint
from app.services.outgoing import Answer, Ask, ask
from app.services.tokens import new_token

CALLBACK_PATH: Final = "/login/oidc/callback"
ALGORITHMS: Final = ("RS256", "ES256")
_EXTENSION: Final = "bareboat_oidc"
_KEPT_SECONDS: Final = 3600.0
_KEYS_SECONDS: Final = 60.0  # the soonest that keys are fetched again for one that is not among them
_FAILED_SECONDS: Final = 5.0  # so long nobody waits anew for an issuer that has just not answered
_ASK_SECONDS: Final = 6.0
_MOST_WAITING: Final = 4  # of the threads that serve pages: an issuer that is silent does not silence the others
_CLOCK_SECONDS: Final = 60  # by so much two clocks may differ
_NOT_KNOWN: Final = ("invalid_client", "unauthorized_client")  # RFC 6749, 5.2
# What comes of an answer that is not what it should be: another type, another encoding, a crowd of brackets.
_NONSENSE: Final = (JoseError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError)
_KINDS: Final = ("RSA", "EC")  # an issuer may have keys for other things too
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True)
class Attempt:
    """`url` is where the browser is sent; the rest stays with it and comes back with the issuer's answer."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(slots=True)
class _Kept:
    metadata: dict[str, Any]
    keys: KeySet
    at: float


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer of the token endpoint, as Authlib reads one."""

    answer: Answer

    @property
    def status_code(self) -> int:
        return self.answer.status

    def json(self) -> Any:
        return json.loads(self.answer.body)

    def raise_for_status(self) -> None:
        if self.status_code >= HTTPStatus.BAD_REQUEST:
            raise IssuerUnavailable(f"The login server answered {self.status_code}; try again later.")


def init_app(app: Flask) -> None:
    """Raises SettingsWrong for settings that are half made."""
    settings = OidcSettings.find(app.config)
    app.extensions[_EXTENSION] = Issuer(settings) if settings else None


def _usable(keys: Mapping[str, Any]) -> Any:
    """Of a set of keys those that may have signed an ID token."""
    known = [key for key in keys["keys"] if key["kty"] in _KINDS and key.get("use", "sig") == "sig"]
    return {"keys": known}


def _is_fresh(kept: _Kept) -> bool:
    return time.monotonic() - kept.at <= _KEPT_SECONDS


def find_issuer() -> "Issuer | None":
    issuer: Issuer | None = current_app.extensions[_EXTENSION]
    return issuer


class Issuer:
    """Safe for threads. What it raises is IssuerUnavailable or LoginRefused."""

    def __init__(self, settings: OidcSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(_MOST_WAITING)
        self._kept: _Kept | None = None
        self._failed: tuple[float, IssuerUnavailable] | None = None

    def begin(self) -> Attempt:
        state, nonce, verifier = (new_token("").reveal() for _ in range(3))
        metadata = self._known().metadata
        url, _ = self._client(metadata).create_authorization_url(
            metadata["authorization_endpoint"], state, verifier, nonce=nonce
        )
        return Attempt(url, state, nonce, verifier)

    def redeem(self, code: str, attempt: Attempt) -> dict[str, Any]:
        """The claims of the ID token that the code stands for, every one of them checked."""
        metadata = self._known().metadata
        wanted = {"code": code, "grant_type": "authorization_code", "code_verifier": attempt.verifier}
        try:
            with self._place():
                said = self._client(metadata).fetch_token(metadata["token_endpoint"], **wanted)
        except AuthlibBaseError as error:
            if error.error in _NOT_KNOWN:
                raise IssuerUnavailable(
                    "The login server does not know Bareboat; an admin compares OIDC_CLIENT_ID and OIDC_CLIENT_SECRET."
                ) from error
            raise LoginRefused("The login server does not take the code; log in again.") from error
        except _NONSENSE as error:
            raise IssuerUnavailable("The login server's answer is not understood; an admin looks there.") from error
        return self._claims(said, attempt.nonce)

    def names_itself(self, given: str | None) -> bool:
        """Whether an answer is of this issuer (RFC 9207): where it says so of its answers, each has to."""
        promised = self._known().metadata.get("authorization_response_iss_parameter_supported") is True
        return given == self.settings.issuer or (given is None and not promised)

    def _claims(self, said: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        settings = self.settings
        options: Any = {
            "iss": {"essential": True, "value": settings.issuer},
            "aud": {"essential": True, "value": settings.client_id},
        }
        params = {"nonce": nonce, "client_id": settings.client_id, "access_token": said.get("access_token")}
        try:
            token = self._decoded(str(said.get("id_token", "")))
            claims = CodeIDToken(token.claims, token.header, options, params)
            claims.validate(leeway=_CLOCK_SECONDS)
        except _NONSENSE as error:
            raise LoginRefused("The login server's answer does not prove who you are; log in again.") from error
        return dict(claims)

    def _decoded(self, id_token: str) -> jwt.Token:
        """By the keys that are known; fetched anew for one that is not among them."""
        kept = self._known()
        try:
            return jwt.decode(id_token, kept.keys, algorithms=ALGORITHMS)
        except InvalidKeyIdError:
            if time.monotonic() - kept.at < _KEYS_SECONDS:
                raise
            self._forget(kept)
            return jwt.decode(id_token, self._known().keys, algorithms=ALGORITHMS)

    def _forget(self, kept: _Kept) -> None:
        with self._lock:
            if self._kept is kept:
                self._kept = None

    def _known(self) -> _Kept:
        kept = self._kept
        if kept is not None and _is_fresh(kept):
            return kept
        with self._place(), self._lock:
            if self._failed and time.monotonic() - self._failed[0] < _FAILED_SECONDS:
                raise IssuerUnavailable(self._failed[1].message)
            if self._kept is None or not _is_fresh(self._kept):
                self._kept = self._fetched()
            return self._kept

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Anybody may begin a login, and whoever asks waits: for a few there is room."""
        if not self._places.acquire(blocking=False):
            raise IssuerUnavailable("Many logins wait for the login server just now; try again in a moment.")
        try:
            yield
        finally:
            self._places.release()

    def _fetched(self) -> _Kept:
        try:
            metadata = self._metadata()
            keys = KeySet.import_key_set(_usable(self._fetch(metadata["jwks_uri"])))
        except IssuerUnavailable as error:
            self._failed = time.monotonic(), error
            raise
        except _NONSENSE as error:
            self._failed = time.monotonic(), IssuerUnavailable("The login server's keys are not understood.")
            raise self._failed[1] from error
        self._failed = None
        return _Kept(metadata, keys, time.monotonic())

    def _metadata(self) -> dict[str, Any]:
        """OpenID Connect Discovery 1.0, 4: the issuer in it has to be exactly the one that was asked."""
        issuer = self.settings.issuer
        metadata = self._fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if metadata.get("issuer") != issuer:
            raise IssuerUnavailable("The login server calls itself by another name than OIDC_ISSUER says.")
        for name in _ENDPOINTS:
            self._endpoint(metadata.get(name), name)
        return metadata

    def _endpoint(self, text: object, name: str) -> Any:
        try:
            return endpoint(text, self.settings.allows_loopback_http)
        except Invalid as error:
            raise IssuerUnavailable(f"The login server's {name} is not usable. {error.message}") from error

    def _fetch(self, url: str) -> dict[str, Any]:
        answer = self._ask(Ask("GET", self._endpoint(url, "address"), {"Accept": "application/json"}))
        try:
            said = json.loads(answer.body) if answer.status == HTTPStatus.OK else None
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise IssuerUnavailable(f"The login server's answer is not understood (status {answer.status}).")
        return said

    def _ask(self, what: Ask) -> Answer:
        """The issuer may be anywhere: its address is a setting. Other places that it names may not."""
        is_own = what.url.host == endpoint(self.settings.issuer, self.settings.allows_loopback_http).host
        denied = () if is_own else current_app.config["DENIED_NETWORKS"]
        try:
            return ask(what, denied, seconds=_ASK_SECONDS)
        except DeliveryFailed as error:
            text = f"{self.settings.name} is out of reach; try again later, or use a password. {error.message}"
            raise IssuerUnavailable(text) from error

    def _client(self, metadata: Mapping[str, Any]) -> OAuth2Client:
        settings, known = self.settings, metadata.get("token_endpoint_auth_methods_supported")
        is_basic = not isinstance(known, list) or "client_secret_basic" in known
        return OAuth2Client(
            self,
            settings.client_id,
            settings.client_secret.reveal(),
            token_endpoint_auth_method="client_secret_basic" if is_basic else "client_secret_post",
            scope="openid profile",
            redirect_uri=f"{settings.external_url}{CALLBACK_PATH}",
            code_challenge_method="S256",
        )

    def post(self, url: str, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> _Said:
        """Authlib's door to the network."""
        url, headers, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return _Said(self._ask(Ask("POST", self._endpoint(url, "token_endpoint"), headers, body.encode())))
