"""`schedule`: acts on projects that come due by cron expression and time zone."""

from typing import Any

import click

from app.cli.act import Acts, actor, load
from app.cli.show import as_json, print_json, print_table
from app.commands.git import STRATEGIES
from app.models import CatchUp, Overlap, Schedule
from app.schemas.schedules import ScheduleCreateSchema, ScheduleSchema
from app.services import schedules
from app.services.paging import MAX_PAGE_SIZE
from app.services.projects import get_project_by_name


@click.group(cls=Acts)
def schedule() -> None:
    """Schedules: pulls and commands that come due by themselves."""


@schedule.command("add")
@click.argument("name")
@click.argument("words", metavar="[-- PROGRAM [ARGUMENT]…]", nargs=-1, type=click.UNPROCESSED)
@click.option("--project", "project_name", required=True, help="Name of the project.")
@click.option("--node", "node_name", help="Which node, when the project's name is on several.")
@click.option("--cron", required=True, help="Minute hour day month weekday: '30 4 * * 1-5'.")
@click.option("--timezone", help="An IANA name such as Europe/Berlin.  [default: UTC]")
@click.option("--strategy", type=click.Choice(STRATEGIES), default="ff-only", show_default=True)
@click.option(
    "--overlap", type=click.Choice([word.value for word in Overlap]), default="skip", help="When the project is busy."
)
@click.option(
    "--catch-up", type=click.Choice([word.value for word in CatchUp]), default="once", help="After a downtime."
)
def add_schedule(project_name: str, node_name: str | None, words: tuple[str, ...], strategy: str, **given: Any) -> None:
    """Pull a project again and again, or run a command in it."""
    given["project_id"] = get_project_by_name(project_name, node_name).id
    given |= _command(words) if words else {"params": {"strategy": strategy}}
    _say_next(schedules.create_schedule(load(ScheduleCreateSchema(), given), actor()))


@schedule.command("list")
@as_json
def list_schedules(is_json: bool) -> None:
    """Schedules, when they are due, and what came of the last time."""
    rows = schedules.list_schedules({}, None, 1, MAX_PAGE_SIZE).items
    if is_json:
        return print_json(ScheduleSchema(many=True).dump(rows))
    titles = ("ID", "NAME", "PROJECT", "NODE", "KIND", "CRON", "ZONE", "NEXT", "LAST", "OUTCOME", "JOB", "ERROR")
    return print_table(titles, (_cells(row) for row in rows))


@schedule.command("delete")
@click.argument("name")
def delete_schedule(name: str) -> None:
    """Forget a schedule; jobs that it has asked for stay."""
    schedules.delete_schedule(schedules.get_schedule_by_name(name).id, actor())
    click.echo(f"Schedule {name} is deleted")


@schedule.command("enable")
@click.argument("name")
def enable_schedule(name: str) -> None:
    """Turn a schedule on; it counts from now."""
    _say_next(_turn(name, is_on=True))


@schedule.command("disable")
@click.argument("name")
def disable_schedule(name: str) -> None:
    """Turn a schedule off."""
    _say_next(_turn(name, is_on=False))


def _command(words: tuple[str, ...]) -> dict[str, Any]:
    return {"kind": "project.command", "params": {"argv": list(words)}}


def _turn(name: str, *, is_on: bool) -> Schedule:
    return schedules.update_schedule(schedules.get_schedule_by_name(name).id, {"enabled": is_on}, actor())


def _say_next(row: Schedule) -> None:
    click.echo(f"Schedule {row.name}: next run {_next_of(row)}")


def _next_of(row: Schedule) -> str:
    at = schedules.next_local_time(row)
    if at is None:
        return "never" if row.enabled else "off"
    return at.isoformat(" ", "minutes")


def _cells(row: Schedule) -> tuple[object, ...]:
    what = (row.id, row.name, row.project.name, row.project.node.name, row.kind, row.cron, row.timezone)
    return *what, _next_of(row), row.last_run_at, row.last_outcome, row.last_job_id, row.last_error_code
