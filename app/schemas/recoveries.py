"""Recoveries: what a project was before it was changed."""

from marshmallow import fields

from app.schemas.base import StrictSchema


class RecoverySchema(StrictSchema):
    id = fields.Integer(metadata={"example": 1})
    project_id = fields.Integer(metadata={"example": 1})
    act = fields.String(metadata={"description": "What came after it: a strategy, or `undo`.", "example": "reset"})
    ref = fields.String(
        metadata={"description": "In the repository on the node.", "example": "refs/bareboat/recovery/job-7-1-0a1beaa3"}
    )
    head = fields.String(allow_none=True, metadata={"example": "0a1beaa3c9d1f0b5a2e4d6c8b7a9f8e7d6c5b4a3"})
    branch = fields.String(allow_none=True, metadata={"example": "main"})
    requested_by = fields.String(metadata={"example": "otto"})
    created_at = fields.AwareDateTime(format="iso")
    keep_until = fields.AwareDateTime(format="iso", metadata={"description": "Given up after that."})
