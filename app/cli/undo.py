"""`project recoveries` and `project undo`: what a project was, and the way back."""

import click

from app.cli.act import AN_ID, actor
from app.cli.projects import on_node, project, waits
from app.cli.show import as_json, print_json, print_table
from app.cli.waiting import finish
from app.schemas.recoveries import RecoverySchema
from app.services import projects, recoveries
from app.services.paging import MAX_PAGE_SIZE


@project.command("recoveries")
@click.argument("name")
@on_node
@as_json
def list_recoveries(name: str, node_name: str | None, is_json: bool) -> None:
    """What pulls and undos have kept, the latest first."""
    found = projects.get_project_by_name(name, node_name)
    rows = recoveries.list_recoveries(found.id, 1, MAX_PAGE_SIZE).items
    if is_json:
        return print_json(RecoverySchema(many=True).dump(rows))
    cells = ((row.id, row.act, (row.head or "-")[:12], row.branch, row.created_at, row.keep_until) for row in rows)
    return print_table(("ID", "BEFORE", "HEAD", "BRANCH", "MADE", "KEPT UNTIL"), cells)


@project.command("undo")
@click.argument("name")
@click.argument("recovery_id", metavar="RECOVERY", type=AN_ID)
@on_node
@waits
def undo_project(name: str, recovery_id: int, node_name: str | None, wait: bool) -> None:
    """Go back: branch, index and files, untracked ones too. This can be undone as well."""
    found = projects.get_project_by_name(name, node_name)
    job = recoveries.request_undo(found.id, recovery_id, actor())
    if wait:
        return finish(job.id)
    return click.echo(f"Job {job.id} is queued; see: job show {job.id}")
