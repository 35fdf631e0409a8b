"""Schedules: what may be asked for, and what is told of them. Services judge expression, zone and parameters."""

from typing import Any, Final

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from app.models import CatchUp, Overlap, RunOutcome
from app.schemas.base import LongText, QueryBoolean, QueryInteger, StrictBoolean, StrictSchema, Text, an_id
from app.schemas.commands import CommandSchema
from app.schemas.paging import PageQuery, SortedPageQuery, with_filters
from app.schemas.projects import FailureSchema

_NAME_RULE: Final = "Letters, digits, blanks and . _ - ; it starts with a letter or digit."


def _name(**kwargs: Any) -> Text:
    about = {"description": "Unique.", "example": "nightly"}
    return Text(maximum=63, pattern=r"[A-Za-z0-9][A-Za-z0-9 ._-]*", rule=_NAME_RULE, metadata=about, **kwargs)


def _cron(**kwargs: Any) -> Text:
    about = {
        "description": "Minute, hour, day, month, weekday, as in crontab(5); `last` is the last day of a month.",
        "example": "30 4 * * 1-5",
    }
    return Text(maximum=255, metadata=about, **kwargs)


def _timezone() -> Text:
    return Text(maximum=64, metadata={"description": "An IANA name; UTC unless given.", "example": "Europe/Berlin"})


def _overlap() -> fields.Enum:
    words = (
        "When the project is busy: `skip` this time, `queue` one run until it is free, or `replace` the earlier run."
    )
    about = {"description": words}
    return fields.Enum(Overlap, by_value=True, metadata=about | {"example": "skip"})


def _catch_up() -> fields.Enum:
    about = {"description": "After a downtime: run `once`, however many due times were missed, or `skip` them."}
    return fields.Enum(CatchUp, by_value=True, metadata=about | {"example": "once"})


def _params() -> fields.Dict:
    words = (
        "Those of the act: a pull has `strategy`, a command what `/projects/{id}/commands` takes, a playbook `name` "
        "and `inputs`, and `project_id` where it is the project's own."
    )
    about = {"description": words, "example": {"strategy": "ff-only"}}
    return fields.Dict(keys=fields.String(), metadata=about)


class _ActSchema(StrictSchema):
    @validates_schema
    def _ensure_shape(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Of a command; which parameters an act has is the service's to say."""
        params = data.get("params") or {}
        if "argv" in params and (problems := CommandSchema().validate(params)):
            raise ValidationError({"params": problems})


class ScheduleCreateSchema(_ActSchema):
    name = _name(required=True)
    project_id = an_id(required=True, metadata={"example": 1})
    kind = Text(
        maximum=32,
        metadata={
            "description": "`project.pull` unless given, `project.command`, or `project.playbook`.",
            "example": "project.pull",
        },
    )
    params = _params()
    cron = _cron(required=True)
    timezone = _timezone()
    enabled = StrictBoolean(metadata={"description": "True unless given."})
    overlap = _overlap()
    catch_up = _catch_up()


class ScheduleFormSchema(ScheduleCreateSchema):
    """As a page asks for it: an `act` with the fields of all of them. Without one a `line` makes it a command."""

    act = fields.String(validate=validate.OneOf(("pull", "command", "playbook")))
    line = LongText(maximum=8192)
    playbook = Text(maximum=80, metadata={"description": "Its name; `own:` before it where it is the project's own."})
    inputs_of = Text(maximum=80, metadata={"description": "Whose inputs the form has shown."})


class ScheduleUpdateSchema(_ActSchema):
    name = _name()
    params = _params()
    cron = _cron()
    timezone = _timezone()
    enabled = StrictBoolean()
    overlap = _overlap()
    catch_up = _catch_up()

    @validates_schema
    def _ensure_something(self, data: dict[str, Any], **kwargs: Any) -> None:
        if not data:
            raise ValidationError("Name at least one field to change.")


class ScheduleQuery(SortedPageQuery):
    project_id = QueryInteger()
    enabled = QueryBoolean()

    @post_load
    def _gather(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return with_filters(data, "project_id", "enabled")


class ScheduledRunQuery(PageQuery):
    """The latest first."""


class ScheduleSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 1})
    name = fields.String(metadata={"example": "nightly"})
    project_id = fields.Integer(metadata={"example": 1})
    kind = fields.String(metadata={"example": "project.pull"})
    params = fields.Dict(metadata={"example": {"strategy": "ff-only"}})
    cron = fields.String(metadata={"example": "30 4 * * 1-5"})
    timezone = fields.String(metadata={"example": "Europe/Berlin"})
    enabled = fields.Boolean()
    overlap = fields.Enum(Overlap, by_value=True, metadata={"example": "skip"})
    catch_up = fields.Enum(CatchUp, by_value=True, metadata={"example": "once"})
    next_run_at = fields.AwareDateTime(format="iso", allow_none=True, metadata={"description": "Null: off, or never."})
    last_run_at = fields.AwareDateTime(format="iso", allow_none=True)
    last_outcome = fields.Enum(RunOutcome, by_value=True, allow_none=True, metadata={"example": "queued"})
    last_job_id = fields.Integer(allow_none=True, metadata={"description": "The job says how it went on."})
    last_error = fields.Nested(FailureSchema, allow_none=True, metadata={"description": "Why it was refused."})
    created_by = fields.String(metadata={"example": "admin"})
    created_at = fields.AwareDateTime(format="iso")


class ScheduledRunSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 7})
    due_at = fields.AwareDateTime(format="iso")
    outcome = fields.Enum(RunOutcome, by_value=True, metadata={"example": "queued"})
    job_id = fields.Integer(allow_none=True, metadata={"example": 12})
    error = fields.Nested(FailureSchema, allow_none=True)
    created_at = fields.AwareDateTime(format="iso")
