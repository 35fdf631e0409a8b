"""The one shape of every refusal."""

from marshmallow import fields

from app.schemas.base import StrictSchema


class ProblemSchema(StrictSchema):
    code = fields.Integer(metadata={"description": "The HTTP status.", "example": 409})
    status = fields.String(metadata={"description": "The HTTP status in words.", "example": "Conflict"})
    error = fields.String(metadata={"description": "A stable word, for programs.", "example": "node_offline"})
    message = fields.String(
        metadata={"description": "For people: what happened, and what to do.", "example": "Node web-1 is offline: …"}
    )
    errors = fields.Dict(
        keys=fields.String(),
        metadata={"description": "By field, what is wrong with it.", "example": {"name": ["In use on this node."]}},
    )
