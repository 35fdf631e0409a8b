"""`schedule`: acts on projects that come due by cron expression and time zone."""

import shlex
from typing import Any, Final

import click

from app.cli.act import Acts, actor, load
from app.cli.playbooks import input_values
from app.cli.show import as_json, print_json, print_table
from app.commands.git import STRATEGIES
from app.errors import Invalid
from app.models import CatchUp, Overlap, Schedule
from app.playbooks.playbook import as_word
from app.schemas.schedules import ScheduleCreateSchema, ScheduleSchema
from app.services import own_playbooks, playbooks, schedules
from app.services.paging import MAX_PAGE_SIZE
from app.services.projects import get_project_by_name

_DOES_CHARACTERS: Final = 80


@click.group(cls=Acts)
def schedule() -> None:
    """Schedules: pulls, commands and playbooks that come due by themselves."""


@schedule.command("add")
@click.argument("name")
@click.argument("words", metavar="[-- PROGRAM [ARGUMENT]…]", nargs=-1, type=click.UNPROCESSED)
@click.option("--project", "project_name", required=True, help="Name of the project.")
@click.option("--node", "node_name", help="Which node, when the project's name is on several.")
@click.option("--cron", required=True, help="Minute hour day month weekday: '30 4 * * 1-5'.")
@click.option("--timezone", help="An IANA name such as Europe/Berlin.  [default: UTC]")
@click.option("--strategy", type=click.Choice(STRATEGIES), help="Of a pull.  [default: ff-only]")
@click.option("--playbook", metavar="NAME", help="Run this playbook instead of a pull.")
@click.option("--own", is_flag=True, help="The playbook is one that the project has in its .bareboat.")
@click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="Of the playbook, several times.")
@click.option(
    "--overlap", type=click.Choice([word.value for word in Overlap]), default="skip", help="When the project is busy."
)
@click.option(
    "--catch-up", type=click.Choice([word.value for word in CatchUp]), default="once", help="After a downtime."
)
def add_schedule(
    project_name: str, node_name: str | None, words: tuple[str, ...], strategy: str | None, playbook: str | None,
    own: bool, inputs: tuple[str, ...], **given: Any,
) -> None:  # fmt: skip
    """Pull a project again and again, or run a command or a playbook in it."""
    _ensure_one_act(words, strategy, playbook, own or inputs)
    given["project_id"] = project_id = get_project_by_name(project_name, node_name).id
    if playbook is not None:
        given |= _playbook(project_id, playbook, own, inputs)
    else:
        given |= _command(words) if words else {"params": {"strategy": strategy or "ff-only"}}
    _say_next(schedules.create_schedule(load(ScheduleCreateSchema(), given), actor()))


@schedule.command("list")
@as_json
def list_schedules(is_json: bool) -> None:
    """Schedules, when they are due, and what came of the last time."""
    rows = schedules.list_schedules({}, None, 1, MAX_PAGE_SIZE).items
    if is_json:
        return print_json(ScheduleSchema(many=True).dump(rows))
    titles = ("ID", "NAME", "PROJECT", "NODE", "DOES", "CRON", "ZONE", "NEXT", "LAST", "OUTCOME", "JOB", "ERROR")
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


def _ensure_one_act(words: tuple[str, ...], strategy: str | None, playbook: str | None, is_filled_in: object) -> None:
    asked = [("-- PROGRAM", words), ("--strategy", strategy), ("--playbook", playbook)]
    given = [name for name, value in asked if value]
    if len(given) > 1:
        raise Invalid(f"A schedule has one act; leave out all but one of {', '.join(given)}.")
    if is_filled_in and playbook is None:
        raise Invalid("--own and --input belong to a playbook; name it with --playbook NAME.")


def _playbook(project_id: int, name: str, own: bool, inputs: tuple[str, ...]) -> dict[str, Any]:
    row = own_playbooks.get_own_playbook(project_id, name) if own else playbooks.get_playbook(name)
    owner = {"project_id": project_id} if own else {}
    return {"kind": "project.playbook", "params": {"name": name, "inputs": input_values(row, inputs)} | owner}


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
    what = (row.id, row.name, row.project.name, row.project.node.name, _does(row), row.cron, row.timezone)
    return *what, _next_of(row), row.last_run_at, row.last_outcome, row.last_job_id, row.last_error_code


def _does(row: Schedule) -> str:
    """`pull ff-only`, `command make -j2`, `playbook git-gc`, `own playbook deploy ref=main`; long ones are cut."""
    match row.kind:
        case "project.command":
            words = ["command", *map(shlex.quote, row.params["argv"])]
        case "project.playbook":
            inputs = (shlex.quote(f"{name}={as_word(value)}") for name, value in row.params["inputs"].items())
            words = ["own playbook" if "project_id" in row.params else "playbook", row.params["name"], *inputs]
        case _:
            words = ["pull", row.params["strategy"]]
    text = " ".join(words)
    return text if len(text) <= _DOES_CHARACTERS else f"{text[:_DOES_CHARACTERS]}…"
