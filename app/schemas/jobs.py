"""Jobs: how far, how it ended, and its log."""

from typing import Any, Final

from marshmallow import ValidationError, fields, post_load, validates_schema

from app.models import JobState
from app.schemas.base import QueryBoolean, QueryInteger, StrictSchema, Text, an_id
from app.schemas.paging import SortedPageQuery, with_filters
from app.schemas.projects import ActFailureSchema

MAX_OFFSET: Final = 2**63 - 1


class ProgressSchema(StrictSchema):
    phase = fields.String(allow_none=True, metadata={"description": "A stable word.", "example": "waiting"})
    percent = fields.Integer(allow_none=True, metadata={"description": "Of the whole act.", "example": 0})
    detail = fields.String(allow_none=True, metadata={"description": "A few words for people."})


class JobSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 12})
    kind = fields.String(metadata={"example": "project.clone"})
    project_id = fields.Integer(allow_none=True, metadata={"example": 1})
    node_id = fields.Integer(allow_none=True, metadata={"example": 1})
    project_name = fields.String(allow_none=True, metadata={"description": "Stays when the project is gone."})
    node_name = fields.String(allow_none=True, metadata={"example": "web-1"})
    state = fields.Enum(JobState, by_value=True, metadata={"example": "QUEUED"})
    waiting_for = fields.String(
        allow_none=True,
        metadata={
            "description": "Why nobody works on it now: `runner`, `retry` (see `run_after`), `node_offline`; "
            "`host_key_mismatch`, `host_key_unpinned`, `auth_failed` (until an admin has acted); or null.",
            "example": "runner",
        },
    )
    run_after = fields.AwareDateTime(
        format="iso", allow_none=True, metadata={"description": "When the next attempt may start."}
    )
    cancel_requested_at = fields.AwareDateTime(format="iso", allow_none=True)
    attempt = fields.Integer(metadata={"example": 1})
    max_attempts = fields.Integer(metadata={"example": 3})
    progress = fields.Nested(ProgressSchema)
    exit_status = fields.Integer(allow_none=True)
    result = fields.Dict(
        allow_none=True,
        metadata={
            "description": "What it came to: `changed`, where that is known; of a playbook its `steps`; "
            "of a scheduled own one also the `commit` that it was read at.",
            "example": {"changed": True},
        },
    )
    error = fields.Nested(ActFailureSchema, allow_none=True)
    requested_by = fields.String(metadata={"example": "admin"})
    created_at = fields.AwareDateTime(format="iso")
    started_at = fields.AwareDateTime(format="iso", allow_none=True)
    finished_at = fields.AwareDateTime(format="iso", allow_none=True)


class JobDetailSchema(JobSchema):
    queue_position = fields.Integer(
        allow_none=True,
        metadata={"description": "How many jobs that wait for a runner come before it; null when it waits for none."},
    )


class QueuedQuery(StrictSchema):
    """Which of the waiting jobs; nothing given: all of them."""

    kind = Text(maximum=32, metadata={"example": "project.pull"})
    project_id = an_id()
    node_id = an_id(metadata={"example": 1})


class CancelledSchema(StrictSchema):
    cancelled = fields.Integer(metadata={"description": "How many were waiting, and are cancelled.", "example": 42})


class JobQuery(SortedPageQuery):
    state = fields.Enum(JobState, by_value=True)
    kind = Text(maximum=32, metadata={"example": "project.clone"})
    project_id = QueryInteger()
    node_id = QueryInteger()

    @post_load
    def _gather(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return with_filters(data, "state", "kind", "project_id", "node_id")


class LogQuery(StrictSchema):
    offset = QueryInteger(
        load_default=0, minimum=0, maximum=MAX_OFFSET, metadata={"description": "Bytes to leave out."}
    )
    download = QueryBoolean(load_default=False, metadata={"description": "Ask the browser to save it as a file."})
    timestamps = QueryBoolean(
        load_default=False, metadata={"description": "All of it, each line behind the time (UTC) at which it came."}
    )

    @validates_schema
    def _check_offset(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["timestamps"] and data["offset"]:
            raise ValidationError("With timestamps the log comes whole; leave the offset out.", "offset")
