"""The audit log."""

from marshmallow import fields

from app.schemas.base import StrictSchema


class EventSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 40})
    at = fields.AwareDateTime(format="iso")
    actor = fields.String(metadata={"example": "admin"})
    address = fields.String(allow_none=True, metadata={"example": "192.0.2.7"})
    action = fields.String(metadata={"example": "project.clone"})
    subject = fields.String(metadata={"example": "project shop (job 12)"})
    outcome = fields.String(metadata={"example": "requested"})
    detail = fields.String(allow_none=True)
