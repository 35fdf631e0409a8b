"""Project sets: what may be asked for, and how their members stand."""

from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from app.commands.paths import ProjectName
from app.models import NodeStatus, ProjectStatus
from app.schemas.base import Parsed, QueryBoolean, StrictBoolean, StrictSchema, an_id
from app.schemas.paging import SortedPageQuery
from app.schemas.projects import FailureSchema, PullSchema, branch, git_url
from app.schemas.runs import WaveSchema

_MOST_NODES: Final = 2_000


def _node_ids(minimum: int, **kwargs: Any) -> fields.List:
    about = {"description": f"Ids of nodes, each counts once; at most {_MOST_NODES}.", "example": [1, 2, 3]}
    return fields.List(an_id(), validate=validate.Length(min=minimum, max=_MOST_NODES), metadata=about, **kwargs)


class _WantedSchema(WaveSchema):
    name = Parsed(
        ProjectName,
        required=True,
        maximum=63,
        metadata={"description": "Unique among sets; the name of its project on every node.", "example": "shop"},
    )
    git_url = git_url(required=True)
    branch = branch()
    git_credential_id = an_id(allow_none=True, metadata={"description": "One for the address's scheme, host and port."})


class ProjectSetCreateSchema(_WantedSchema):
    node_ids = _node_ids(0, load_default=list)


class ProjectSetFormSchema(_WantedSchema):
    """As a page asks for it."""

    node_ids = fields.Raw(metadata={"description": "The boxes that are ticked, which the page reads itself."})


class ProjectSetUpdateSchema(StrictSchema):
    branch = branch()
    git_credential_id = an_id(allow_none=True, metadata={"description": "Of all its members; null: none."})

    @validates_schema
    def _ensure_something(self, data: dict[str, Any], **kwargs: Any) -> None:
        if not data:
            raise ValidationError("Name at least one field to change.")


class SetNodesSchema(WaveSchema):
    node_ids = _node_ids(1, required=True)


class SetPullSchema(WaveSchema, PullSchema):
    """As a pull of one project, and how the run goes on."""


class SetPullFormSchema(SetPullSchema):
    """As a page asks for it."""

    confirmed = StrictBoolean(load_default=False, metadata={"description": "That a reset is meant."})


class SetNodeRemovalQuery(StrictSchema):
    delete = QueryBoolean(
        load_default=False,
        metadata={"description": "Delete the project from its node; refused where work is only there."},
    )
    force = QueryBoolean(load_default=False, metadata={"description": "With `delete`: drop such work."})

    @validates_schema
    def _ensure_delete(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data.get("force") and not data.get("delete"):
            raise ValidationError({"force": ["Only a delete can be forced; add delete=true."]})


class ProjectSetQuery(SortedPageQuery):
    """By name unless sorted."""


class DriftQuery(StrictSchema):
    live = QueryBoolean(load_default=False, metadata={"description": "Look at every working tree now."})


class ProjectSetSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 1})
    name = fields.String(metadata={"example": "shop"})
    git_url = fields.String(metadata={"example": "https://git.example.com/shop/web.git"})
    branch = fields.String(allow_none=True, metadata={"example": "main"})
    git_credential_id = fields.Integer(allow_none=True)
    size = fields.Integer(metadata={"description": "How many nodes have it.", "example": 12})
    created_at = fields.AwareDateTime(format="iso")


class GrownSetSchema(ProjectSetSchema):
    run_id = fields.Integer(
        allow_none=True, metadata={"description": "The run that clones; null: every node has it already.", "example": 3}
    )


class SetNodeRemovalSchema(StrictSchema):
    project_id = fields.Integer(metadata={"description": "What it was there as.", "example": 7})
    job_id = fields.Integer(allow_none=True, metadata={"description": "The job that deletes it, if asked for."})


class StandingSchema(StrictSchema):
    project_id = fields.Integer(metadata={"example": 7})
    node_id = fields.Integer(metadata={"example": 1})
    node_name = fields.String(metadata={"example": "web-1"})
    node_status = fields.Enum(NodeStatus, by_value=True, metadata={"example": "ONLINE"})
    status = fields.Enum(ProjectStatus, by_value=True, metadata={"example": "ACTIVE"})
    flags = fields.List(
        fields.String(),
        metadata={
            "description": "`no_answer error diverged other_branch ahead behind dirty offline`; none: all is well.",
            "example": ["behind"],
        },
    )
    branch = fields.String(allow_none=True, metadata={"description": "Null: detached.", "example": "main"})
    head = fields.String(allow_none=True, metadata={"example": "0a1beaa3c9d1f0b5a2e4d6c8b7a9f8e7d6c5b4a3"})
    subject = fields.String(allow_none=True, metadata={"example": "Mend the cart"})
    ahead = fields.Integer(
        allow_none=True, metadata={"description": "As of its last pull, or the look; null: not known."}
    )
    behind = fields.Integer(allow_none=True, metadata={"description": "As of its last fetch."})
    dirty = fields.Boolean(allow_none=True, metadata={"description": "Null: not looked at."})
    last_synced_at = fields.AwareDateTime(format="iso", allow_none=True)
    error = fields.Nested(FailureSchema, allow_none=True)
    is_live = fields.Boolean(metadata={"description": "It was asked just now."})
    problem = fields.String(allow_none=True, metadata={"description": "Why it could not be asked."})


class ReferenceSchema(StrictSchema):
    """What the members are compared with."""

    branch = fields.String(allow_none=True, metadata={"example": "main"})
    head = fields.String(allow_none=True, metadata={"example": "0a1beaa3c9d1f0b5a2e4d6c8b7a9f8e7d6c5b4a3"})
    subject = fields.String(allow_none=True, metadata={"example": "Mend the cart"})
    node_name = fields.String(allow_none=True, metadata={"description": "Where it was synced last."})


class DriftSchema(StrictSchema):
    set_id = fields.Integer(metadata={"example": 1})
    is_live = fields.Boolean()
    reference = fields.Nested(ReferenceSchema)
    counts = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={"description": "Members by flag.", "example": {"behind": 2}},
    )
    members = fields.List(fields.Nested(StandingSchema), metadata={"description": "Those with the worst flags first."})
