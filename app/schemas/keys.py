"""SSH keys with which Bareboat logs in to nodes. No schema here can put a private half out: none has the field."""

from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from app.schemas.base import SecretText, StrictSchema, Text, an_id
from app.schemas.runs import WaveSchema

KEY_KINDS: Final = ("ed25519", "ecdsa", "rsa")
PRIVATE_KEY_LIMIT: Final = 64 * 1024
_NAME: Final = "[A-Za-z0-9](?:[A-Za-z0-9 ._@+-]{0,61}[A-Za-z0-9._@+-])?"


class SSHKeyCreateSchema(StrictSchema):
    """Either `generate`, or a `private_key` with the passphrase that opens it."""

    name = Text(
        required=True,
        maximum=63,
        pattern=_NAME,
        rule="Starts with a letter or digit; then letters, digits, spaces inside, . _ @ + - (at most 63).",
        metadata={"example": "fleet"},
    )
    generate = fields.String(validate=validate.OneOf(KEY_KINDS), metadata={"example": "ed25519"})
    private_key = SecretText(
        maximum=PRIVATE_KEY_LIMIT, metadata={"description": "OpenSSH, PEM or PKCS#8, at most 64 KiB."}
    )
    passphrase = SecretText(maximum=1024)

    @validates_schema
    def _ensure_one(self, data: dict[str, Any], **kwargs: Any) -> None:
        if ("generate" in data) == ("private_key" in data):
            raise ValidationError("Give either generate or private_key.", "generate")
        if "passphrase" in data and "private_key" not in data:
            raise ValidationError("Goes with a private_key only.", "passphrase")


class RotationSchema(WaveSchema):
    """Another key for the nodes that log in with this one."""

    to_key_id = an_id(required=True, metadata={"description": "The SSH key that they get.", "example": 2})
    node_ids = fields.List(
        an_id(),
        validate=validate.Length(min=1, max=2_000),
        metadata={"description": "All that log in with the key, unless given.", "example": [1, 2, 3]},
    )


class SSHKeySchema(StrictSchema):
    id = fields.Integer(metadata={"example": 1})
    name = fields.String(metadata={"example": "fleet"})
    type = fields.String(metadata={"example": "ssh-ed25519"})
    bits = fields.Integer(metadata={"example": 256})
    fingerprint = fields.String(metadata={"example": "SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDVrqwIUNGD3f0Pz5c"})
    public_key = fields.String(
        metadata={
            "description": "For ~/.ssh/authorized_keys on the nodes.",
            "example": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHn0… fleet",
        }
    )
    created_at = fields.AwareDateTime(format="iso")
    last_used_at = fields.AwareDateTime(format="iso", allow_none=True)
