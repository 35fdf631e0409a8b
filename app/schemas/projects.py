"""Projects: what may be asked for, and what is told of them."""

from typing import Any, Final

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from app.commands.git import STRATEGIES
from app.commands.giturl import URL_LIMIT, GitUrl
from app.commands.paths import ProjectName
from app.commands.refs import REF_LIMIT_BYTES, GitRef
from app.models import ProjectStatus
from app.schemas.base import (
    Parsed,
    QueryBoolean,
    QueryInteger,
    StrictBoolean,
    StrictSchema,
    Text,
    an_id,
    whole_number,
)
from app.schemas.paging import SortedPageQuery, with_filters

MAX_DEPTH: Final = 1_000_000
REPORTABLE: Final = (ProjectStatus.ACTIVE.value, ProjectStatus.ERROR.value)
_URL_EXAMPLE: Final = "https://git.example.com/shop/web.git"


def git_url(**kwargs: Any) -> Parsed:
    about = {"description": "https, or ssh where a credential allows it; no password in it.", "example": _URL_EXAMPLE}
    return Parsed(GitUrl.parse, maximum=URL_LIMIT, metadata=about, **kwargs)


def branch(**kwargs: Any) -> Parsed:
    about = {"description": "Empty: the repository's default branch.", "example": "main"}
    return Parsed(GitRef, maximum=REF_LIMIT_BYTES, allow_none=True, metadata=about, **kwargs)


class CloneSchema(StrictSchema):
    name = Parsed(
        ProjectName,
        required=True,
        maximum=63,
        metadata={
            "description": "Folder below the node's projects root; unique on the node, upper and lower case alike.",
            "example": "shop",
        },
    )
    git_url = git_url(required=True)
    node_id = an_id(required=True, metadata={"example": 1})
    branch = branch()
    depth = whole_number(1, MAX_DEPTH, allow_none=True, metadata={"description": "Shallow clone of so many commits."})
    submodules = StrictBoolean(metadata={"description": "Fetch submodules too; false unless given."})
    git_credential_id = an_id(allow_none=True, metadata={"description": "One for the address's scheme, host and port."})


class ProjectUpdateSchema(StrictSchema):
    """To mend a clone that failed, before it is tried again. `git_credential_id` may change at any time, and
    `allow_own_playbooks`, by an admin."""

    git_url = git_url()
    branch = branch()
    git_credential_id = an_id(allow_none=True, metadata={"description": "Null: none."})
    allow_own_playbooks = StrictBoolean(
        metadata={"description": "Playbooks in the project's `.bareboat` may be run. For admins."}
    )

    @validates_schema
    def _ensure_something(self, data: dict[str, Any], **kwargs: Any) -> None:
        if not data:
            raise ValidationError("Name at least one field to change.")


class PullSchema(StrictSchema):
    strategy = fields.String(
        load_default="ff-only",
        validate=validate.OneOf(STRATEGIES),
        metadata={"description": "All but `ff-only` may change local work, and keep a recovery."},
    )


class CheckoutSchema(StrictSchema):
    ref = Parsed(
        GitRef,
        required=True,
        maximum=REF_LIMIT_BYTES,
        metadata={"description": "Branch, tag or commit id.", "example": "v1.2.0"},
    )


class DeleteQuery(StrictSchema):
    force = QueryBoolean(load_default=False, metadata={"description": "Drop work that is not committed or not pushed."})
    forget = QueryBoolean(
        load_default=False,
        metadata={"description": "Remove the entry here only: the node, which may be gone, is not spoken to."},
    )


class ReportSchema(StrictSchema):
    status = fields.String(required=True, validate=validate.OneOf(REPORTABLE), metadata={"example": "ACTIVE"})
    message = Text(minimum=0, maximum=2000, load_default=None, allow_none=True)


