"""Playbooks: what is told of them, and how one is asked for. What may be written in one is app/playbooks."""

from marshmallow import fields

from app.schemas.base import StrictSchema
from app.schemas.runs import MembersSchema


class PlaybookListSchema(StrictSchema):
    name = fields.String(metadata={"example": "git-gc"})
    description = fields.String(allow_none=True)
    on = fields.String(allow_none=True, metadata={"description": "`project` or `node`.", "example": "project"})
    error = fields.String(allow_none=True, metadata={"description": "Why it cannot be used: file, line, remedy."})


class PlaybookSchema(StrictSchema):
    name = fields.String(metadata={"example": "git-gc"})
    description = fields.String()
    on = fields.String(metadata={"example": "project"})
    inputs = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(),
        metadata={"description": "By name: `type`, and maybe `description required default choices pattern`."},
    )
    steps = fields.List(fields.Dict(), metadata={"description": "As they are written; see docs/playbooks.md."})


class PlaybookRunSchema(MembersSchema):
    inputs = fields.Dict(
        keys=fields.String(),
        metadata={"description": "Values by name, in the type of each.", "example": {}},
    )


class OwnPlaybookRunSchema(StrictSchema):
    inputs = fields.Dict(
        keys=fields.String(),
        load_default=dict,
        metadata={"description": "Values by name, in the type of each.", "example": {}},
    )
