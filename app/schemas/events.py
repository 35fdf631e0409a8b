"""The audit log."""

from marshmallow import fields

from app.schemas.base import QueryInteger, StrictSchema


class EventSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 40})
    at = fields.AwareDateTime(format="iso")
    actor = fields.String(metadata={"example": "admin"})
    address = fields.String(allow_none=True, metadata={"example": "192.0.2.7"})
    action = fields.String(metadata={"example": "project.clone"})
    subject = fields.String(metadata={"example": "project shop (job 12)"})
    outcome = fields.String(metadata={"example": "requested"})
    detail = fields.String(allow_none=True)
    previous_hash = fields.String(metadata={"description": "Of the event before it."})
    hash = fields.String(metadata={"description": "SHA-256 of this event, the previous hash included."})


class ChainSchema(StrictSchema):
    """Where the chain of events ends, and after which event that was cleared away by age it begins."""

    head_id = fields.Integer()
    head_hash = fields.String()
    anchor_id = fields.Integer()
    anchor_hash = fields.String()


class VerificationSchema(StrictSchema):
    count = fields.Integer(metadata={"description": "Events that follow from each other."})
    head_id = fields.Integer()
    head_hash = fields.String()
    fault = fields.String(allow_none=True, metadata={"description": "What is wrong first; null when nothing is."})


class ExportQuery(StrictSchema):
    after = QueryInteger(load_default=0, minimum=0, maximum=2**53, metadata={"description": "Only higher ids."})
