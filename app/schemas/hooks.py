"""Hooks: what may be asked for, and what is told of them; token and secret once."""

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from app.commands.refs import REF_LIMIT_BYTES, GitRef
from app.models import ForgeKind, HookOutcome
from app.schemas.base import Parsed, StrictBoolean, StrictSchema
from app.schemas.runs import WaveSchema


def _branch() -> Parsed:
    about = {"description": "Only pushes to it pull; null: the branch that the project is on.", "example": "main"}
    return Parsed(GitRef, maximum=REF_LIMIT_BYTES, allow_none=True, metadata=about)


class HookCreateSchema(StrictSchema):
    forge = fields.Enum(
        ForgeKind, by_value=True, required=True, metadata={"description": "How it signs.", "example": "github"}
    )
    branch = _branch()
    enabled = StrictBoolean(metadata={"description": "True unless given."})


class SetHookCreateSchema(HookCreateSchema, WaveSchema):
    """Of a whole set: each push is one run."""


class HookUpdateSchema(StrictSchema):
    branch = _branch()
    enabled = StrictBoolean(metadata={"description": "Off, it answers as if it were not there."})

    @validates_schema
    def _ensure_something(self, data: dict[str, Any], **kwargs: Any) -> None:
        if not data:
            raise ValidationError("Name at least one field to change.")


class SetHookUpdateSchema(HookUpdateSchema, WaveSchema):
    pass


class HookSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 1})
    project_id = fields.Integer(allow_none=True, metadata={"description": "Null: a set's.", "example": 1})
    set_id = fields.Integer(
        allow_none=True, metadata={"description": "The project set that it pulls; null: a project's."}
    )
    forge = fields.Enum(ForgeKind, by_value=True, metadata={"example": "github"})
    branch = fields.String(allow_none=True, metadata={"example": "main"})
    enabled = fields.Boolean()
    concurrency = fields.Integer(
        allow_none=True, metadata={"description": "Of a set's runs; null: as of any run, or a project's hook."}
    )
    max_failures = fields.Integer(
        allow_none=True, metadata={"description": "Of a set's runs; null: they go on whatever fails."}
    )
    pull_wanted_at = fields.AwareDateTime(
        format="iso", allow_none=True, metadata={"description": "A pull is asked for, and waits for project or node."}
    )
    last_delivery_at = fields.AwareDateTime(format="iso", allow_none=True)
    last_outcome = fields.Enum(HookOutcome, by_value=True, allow_none=True, metadata={"example": "queued"})
    created_by = fields.String(metadata={"example": "admin"})
    created_at = fields.AwareDateTime(format="iso")


class NewHookSchema(HookSchema):
    path = fields.String(
        metadata={"description": "Behind Bareboat's own address; shown once.", "example": "/api/v1/hooks/bbh_…"}
    )
    secret = fields.String(metadata={"description": "For the forge; shown once.", "example": "whsec_…"})


class HookDeliverySchema(StrictSchema):
    id = fields.Integer(metadata={"example": 7})
    event = fields.String(allow_none=True, metadata={"example": "push"})
    branch = fields.String(allow_none=True, metadata={"example": "main"})
    outcome = fields.Enum(HookOutcome, by_value=True, metadata={"example": "queued"})
    detail = fields.String(allow_none=True)
    job_id = fields.Integer(allow_none=True, metadata={"description": "Of a project's hook.", "example": 12})
    run_id = fields.Integer(allow_none=True, metadata={"description": "Of a set's hook: the run that pulls it."})
    address = fields.String(allow_none=True, metadata={"example": "192.0.2.7"})
    created_at = fields.AwareDateTime(format="iso")


class HookReceiptSchema(StrictSchema):
    received = fields.Boolean(metadata={"description": "Always true; what came of it is in the hook's log."})
