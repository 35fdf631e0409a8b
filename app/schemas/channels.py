"""Notification channels: what may be asked for, and what is told of them; never an address that is a secret."""

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.models import ChannelKind, DeliveryState
from app.schemas.base import SecretText, StrictBoolean, StrictSchema, Text

URL_LIMIT: Final = 2048
_NAME_RULE: Final = "Letters, digits, blanks and . _ - ; it starts with a letter or digit."


def _name(**kwargs: Any) -> Text:
    about = {"description": "Unique.", "example": "ops"}
    return Text(maximum=63, pattern=r"[A-Za-z0-9][A-Za-z0-9 ._-]*", rule=_NAME_RULE, metadata=about, **kwargs)


def _url() -> SecretText:
    return SecretText(maximum=URL_LIMIT, metadata={"description": "For `json` and `slack`: https. Never shown again."})


def _recipients() -> fields.List:
    about = {"description": "For `email`.", "example": ["ops@example.org"]}
    return fields.List(Text(maximum=254), validate=validate.Length(max=20), metadata=about)


def _events() -> fields.List:
    about = {"description": "All unless given.", "example": ["node.offline", "node.online"]}
    return fields.List(Text(maximum=32), validate=validate.Length(max=50), metadata=about)


class ChannelCreateSchema(StrictSchema):
    name = _name(required=True)
    kind = fields.Enum(ChannelKind, by_value=True, required=True, metadata={"example": "json"})
    url = _url()
    recipients = _recipients()
    events = _events()
    enabled = StrictBoolean(metadata={"description": "True unless given."})


class ChannelUpdateSchema(StrictSchema):
    name = _name()
    url = _url()
    recipients = _recipients()
    events = _events()
    enabled = StrictBoolean()

    @validates_schema
    def _ensure_something(self, data: dict[str, Any], **kwargs: Any) -> None:
        if not data:
            raise ValidationError("Name at least one field to change.")


class _ChannelFormSchema(StrictSchema):
    name = _name(required=True)
    kind = fields.Enum(ChannelKind, by_value=True, required=True)
    url = _url()
    recipients = Text(maximum=2600)
    events = fields.Raw(dump_only=True)  # what a refusal of the boxes is called


def form_schema(events: tuple[str, ...]) -> Schema:
    """As a page asks for it: a box for each event, the recipients in one line."""
    boxes: dict[str, Any] = {name.replace(".", "_"): StrictBoolean() for name in events}
    made: Schema = _ChannelFormSchema.from_dict(boxes, name="ChannelFormSchema")()
    return made


class ChannelSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 1})
    name = fields.String(metadata={"example": "ops"})
    kind = fields.Enum(ChannelKind, by_value=True, metadata={"example": "json"})
    place = fields.String(
        metadata={"description": "What of its address may be shown.", "example": "https://hooks.example.com:443"}
    )
    events = fields.List(fields.String(), metadata={"example": ["node.offline"]})
    enabled = fields.Boolean()
    last_state = fields.Enum(DeliveryState, by_value=True, allow_none=True, metadata={"example": "DELIVERED"})
    last_delivery_at = fields.AwareDateTime(format="iso", allow_none=True)
    created_by = fields.String(metadata={"example": "admin"})
    created_at = fields.AwareDateTime(format="iso")


class NewChannelSchema(ChannelSchema):
    secret = fields.String(
        allow_none=True, metadata={"description": "Signs what is sent as JSON; shown once.", "example": "bbs_…"}
    )


class NotificationDeliverySchema(StrictSchema):
    id = fields.Integer(metadata={"example": 7})
    uid = fields.String(metadata={"description": "As the receiver gets it, in `id`."})
    event = fields.String(metadata={"example": "node.offline"})
    subject = fields.String(metadata={"example": "node web-1"})
    text = fields.String()
    state = fields.Enum(DeliveryState, by_value=True, metadata={"example": "DELIVERED"})
    attempts = fields.Integer(metadata={"example": 1})
    next_try_at = fields.AwareDateTime(format="iso", allow_none=True)
    last_code = fields.Integer(
        allow_none=True, metadata={"description": "The receiver's status of HTTP or SMTP.", "example": 200}
    )
    last_error = fields.String(allow_none=True)
    created_at = fields.AwareDateTime(format="iso")
    finished_at = fields.AwareDateTime(format="iso", allow_none=True)
