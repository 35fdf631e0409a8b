"""Runs: one act on many projects or nodes. Services judge kind, parameters and members."""

from typing import Any, Final

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from app.commands.refs import REF_LIMIT_BYTES, GitRef
from app.models import MemberState, RunState
from app.schemas.base import LongText, Parsed, StrictBoolean, StrictSchema, Text, an_id, whole_number
from app.schemas.commands import CommandSchema
from app.schemas.paging import PageQuery, SortedPageQuery, with_filters
from app.schemas.projects import FailureSchema

_MOST_MEMBERS: Final = 2_000
_MOST_AT_ONCE: Final = 200


def _ids(what: str) -> fields.List:
    about = {"description": f"Ids of {what}, each counts once; at most {_MOST_MEMBERS}.", "example": [1, 2, 3]}
    return fields.List(an_id(), validate=validate.Length(min=1, max=_MOST_MEMBERS), metadata=about)


class WaveSchema(StrictSchema):
    """How a run goes on."""

    concurrency = whole_number(1, _MOST_AT_ONCE, metadata={"description": "Jobs at a time; 10 unless given."})
    max_failures = whole_number(
        1,
        _MOST_MEMBERS,
        allow_none=True,
        metadata={"description": "Begin no further one after so many failures; go on whatever fails unless given."},
    )


class MembersSchema(WaveSchema):
    """On what: projects, or nodes where the act is one on nodes."""

    project_ids = _ids("projects")
    node_ids = _ids("nodes")

    @validates_schema
    def _ensure_members(self, data: dict[str, Any], **kwargs: Any) -> None:
        if ("project_ids" in data) == ("node_ids" in data):
            raise ValidationError({"project_ids": ["Name either project_ids or node_ids."]})


class RunCreateSchema(MembersSchema):
    kind = Text(
        required=True,
        maximum=32,
        metadata={"description": "That of the jobs.", "example": "project.pull"},
    )
    params = fields.Dict(
        keys=fields.String(),
        load_default=dict,
        metadata={
            "description": "Those of the act: a pull has `strategy`, a checkout `ref`, a command what "
            "`/projects/{id}/commands` takes, a playbook `name` and `inputs`.",
            "example": {"strategy": "ff-only"},
        },
    )

    @validates_schema
    def _ensure_shape(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Of a command; which parameters an act has is the service's to say."""
        params = data.get("params") or {}
        if "steps" in params:
            raise ValidationError({"params": ["A playbook has 'name' and 'inputs' only."]})
        if "argv" in params and (problems := CommandSchema().validate(params)):
            raise ValidationError({"params": problems})


class RunFormSchema(WaveSchema):
    """As a page asks for it, beside the chosen projects: one act, with the fields of all of them."""

    act = Text(required=True, maximum=32)
    ref = Parsed(GitRef, maximum=REF_LIMIT_BYTES)
    line = LongText(maximum=8192)
    projects = Text(maximum=255)
    confirmed = StrictBoolean(load_default=False, metadata={"description": "That a reset is meant."})
    project_ids = fields.Raw(metadata={"description": "The boxes that are ticked, which the page reads itself."})


class RunRetrySchema(StrictSchema):
    skipped = StrictBoolean(load_default=False, metadata={"description": "Also what was never begun."})


class RunQuery(SortedPageQuery):
    state = fields.Enum(RunState, by_value=True)
    kind = Text(maximum=32, metadata={"example": "project.pull"})

    @post_load
    def _gather(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return with_filters(data, "state", "kind")


class RunMemberQuery(PageQuery):
    """What went wrong first."""

    state = fields.Enum(MemberState, by_value=True)

    @post_load
    def _gather(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return with_filters(data, "state")


class RunSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 3})
    kind = fields.String(metadata={"example": "project.pull"})
    params = fields.Dict(metadata={"example": {"strategy": "ff-only"}})
    state = fields.Enum(RunState, by_value=True, metadata={"example": "RUNNING"})
    concurrency = fields.Integer(metadata={"example": 10})
    max_failures = fields.Integer(allow_none=True)
    size = fields.Integer(metadata={"description": "How many members.", "example": 50})
    recap = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={
            "description": "Members by state: `waiting running ok changed failed unreachable skipped`.",
            "example": {
                "waiting": 0, "running": 0, "ok": 40, "changed": 7, "failed": 1, "unreachable": 2, "skipped": 0
            },
        },
    )  # fmt: skip
    retry_of_id = fields.Integer(allow_none=True, metadata={"description": "The run whose failures it tries again."})
    requested_by = fields.String(metadata={"example": "admin"})
    cancel_requested_at = fields.AwareDateTime(format="iso", allow_none=True)
    created_at = fields.AwareDateTime(format="iso")
    finished_at = fields.AwareDateTime(format="iso", allow_none=True)


class RunMemberSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 31})
    project_id = fields.Integer(allow_none=True, metadata={"example": 1})
    project_name = fields.String(allow_none=True, metadata={"description": "Stays when the project is gone."})
    node_id = fields.Integer(allow_none=True, metadata={"example": 1})
    node_name = fields.String(allow_none=True, metadata={"example": "web-1"})
    state = fields.Enum(MemberState, by_value=True, metadata={"example": "ok"})
    job_id = fields.Integer(allow_none=True, metadata={"description": "Its log says more.", "example": 12})
    error = fields.Nested(FailureSchema, allow_none=True)
