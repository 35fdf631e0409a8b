"""Host keys: offered by a node, pinned by an admin."""

from typing import Any

from marshmallow import ValidationError, fields, pre_load, validates_schema

from app.schemas.base import LongText, StrictSchema, Text, whole_number

_EXAMPLE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHn0…"


class OfferedKeySchema(StrictSchema):
    """A key that the node has shown. Nothing is trusted because of it: compare its fingerprint, then pin it."""

    type = fields.String(metadata={"example": "ssh-ed25519"})
    fingerprint = fields.String(metadata={"example": "SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDVrqwIUNGD3f0Pz5c"})
    public_key = fields.Function(str, metadata={"type": "string", "example": _EXAMPLE})


class HostKeySchema(StrictSchema):
    id = fields.Integer(metadata={"example": 3})
    type = fields.String(metadata={"example": "ssh-ed25519"})
    fingerprint = fields.String(metadata={"example": "SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDVrqwIUNGD3f0Pz5c"})
    public_key = fields.String(metadata={"example": _EXAMPLE})
    pinned_by = fields.String(metadata={"example": "admin"})
    pinned_at = fields.AwareDateTime(format="iso")


class PinSchema(StrictSchema):
    """Exactly one of the two."""

    fingerprint = Text(
        maximum=50,
        pattern="SHA256:[A-Za-z0-9+/]{43}",
        rule="SHA256: and 43 characters, as ssh-keygen -l prints it.",
        metadata={"description": "Of a key that the last scan has shown."},
    )
    public_key = Text(
        maximum=8192,
        metadata={"description": "`type base64`, from /etc/ssh/ssh_host_*_key.pub on the node.", "example": _EXAMPLE},
    )

    @pre_load
    def _unwrap(self, data: Any, **kwargs: Any) -> Any:
        """Both are pasted from terminals and files: space around them is no part of them."""
        if not isinstance(data, dict):
            return data
        return {name: value.strip() if isinstance(value, str) else value for name, value in data.items()}

    @validates_schema
    def _ensure_one(self, data: dict[str, Any], **kwargs: Any) -> None:
        if len(data) != 1:
            raise ValidationError("Give either fingerprint or public_key.", "fingerprint")


class ApprovalSchema(StrictSchema):
    fingerprint = Text(
        required=True,
        maximum=50,
        pattern="SHA256:[A-Za-z0-9+/]{43}",
        rule="SHA256: and 43 characters, as ssh-keygen -l prints it.",
        metadata={
            "description": "Of the key that the node shows now, read on its console.",
            "example": "SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDVrqwIUNGD3f0Pz5c",
        },
    )


class ExpectedKeySchema(StrictSchema):
    hours = whole_number(
        1,
        24,
        load_default=1,
        metadata={"description": "For so long one new host key is expected.", "example": 1},
    )


class HeldJobSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 12})
    kind = fields.String(metadata={"example": "project.pull"})
    state = fields.String(metadata={"example": "QUEUED"})


class QuarantineSchema(StrictSchema):
    """A node that shows another host key than the pinned one."""

    since = fields.AwareDateTime(format="iso", allow_none=True)
    pinned = fields.List(fields.Nested(HostKeySchema))
    offered = fields.List(fields.Nested(OfferedKeySchema), metadata={"description": "Shown now, and not pinned."})
    commands = fields.List(
        fields.String(),
        metadata={
            "description": "For the node's console, to compare.",
            "example": ["ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"],
        },
    )
    held_jobs = fields.List(fields.Nested(HeldJobSchema), metadata={"description": "The first of them."})
    held_count = fields.Integer()


class KnownHostsSchema(StrictSchema):
    known_hosts = LongText(
        required=True,
        maximum=512 * 1024,
        metadata={"description": "A known_hosts text; lines for other hosts do not count."},
    )


class RefusedLineSchema(StrictSchema):
    line = fields.Integer(attribute="number", metadata={"example": 4})
    reason = fields.String()


class ImportedPinsSchema(StrictSchema):
    pinned = fields.List(fields.Nested(HostKeySchema))
    refused = fields.List(fields.Nested(RefusedLineSchema))
