"""`project`: cloned, pulled, checked out, looked at, deleted. The exit status says the outcome."""

from typing import Any

import click

from app.cli.act import Acts, actor, load
from app.cli.show import as_json, cell_text, print_json, print_pairs, print_table
from app.cli.waiting import finish
from app.commands.git import STRATEGIES
from app.models import Job, Project
from app.schemas.projects import CloneSchema, ProjectSchema, WorkingTreeSchema
from app.services import projects
from app.services.credentials import get_credential_by_name
from app.services.nodes import get_node_by_name
from app.services.paging import MAX_PAGE_SIZE

on_node = click.option("--node", "node_name", help="Which node, when the name is on several.")
waits = click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the job's end.")


@click.group(cls=Acts)
def project() -> None:
    """Projects: git working trees on nodes."""


@project.command("clone")
@click.argument("name")
@click.argument("git_url", metavar="URL")
@click.option("--node", "node_name", required=True, help="Name of the node to clone to.")
@click.option("--branch", help="Instead of the repository's default.")
@click.option("--depth", type=int, help="Only so many commits.")
@click.option("--credential", help="Name of a git credential for the address's server.")
@click.option("--submodules", is_flag=True, default=None, help="Submodules too.")
@click.option("--wait", is_flag=True, help="Run the job here, or follow it, to its end.")
def clone_project(node_name: str, credential: str | None, wait: bool, **given: Any) -> None:
    """Clone a repository to a node."""
    given["git_credential_id"] = get_credential_by_name(credential).id if credential else None
    values = load(CloneSchema(), {**given, "node_id": get_node_by_name(node_name).id})
    _conclude(projects.request_clone(values, actor()), wait)


@project.command("pull")
@click.argument("name")
@on_node
@click.option("--strategy", type=click.Choice(STRATEGIES), default="ff-only", show_default=True)
@waits
def pull_project(name: str, node_name: str | None, strategy: str, wait: bool) -> None:
    """Fetch, then fast-forward; other strategies deal with local work, and can be undone."""
    _conclude(projects.request_pull(_find(name, node_name).id, strategy, actor()), wait)


@project.command("credential")
@click.argument("name")
@click.argument("credential", required=False)
@on_node
def use_credential(name: str, credential: str | None, node_name: str | None) -> None:
    """Use this git credential from now on; without one: none."""
    credential_id = get_credential_by_name(credential).id if credential else None
    projects.update_project(_find(name, node_name).id, {"git_credential_id": credential_id}, actor())
    click.echo(f"{name} uses {credential or 'no git credential'}")


@project.command("checkout")
@click.argument("name")
@click.argument("ref")
@on_node
@waits
def checkout_project(name: str, ref: str, node_name: str | None, wait: bool) -> None:
    """Switch to a branch, a tag or a commit."""
    _conclude(projects.request_checkout(_find(name, node_name).id, ref, actor()), wait)


@project.command("delete")
@click.argument("name")
@on_node
@click.option("--force", is_flag=True, help="Also drop work that is not committed or not pushed.")
@click.option("--forget", is_flag=True, help="Remove the entry here only; the node is not spoken to.")
@waits
def delete_project(name: str, node_name: str | None, force: bool, forget: bool, wait: bool) -> None:
    """Remove a project from its node. Refused while there is work that exists only there."""
    _conclude(projects.request_delete(_find(name, node_name).id, force, actor(), forget=forget), wait)


@project.command("list")
@as_json
def list_projects(is_json: bool) -> None:
    """Projects and how they are."""
    rows = projects.list_projects({}, None, None, 1, MAX_PAGE_SIZE).items
    if is_json:
        return print_json(ProjectSchema(many=True).dump(rows))
    titles = ("ID", "NAME", "NODE", "STATUS", "BRANCH", "HEAD", "SYNCED", "ERROR")
    return print_table(titles, (_cells(row) for row in rows))


@project.command("status")
@click.argument("name")
@on_node
@as_json
def show_status(name: str, node_name: str | None, is_json: bool) -> None:
    """The working tree as it is now, asked over SSH."""
    row = _find(name, node_name)
    where = f"{row.node.name}:{row.path}"
    shown: dict[str, Any] = WorkingTreeSchema().dump(projects.read_status(row.id))
    if is_json:
        return print_json(shown)
    return _print_status(where, shown)


def _find(name: str, node_name: str | None) -> Project:
    return projects.get_project_by_name(name, node_name)


def _conclude(job: Job, wait: bool) -> None:
    """Without waiting: a running Bareboat finds the job in the table."""
    if wait:
        return finish(job.id)
    return click.echo(f"Job {job.id} ({job.kind}) is queued; see: job show {job.id}")


def _cells(row: Project) -> tuple[object, ...]:
    head = row.head[:12] if row.head else None
    return row.id, row.name, row.node.name, row.status.value, row.branch, head, row.last_synced_at, row.error_code


def _print_status(where: str, shown: dict[str, Any]) -> None:
    head = shown["head"] or {}
    print_pairs(
        [
            ("where", where),
            ("branch", shown["branch"] or "(detached)"),
            ("head", f"{(head.get('sha') or '-')[:12]} {head.get('subject') or ''}"),
            ("upstream", shown["upstream"]),
            ("ahead", shown["ahead"]),
            ("behind", shown["behind"]),
            ("tree", "changed" if shown["dirty"] else "clean"),
        ]
    )
    for change in shown["changes"]:
        click.echo(f"  {change['state']}: {cell_text(change['path'])}")
