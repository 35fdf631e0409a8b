"""An OpenID Connect issuer on loopback, with keys made at run time. A test bends what it says, one thing at a time."""

import json
import secrets
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

CLIENT_ID, CLIENT_SECRET = "bareboat", "a secret of the client"
Token = Callable[["FakeIssuer", dict[str, Any]], str]


def signed(issuer: "FakeIssuer", claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": issuer.algorithm, "kid": issuer.key.kid}, claims, issuer.key, [issuer.algorithm])


def new_key(algorithm: str) -> RSAKey | ECKey:
    made = RSAKey.generate_key(2048) if algorithm == "RS256" else ECKey.generate_key("P-256")
    made.ensure_kid()
    return made


_usual_key = cache(new_key)  # RSA keys take their time


@dataclass
class FakeIssuer:
    """`person` are the claims of who is logged in there; `bent` replaces good claims of the ID token."""

    person: dict[str, Any] = field(default_factory=lambda: {"sub": "s-1", "preferred_username": "grace"})
    bent: dict[str, Any] = field(default_factory=dict)
    token: Token = signed
    algorithm: str = "RS256"
    metadata: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.key = _usual_key(self.algorithm)

    def new_key(self) -> None:
        self.key = new_key(self.algorithm)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def settings(self) -> dict[str, Any]:
        roles = {"ops": "operator", "bosses": "admin", "all": "viewer"}
        told = {"OIDC_CLIENT_ID": CLIENT_ID, "OIDC_CLIENT_SECRET": CLIENT_SECRET, "OIDC_ROLES": roles}
        told |= {"OIDC_NAME": "Example Login", "EXTERNAL_URL": "http://localhost", "OIDC_ALLOW_LOOPBACK_HTTP": True}
        return told | {"OIDC_ISSUER": self.url}

    def authorize(self, url: str) -> str:
        """What a browser does there when its person agrees: the path at which it comes back."""
        asked = dict(parse_qsl(urlsplit(url).query))
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        assert (asked["code_challenge_method"], asked["scope"]) == ("S256", "openid profile")
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        back = urlsplit(asked["redirect_uri"])
        assert f"{back.scheme}://{back.netloc}" == "http://localhost"
        return f"{back.path}?code={code}&state={asked['state']}"

    def answer(self, path: str) -> tuple[int, Any]:
        if path == "/.well-known/openid-configuration":
            return 200, self._discovery() | self.metadata
        return (200, self._keys()) if path == "/jwks" else (404, {})

    def redeem(self, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        """A code is good once, for the verifier behind its challenge, from the client with its secret."""
        asked = self.codes.pop(form.get("code", ""), None)
        client = b64decode(authorization.removeprefix("Basic ")).decode()
        if client != f"{CLIENT_ID}:{CLIENT_SECRET}":
            return 401, {"error": "invalid_client"}
        if asked is None or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        challenge = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        if challenge != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        id_token = self.token(self, claims | self.person | self.bent)
        return 200, {"access_token": "unused", "token_type": "Bearer", "id_token": id_token}

    def __enter__(self) -> Self:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                self._say(*issuer.answer(self.path))

            def do_POST(self) -> None:
                issuer.asked.append(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                self._say(*issuer.redeem(form, self.headers["Authorization"]))

            def _say(self, status: int, what: Any) -> None:
                body = json.dumps(what).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Not on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _discovery(self) -> dict[str, Any]:
        places = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/jwks"}
        return {"issuer": self.url} | {name: self.url + path for name, path in places.items()}

    def _keys(self) -> dict[str, Any]:
        """As real issuers have them: also one for encryption, and one of a kind that is not known everywhere."""
        others: list[Any] = [{"kty": "AKP", "kid": "a", "alg": "ML-DSA-44", "pub": "x"}]
        others.append(self.key.as_dict(private=False) | {"kid": "b", "use": "enc", "alg": "RSA-OAEP"})
        return {"keys": [*others, self.key.as_dict(private=False)]}
