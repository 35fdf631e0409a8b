"""Schedules: acts on projects that come due by cron expression and time zone."""

from typing import Any

from app.api.answers import JOB_LOCATION, LOCATION, QUEUED, made, queued
from app.api.blueprint import Blueprint
from app.edge.identity import actor
from app.schemas.jobs import JobSchema
from app.schemas.schedules import (
    ScheduleCreateSchema,
    ScheduledRunQuery,
    ScheduledRunSchema,
    ScheduleQuery,
    ScheduleSchema,
    ScheduleUpdateSchema,
)
from app.services import schedules

blueprint = Blueprint("schedules", "/schedules", "Acts on projects that come due by cron expression and time zone.")


@blueprint.get("")
@blueprint.guard("viewer")
@blueprint.lists(ScheduleSchema, ScheduleQuery)
def list_schedules(**query: Any) -> Any:
    """List schedules

    Sortable by `id name next_run_at last_run_at created_at`; by name unless told otherwise.
    """
    return schedules.list_schedules(**query)


@blueprint.post("")
@blueprint.guard("operator", 409, 502, 504)
@blueprint.arguments(ScheduleCreateSchema)
@blueprint.response(201, ScheduleSchema, headers=LOCATION)
def create_schedule(values: dict[str, Any]) -> Any:
    """Make a schedule

    The expression is crontab's: weekdays count from Sunday (0 or 7); a day beside a weekday means either of them.
    """
    schedule = schedules.create_schedule(values, actor())
    return made(schedule, "schedules.get_schedule", schedule_id=schedule.id)


@blueprint.get("/<id:schedule_id>")
@blueprint.guard("viewer", 404)
@blueprint.response(200, ScheduleSchema)
def get_schedule(schedule_id: int) -> Any:
    """Show a schedule"""
    return schedules.get_schedule(schedule_id)


@blueprint.patch("/<id:schedule_id>")
@blueprint.guard("operator", 404, 409, 502, 504)
@blueprint.arguments(ScheduleUpdateSchema)
@blueprint.response(200, ScheduleSchema)
def update_schedule(values: dict[str, Any], schedule_id: int) -> Any:
    """Change a schedule, turn it off or on

    Turned on, or with another plan, it counts from now: nothing is caught up. Turned off, what waits is cancelled.
    """
    return schedules.update_schedule(schedule_id, values, actor())


@blueprint.delete("/<id:schedule_id>")
@blueprint.guard("operator", 404)
@blueprint.response(204)
def delete_schedule(schedule_id: int) -> None:
    """Delete a schedule

    Jobs that it has asked for stay.
    """
    schedules.delete_schedule(schedule_id, actor())


@blueprint.post("/<id:schedule_id>/run-now")
@blueprint.guard("operator", 404, 409)
@blueprint.response(202, JobSchema, description=QUEUED, headers=JOB_LOCATION)
def run_schedule_now(schedule_id: int) -> Any:
    """Run what a schedule asks for now

    In your name; the plan stays as it is.
    """
    return queued(schedules.request_run(schedule_id, actor()))


@blueprint.get("/<id:schedule_id>/runs")
@blueprint.guard("viewer", 404)
@blueprint.lists(ScheduledRunSchema, ScheduledRunQuery)
def list_scheduled_runs(schedule_id: int, **query: Any) -> Any:
    """List what became of a schedule's due times

    The latest first, kept for `JOB_HISTORY_DAYS`.
    """
    return schedules.list_runs(schedule_id, **query)
