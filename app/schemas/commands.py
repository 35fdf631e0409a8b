"""Commands in projects: what may be asked for, and what is shown before it runs."""

from typing import Final

from marshmallow import fields, validate

from app.commands.argv import ARGV_LIMIT_BYTES, VALUE_LIMIT_BYTES, VARIABLES_LIMIT, WORDS_LIMIT
from app.commands.paths import PATH_LIMIT_BYTES, RelativePath
from app.schemas.base import LongText, Parsed, StrictSchema, Text, whole_number
from app.schemas.projects import CommitSchema

_MOST_SECONDS: Final = 30 * 86_400
_COMMIT: Final = "[0-9a-f]{40}|[0-9a-f]{64}"


class CommandSchema(StrictSchema):
    argv = fields.List(
        LongText(minimum=0, maximum=ARGV_LIMIT_BYTES),
        required=True,
        validate=validate.Length(min=1, max=WORDS_LIMIT),
        metadata={
            "description": "Program and arguments, each one word whatever is in it; no shell reads them. At most "
            f"{ARGV_LIMIT_BYTES} bytes in all. The program is a bare name found on PATH, or a path in the project.",
            "example": ["python3", "-m", "pytest", "-q"],
        },
    )
    cwd = Parsed(
        RelativePath,
        maximum=PATH_LIMIT_BYTES,
        allow_none=True,
        metadata={"description": "Folder below the project; else the project itself.", "example": "web/tests"},
    )
    env = fields.Dict(
        keys=Text(maximum=128),
        values=LongText(minimum=0, maximum=VALUE_LIMIT_BYTES),
        validate=validate.Length(max=VARIABLES_LIMIT),
        metadata={"description": "Stored with the job: not for secrets.", "example": {"CI": "1"}},
    )
    timeout_seconds = whole_number(
        1,
        _MOST_SECONDS,
        allow_none=True,
        metadata={"description": "At most JOB_TIMEOUT_SECONDS, which holds when none is given.", "example": 600},
    )
    commit = Text(
        maximum=64,
        pattern=_COMMIT,
        rule="Must be a whole commit id, in lower case.",
        allow_none=True,
        metadata={"description": "Run only if this is what is checked out, as a preview has shown it."},
    )


class CommandLineSchema(StrictSchema):
    """As a person types it; the words come of it as a shell would split them, without any of its expansions."""

    line = LongText(required=True, maximum=2 * ARGV_LIMIT_BYTES)
    cwd = Parsed(RelativePath, maximum=PATH_LIMIT_BYTES)
    env = fields.Dict(keys=Text(maximum=128), values=LongText(minimum=0, maximum=VALUE_LIMIT_BYTES))
    timeout_seconds = whole_number(1, _MOST_SECONDS)


class CommandPreviewSchema(StrictSchema):
    """What would run. Sent back as a command, with `commit` of the head's `sha`, it is run unchanged or not at all."""

    argv = fields.List(fields.String())
    cwd = fields.String(attribute="command.cwd", allow_none=True)
    env = fields.Dict(keys=fields.String(), values=fields.String())
    timeout_seconds = fields.Integer(metadata={"example": 600})
    node = fields.String(metadata={"example": "web-1"})
    user = fields.String(metadata={"description": "The account on the node.", "example": "deploy"})
    path = fields.String(metadata={"description": "The folder on the node.", "example": "/data/projects/shop"})
    head = fields.Nested(CommitSchema, allow_none=True, metadata={"description": "Null: no commit, or not known."})
    why_unknown = fields.String(allow_none=True, metadata={"description": "Why git could not be asked for the head."})
