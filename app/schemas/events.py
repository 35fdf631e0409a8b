"""The audit log."""

from datetime import UTC, datetime
from typing import Any, Final

from marshmallow import fields, post_load, validate

from app.schemas.base import QueryBoolean, QueryInteger, StrictSchema, Text
from app.schemas.paging import PageQuery, with_filters

_FILTERS: Final = ("action", "outcome", "trouble", "actor", "node", "project", "since", "until")
_TIMES: Final = validate.Range(
    datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC), error="A year from 1970 to 9000."
)


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


def _moment(description: str) -> fields.AwareDateTime:
    about = {"description": f"{description} UTC unless it names another zone.", "example": "2026-01-31T12:00:00Z"}
    wrong: dict[str, Any] = {"invalid": "Write a time as 2026-01-31T12:00, in UTC."}
    return fields.AwareDateTime(
        format="iso", default_timezone=UTC, validate=_TIMES, error_messages=wrong, metadata=about
    )


class EventQuery(PageQuery):
    action = Text(
        maximum=64,
        metadata={"description": "A kind of act, or its noun for all kinds of it.", "example": "project.pull"},
    )
    outcome = Text(maximum=32, metadata={"example": "refused"})
    trouble = QueryBoolean(metadata={"description": "Only what was refused or went wrong."})
    actor = Text(maximum=255, metadata={"example": "admin"})
    node = Text(maximum=255, metadata={"description": "The node's name at that time.", "example": "web-1"})
    project = Text(maximum=255, metadata={"description": "The project's name at that time.", "example": "shop"})
    since = _moment("Not before this time.")
    until = _moment("Not after this time.")
    search = Text(
        load_default=None, maximum=255, metadata={"description": "Part of the subject, the detail or the address."}
    )
    before = QueryInteger(
        load_default=None,
        metadata={"description": "An event's id: only what is elder. As `next_before` in `X-Pagination` says."},
    )

    @post_load
    def _gather(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return with_filters(data, *_FILTERS)


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
    after = QueryInteger(load_default=0, minimum=0, metadata={"description": "Only higher ids."})
