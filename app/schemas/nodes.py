"""Nodes, and what probes have seen of them."""

from typing import Any, Final

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from app.commands.paths import PATH_LIMIT_BYTES, ProjectsRoot
from app.models import NodeStatus
from app.schemas.base import Parsed, QueryBoolean, StrictBoolean, StrictSchema, Text, an_id, whole_number
from app.schemas.hosts import HOSTNAME_LIMIT, ensure_hostname, ensure_web_url
from app.schemas.paging import SortedPageQuery, with_filters

MAX_LABELS: Final = 32
_NAME: Final = "[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_NAME_RULE: Final = "Starts with a letter or digit and has only letters, digits, . _ - (at most 63)."
_USER: Final = "[a-z_][a-z0-9_.-]{0,31}"
_USER_RULE: Final = "A POSIX user name: starts with a-z or _, then a-z, digits, . _ - (at most 32)."


def node_name(**kwargs: Any) -> Text:
    return Text(maximum=63, pattern=_NAME, rule=_NAME_RULE, metadata={"example": "web-1"}, **kwargs)


def node_hostname(**kwargs: Any) -> Parsed:
    about = {"description": "DNS name or IP address; IPv6 without brackets.", "example": "web-1.example.com"}
    return Parsed(ensure_hostname, maximum=HOSTNAME_LIMIT, metadata=about, **kwargs)


def ssh_user(**kwargs: Any) -> Text:
    return Text(maximum=32, pattern=_USER, rule=_USER_RULE, metadata={"example": "deploy"}, **kwargs)


def projects_root(**kwargs: Any) -> Parsed:
    about = {
        "description": "Folder on the node that holds the projects; it must exist. Default: the setting PROJECTS_ROOT.",
        "example": "/data/projects",
    }
    return Parsed(ProjectsRoot, maximum=PATH_LIMIT_BYTES, metadata=about, **kwargs)


class NodeFieldsSchema(StrictSchema):
    """What may be left out when a node is made and when it is changed."""

    ssh_port = whole_number(1, 65535, metadata={"description": "22 unless given.", "example": 22})
    ssh_key_id = an_id(allow_none=True, metadata={"description": "The SSH key to log in with.", "example": 1})
    jump_node_id = an_id(
        allow_none=True,
        metadata={"description": "Another pinned node, the way to this one.", "example": 2},
    )
    projects_root = projects_root()
    labels = fields.Dict(
        keys=Text(
            maximum=63,
            pattern="[A-Za-z0-9][A-Za-z0-9._/-]*",
            rule="A label is name=value; a name has letters, digits, . _ / - (at most 63).",
        ),
        values=Text(minimum=0, maximum=255),
        validate=validate.Length(max=MAX_LABELS),
        metadata={"description": f"Words of your own, at most {MAX_LABELS}.", "example": {"site": "berlin"}},
    )
    cordoned = StrictBoolean(metadata={"description": "Keeps new work off the node; it is not probed either."})
    editor_url = Parsed(
        ensure_web_url,
        maximum=2048,
        allow_none=True,
        metadata={"description": "Address of a web editor on this node.", "example": "https://code.example.com/"},
    )


class NodeCreateSchema(NodeFieldsSchema):
    name = node_name(required=True)
    hostname = node_hostname(required=True)
    ssh_user = ssh_user(required=True)


class NodeUpdateSchema(NodeFieldsSchema):
    """Only what is to be changed."""

    name = node_name()
    hostname = node_hostname()
    ssh_user = ssh_user()

    @validates_schema
    def _ensure_something(self, data: dict[str, Any], **kwargs: Any) -> None:
        if not data:
            raise ValidationError("Name at least one field to change.")


class NodeSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 1})
    name = fields.String(metadata={"example": "web-1"})
    hostname = fields.String(metadata={"example": "web-1.example.com"})
    ssh_port = fields.Integer(metadata={"example": 22})
    ssh_user = fields.String(metadata={"example": "deploy"})
    ssh_key_id = fields.Integer(allow_none=True, metadata={"example": 1})
    jump_node_id = fields.Integer(allow_none=True, metadata={"description": "The node that is its jump host."})
    projects_root = fields.String(metadata={"example": "/data/projects"})
    status = fields.Enum(NodeStatus, by_value=True, metadata={"example": "ONLINE"})
    status_reason = fields.String(
        allow_none=True,
        metadata={
            "description": "One of `host_key_unpinned host_key_mismatch dns refused unreachable timeout auth_failed "
            "protocol_error git_missing root_missing root_unsafe root_unmarked root_not_writable`, or null.",
        },
    )
    status_detail = fields.String(allow_none=True, metadata={"description": "The reason as a sentence."})
    status_since = fields.AwareDateTime(format="iso", allow_none=True)
    last_seen_at = fields.AwareDateTime(format="iso", allow_none=True)
    latency_ms = fields.Float(allow_none=True, metadata={"example": 1.8})
    expected_key_until = fields.AwareDateTime(
        format="iso",
        allow_none=True,
        metadata={"description": "Until then one new host key is pinned by itself. Null: none is expected."},
    )
    facts = fields.Dict(metadata={"description": "What the last good probe has learnt: system, git, disk …"})
    labels = fields.Dict(keys=fields.String(), values=fields.String(), metadata={"example": {"site": "berlin"}})
    cordoned = fields.Boolean()
    editor_url = fields.String(allow_none=True)
    created_at = fields.AwareDateTime(format="iso")


class NodeQuery(SortedPageQuery):
    status = fields.Enum(NodeStatus, by_value=True)
    cordoned = QueryBoolean()
    search = Text(load_default=None, maximum=255, metadata={"description": "Part of the name or the host name."})

    @post_load
    def _gather(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return with_filters(data, "status", "cordoned")


class NodeTokenSchema(StrictSchema):
    token = fields.String(
        metadata={"description": "Shown this once; only a hash of it is stored.", "example": "bbn_kJ0…"}
    )


class ProbeSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 17})
    node_id = fields.Integer(metadata={"example": 1})
    started_at = fields.AwareDateTime(format="iso")
    ok = fields.Boolean(metadata={"description": "The node answered, and let us in."})
    status_reason = fields.String(allow_none=True, metadata={"description": "As a node's `status_reason`."})
    detail = fields.String(allow_none=True, metadata={"description": "The reason as a sentence."})
    latency_ms = fields.Float(allow_none=True, metadata={"example": 1.8})
