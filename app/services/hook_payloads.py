"""What forges send: how each signs, and which branch a push is of. Pure; nothing here is stored or asked for.

Sources: GitHub "Validating webhook deliveries" and "Webhook events and payloads"; GitLab "Webhooks" (X-Gitlab-Token,
and the signed form, which is that of standardwebhooks.com); Gitea "Webhooks", whose headers Forgejo sends too.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from app.errors import Invalid, SignatureInvalid
from app.models import ForgeKind
from app.secrets import Secret

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - as GitLab's signing tokens begin, and the others take any text
CLOCK_SKEW_SECONDS: Final = 300
_BRANCH: Final = "refs/heads/"
_PUSHES: Final = frozenset({"push", "Push Hook"})
_EVENTS: Final[Mapping[ForgeKind, tuple[str, ...]]] = {
    ForgeKind.GITHUB: ("x-github-event",),
    ForgeKind.GITLAB: ("x-gitlab-event",),
    ForgeKind.GITEA: ("x-gitea-event", "x-forgejo-event", "x-github-event"),
}
_IDS: Final[Mapping[ForgeKind, tuple[str, ...]]] = {
    ForgeKind.GITHUB: ("x-github-delivery",),
    ForgeKind.GITLAB: ("webhook-id", "idempotency-key", "x-gitlab-event-uuid"),
    ForgeKind.GITEA: ("x-gitea-delivery", "x-forgejo-delivery", "x-github-delivery"),
}


@dataclass(frozen=True, slots=True)
class Request:
    """As it came: `headers` by name in small letters, `body` before anything has read it."""

    headers: Mapping[str, str]
    body: bytes
    address: str | None = None

    def first(self, names: tuple[str, ...]) -> str:
        return next((self.headers[name] for name in names if self.headers.get(name)), "")


def ensure_signed(forge: ForgeKind, secret: Secret, request: Request, now: float) -> None:
    """Raises SignatureInvalid. `now` is in seconds since 1970."""
    if not _CHECKS[forge](secret.reveal().encode(), request, now):
        raise SignatureInvalid()


def keys_of(forge: ForgeKind, request: Request) -> set[str]:
    """By which a delivery is known again. A forge that signs the body and not the id is known by the body too: whoever
    has overheard one could give it another id."""
    given = request.first(_IDS[forge])
    keys = {f"id:{_digest(given.encode(errors='surrogateescape'))}"} if given else set()
    if forge is not ForgeKind.GITLAB or not keys:
        keys.add(f"body:{_digest(request.body)}")
    return keys


def event_of(forge: ForgeKind, request: Request) -> str:
    return request.first(_EVENTS[forge])[:64] or "none"


def pushed_branch(forge: ForgeKind, request: Request) -> str | None:
    """The branch that a push has moved; None for every other event, for tags, and for a branch that was deleted.

    Raises Invalid for a push that cannot be read.
    """
    if event_of(forge, request) not in _PUSHES:
        return None
    payload = _payload(request)
    ref, after = payload.get("ref"), payload.get("after")
    if not isinstance(ref, str):
        raise Invalid("The payload of a push names its branch as 'ref'.")
    is_gone = payload.get("deleted") is True or (isinstance(after, str) and after != "" and not after.strip("0"))
    return ref.removeprefix(_BRANCH) if ref.startswith(_BRANCH) and not is_gone else None


def _signs_as_github(secret: bytes, request: Request, now: float) -> bool:
    return _is_hex_hmac(secret, request.body, request.headers.get("x-hub-signature-256", ""), "sha256=")


def _signs_as_gitea(secret: bytes, request: Request, now: float) -> bool:
    """The first header that is there counts; a wrong one is not saved by another."""
    own = request.first(("x-gitea-signature", "x-forgejo-signature"))
    return _is_hex_hmac(secret, request.body, own, "") if own else _signs_as_github(secret, request, now)


def _signs_as_gitlab(secret: bytes, request: Request, now: float) -> bool:
    """The signed form where there is one; else the secret itself, which is all that older GitLabs send."""
    if "webhook-signature" in request.headers:
        return _is_standard(secret, request, now)
    return _is_same(secret, request.headers.get("x-gitlab-token", ""))


def _is_standard(secret: bytes, request: Request, now: float) -> bool:
    said_at = request.headers.get("webhook-timestamp", "")
    if not said_at.isdecimal() or len(said_at) > 12 or abs(now - int(said_at)) > CLOCK_SKEW_SECONDS:
        return False
    start = f"{request.headers.get('webhook-id', '')}.{said_at}.".encode(errors="surrogateescape")
    right = {_base64_hmac(key, start + request.body) for key in _standard_keys(secret)}
    given = [part.removeprefix("v1,") for part in request.headers["webhook-signature"].split() if part[:3] == "v1,"]
    return any(_is_same(one, each) for one in right for each in given[:8])


def _standard_keys(secret: bytes) -> list[bytes]:
    """The bytes that the text after the prefix stands for; or the text, where a forge takes it as it is."""
    try:
        return [secret, base64.b64decode(secret.removeprefix(SECRET_PREFIX.encode()), validate=True)]
    except binascii.Error:
        return [secret]


def _base64_hmac(key: bytes, data: bytes) -> bytes:
    return base64.b64encode(hmac.digest(key, data, "sha256"))


def _is_hex_hmac(secret: bytes, body: bytes, given: str, prefix: str) -> bool:
    right = prefix + hmac.new(secret, body, "sha256").hexdigest()
    return _is_same(right.encode(), given)


def _is_same(right: bytes, given: str) -> bool:
    """In a time that does not tell how much of it is right."""
    return hmac.compare_digest(right, given.encode(errors="surrogateescape"))


def _payload(request: Request) -> dict[str, Any]:
    """JSON, or a form's field `payload`, as GitHub and Gitea send where they are told to."""
    try:
        payload = json.loads(_text(request))
    except (ValueError, RecursionError) as error:
        raise Invalid("The payload is not valid JSON.") from error
    if not isinstance(payload, dict):
        raise Invalid("The payload is not a JSON object.")
    return payload


def _text(request: Request) -> str:
    text = request.body.decode()
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return text
    return parse_qs(text, max_num_fields=8).get("payload", [""])[0]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


_CHECKS: Final[Mapping[ForgeKind, Callable[[bytes, Request, float], bool]]] = {
    ForgeKind.GITHUB: _signs_as_github,
    ForgeKind.GITLAB: _signs_as_gitlab,
    ForgeKind.GITEA: _signs_as_gitea,
}
