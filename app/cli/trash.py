"""`trash`: what was deleted, listed, put back, removed for good."""

import click

from app.cli.act import AN_ID, Acts, actor
from app.cli.show import as_json, print_json, print_table
from app.cli.waiting import finish
from app.schemas.trash import TrashEntrySchema
from app.services import trash as service
from app.services.paging import MAX_PAGE_SIZE

waits = click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the job's end.")


@click.group(cls=Acts)
def trash() -> None:
    """What was deleted, and is still in the trash of its node."""


@trash.command("list")
@as_json
def list_trash(is_json: bool) -> None:
    """Deleted projects and how long each is kept, the latest first."""
    rows = service.list_trash({}, 1, MAX_PAGE_SIZE).items
    if is_json:
        return print_json(TrashEntrySchema(many=True).dump(rows))
    cells = ((row.id, row.name, row.node.name, row.branch, row.deleted_by, row.keep_until) for row in rows)
    return print_table(("ID", "NAME", "NODE", "BRANCH", "DELETED BY", "KEPT UNTIL"), cells)


@trash.command("restore")
@click.argument("entry_id", metavar="ID", type=AN_ID)
@waits
def restore_project(entry_id: int, wait: bool) -> None:
    """Put a project back as it was."""
    _conclude(service.request_restore(entry_id, actor()).id, wait)


@trash.command("delete")
@click.argument("entry_id", metavar="ID", type=AN_ID)
@waits
def purge_trash_entry(entry_id: int, wait: bool) -> None:
    """Remove it from the trash, for good."""
    _conclude(service.request_purge(entry_id, actor()).id, wait)


def _conclude(job_id: int, wait: bool) -> None:
    if wait:
        return finish(job_id)
    return click.echo(f"Job {job_id} is queued; see: job show {job_id}")
