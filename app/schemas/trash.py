"""The trash: what is told of what was deleted."""

from typing import Any

from marshmallow import fields, post_load

from app.schemas.base import QueryInteger, StrictSchema
from app.schemas.paging import PageQuery, with_filters


class TrashQuery(PageQuery):
    node_id = QueryInteger()

    @post_load
    def _gather(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return with_filters(data, "node_id")


class TrashEntrySchema(StrictSchema):
    id = fields.Integer(metadata={"example": 1})
    name = fields.String(metadata={"description": "Of the project that was deleted.", "example": "shop"})
    node_id = fields.Integer(metadata={"example": 1})
    git_url = fields.String(metadata={"example": "https://git.example.com/shop/web.git"})
    branch = fields.String(allow_none=True, metadata={"example": "main"})
    head = fields.String(allow_none=True, metadata={"example": "0a1beaa3c9d1f0b5a2e4d6c8b7a9f8e7d6c5b4a3"})
    key = fields.String(
        metadata={"description": "Its folder in `.bareboat/trash` of the projects root.", "example": "job-7-0-0a1beaa3"}
    )
    deleted_by = fields.String(metadata={"example": "otto"})
    deleted_at = fields.AwareDateTime(format="iso")
    keep_until = fields.AwareDateTime(format="iso", metadata={"description": "Removed for good after that."})
    job_id = fields.Integer(
        allow_none=True, metadata={"description": "The last job that was to restore or remove it.", "example": 9}
    )
