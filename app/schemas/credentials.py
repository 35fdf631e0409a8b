"""Git credentials and git servers. No schema here can put a secret out: none has the field for it."""

from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from app.models import CredentialKind
from app.schemas.base import Parsed, SecretText, StrictSchema, Text, whole_number
from app.schemas.hostkeys import HostKeySchema
from app.schemas.hosts import HOSTNAME_LIMIT, ensure_hostname
from app.schemas.keys import PRIVATE_KEY_LIMIT

_NAME: Final = "[A-Za-z0-9](?:[A-Za-z0-9 ._@+-]{0,61}[A-Za-z0-9._@+-])?"
_USER: Final = "[A-Za-z0-9._+@][A-Za-z0-9._+@-]{0,63}"
_NEEDED: Final = {"https": ("username", "token"), "ssh": ("private_key",)}
_FOREIGN: Final = {"https": ("private_key", "passphrase"), "ssh": ("token",)}


def a_host(**kwargs: Any) -> Parsed:
    about = {"description": "As in the git address, without scheme and port.", "example": "git.example.com"}
    return Parsed(ensure_hostname, maximum=HOSTNAME_LIMIT, metadata=about, **kwargs)


class TokenText(SecretText):
    """A token or password: printable ASCII on one line."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValidationError("Must be printable ASCII without spaces and line breaks.")
        return text


class GitCredentialCreateSchema(StrictSchema):
    """For https a `username` and a `token`, for ssh a `private_key` with the passphrase that opens it."""

    name = Text(
        required=True,
        maximum=63,
        pattern=_NAME,
        rule="Starts with a letter or digit; then letters, digits, spaces inside, . _ @ + - (at most 63).",
        metadata={"example": "shop, read only"},
    )
    kind = fields.String(required=True, validate=validate.OneOf([kind.value for kind in CredentialKind]))
    host = a_host(required=True)
    port = whole_number(1, 65535, metadata={"description": "Where it is not the scheme's own.", "example": 8443})
    username = Text(
        maximum=64,
        pattern=_USER,
        rule="Letters, digits and . _ + @ - (not first), at most 64.",
        metadata={"description": "For ssh: where the address names no user; `git` unless given.", "example": "oauth2"},
    )
    token = TokenText(maximum=2048, metadata={"description": "Token or password."})
    private_key = SecretText(
        maximum=PRIVATE_KEY_LIMIT, metadata={"description": "OpenSSH, PEM or PKCS#8, at most 64 KiB."}
    )
    passphrase = SecretText(maximum=1024)

    @validates_schema
    def _ensure_kind(self, data: dict[str, Any], **kwargs: Any) -> None:
        kind = data.get("kind", "")
        errors = {
            name: [f"Goes with the other kind, not with {kind}."] for name in _FOREIGN.get(kind, ()) if name in data
        }
        errors |= {name: [f"Needed for {kind}."] for name in _NEEDED.get(kind, ()) if name not in data}
        if errors:
            raise ValidationError(errors)


class GitCredentialSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 1})
    name = fields.String(metadata={"example": "shop, read only"})
    kind = fields.Enum(CredentialKind, by_value=True, metadata={"example": "https"})
    host = fields.String(metadata={"example": "git.example.com"})
    port = fields.Integer(allow_none=True, metadata={"description": "Null: the scheme's own."})
    username = fields.String(metadata={"example": "oauth2"})
    public_key = fields.String(
        allow_none=True, metadata={"description": "Of an ssh credential: the deploy key for the git server."}
    )
    fingerprint = fields.String(allow_none=True)
    created_at = fields.AwareDateTime(format="iso")
    last_used_at = fields.AwareDateTime(format="iso", allow_none=True)


class GitHostCreateSchema(StrictSchema):
    host = a_host(required=True)
    port = whole_number(1, 65535, load_default=22)


class GitHostSchema(StrictSchema):
    """What is trusted of a git server over ssh; `offered_at` is the time of the last scan."""

    id = fields.Integer(metadata={"example": 1})
    host = fields.String(metadata={"example": "git.example.com"})
    port = fields.Integer(metadata={"example": 22})
    host_keys = fields.List(fields.Nested(HostKeySchema))
    offered_at = fields.AwareDateTime(format="iso", allow_none=True)
    created_at = fields.AwareDateTime(format="iso")