class ProjectQuery(SortedPageQuery):
    status = fields.Enum(ProjectStatus, by_value=True)
    node_id = QueryInteger()
    search = Text(load_default=None, maximum=63, metadata={"description": "Part of the name."})

    @post_load
    def _gather(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return with_filters(data, "status", "node_id")


class FailureSchema(StrictSchema):
    code = fields.String(metadata={"description": "A stable word.", "example": "git_auth_failed"})
    message = fields.String(metadata={"description": "What happened, and what to do."})


class RefusedCommitSchema(StrictSchema):
    sha = fields.String(metadata={"example": "0a1beaa3c9d1f0b5a2e4d6c8b7a9f8e7d6c5b4a3"})
    subject = fields.String(metadata={"description": "200 characters at most.", "example": "Mend the cart"})


class RefusedFileSchema(StrictSchema):
    path = fields.String(metadata={"description": "300 characters at most; for people.", "example": "src/cart.py"})
    state = fields.String(metadata={"description": "As of a working tree.", "example": "modified"})


class RefusalSchema(StrictSchema):
    """What is in the way of an act: the first 20 commits of each side, and the first 50 files."""

    commits_here = fields.List(fields.Nested(RefusedCommitSchema), metadata={"description": "Only the node has them."})
    commits_here_left_out = fields.Integer(metadata={"description": "How many more there are.", "example": 0})
    commits_upstream = fields.List(
        fields.Nested(RefusedCommitSchema), metadata={"description": "Only the upstream has them."}
    )
    commits_upstream_left_out = fields.Integer(metadata={"example": 0})
    files = fields.List(fields.Nested(RefusedFileSchema), metadata={"description": "Changed, or in conflict."})
    files_left_out = fields.Integer(metadata={"example": 0})


class ActFailureSchema(FailureSchema):
    details = fields.Nested(
        RefusalSchema, metadata={"description": "What a refusal is about; only there where that is known."}
    )


class ProjectSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 1})
    name = fields.String(metadata={"example": "shop"})
    git_url = fields.String(metadata={"example": _URL_EXAMPLE})
    branch = fields.String(allow_none=True, metadata={"example": "main"})
    node_id = fields.Integer(metadata={"example": 1})
    path = fields.String(metadata={"example": "/data/projects/shop"})
    status = fields.Enum(ProjectStatus, by_value=True, metadata={"example": "ACTIVE"})
    error = fields.Nested(FailureSchema, allow_none=True)
    head = fields.String(allow_none=True, metadata={"example": "0a1beaa3c9d1f0b5a2e4d6c8b7a9f8e7d6c5b4a3"})
    last_synced_at = fields.AwareDateTime(format="iso", allow_none=True)
    created_at = fields.AwareDateTime(format="iso")
    git_credential_id = fields.Integer(allow_none=True, metadata={"example": 1})
    allow_own_playbooks = fields.Boolean(metadata={"example": False})
    set_id = fields.Integer(allow_none=True, metadata={"description": "The project set that it is a member of."})


class CommitSchema(StrictSchema):
    sha = fields.String(metadata={"example": "0a1beaa3c9d1f0b5a2e4d6c8b7a9f8e7d6c5b4a3"})
    subject = fields.String(metadata={"example": "Mend the cart"})
    author = fields.String(metadata={"example": "Ada"})
    committed_at = fields.AwareDateTime(format="iso", allow_none=True)


class ChangeSchema(StrictSchema):
    path = fields.String(metadata={"example": "src/cart.py"})
    state = fields.String(metadata={"example": "modified"})


class WorkingTreeSchema(StrictSchema):
    """The working tree as it is at this moment."""

    branch = fields.String(allow_none=True, metadata={"description": "Null: detached.", "example": "main"})
    head = fields.Nested(CommitSchema, allow_none=True)
    upstream = fields.String(allow_none=True, metadata={"example": "origin/main"})
    ahead = fields.Integer(allow_none=True, metadata={"description": "Commits that only the node has.", "example": 0})
    behind = fields.Integer(allow_none=True, metadata={"description": "As of the last fetch.", "example": 2})
    dirty = fields.Boolean()
    changes = fields.List(fields.Nested(ChangeSchema))
    truncated = fields.Boolean(metadata={"description": "There are more changes than these."})
