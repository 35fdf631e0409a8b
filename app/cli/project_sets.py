"""`set`: one repository on many nodes as one object."""

from typing import Any

import click

from app.cli.act import Acts, actor, load
from app.cli.runs import conclude, concurrency, max_failures, waits
from app.cli.show import as_json, print_json, print_pairs, print_table
from app.cli.waiting import finish
from app.commands.git import STRATEGIES
from app.plurals import counted
from app.schemas.project_sets import (
    DriftSchema,
    ProjectSetCreateSchema,
    ProjectSetSchema,
    ProjectSetUpdateSchema,
    SetNodesSchema,
    SetPullSchema,
)
from app.services import project_sets, runs, set_drift
from app.services.credentials import get_credential_by_name
from app.services.nodes import get_node_by_name
from app.services.paging import MAX_PAGE_SIZE

on_nodes = click.option("--node", "node_names", multiple=True, metavar="NODE", help="May be given several times.")


@click.group("set", cls=Acts)
def project_set() -> None:
    """Project sets: one repository on many nodes."""


@project_set.command("create")
@click.argument("name")
@click.argument("git_url", metavar="URL")
@on_nodes
@click.option("--branch", help="Instead of the repository's default.")
@click.option("--credential", help="Name of a git credential for the address's server.")
@concurrency
@max_failures
@waits
def create_set(node_names: tuple[str, ...], credential: str | None, wait: bool, **given: Any) -> None:
    """Make a set, and clone to its nodes."""
    given |= {"node_ids": _ids(node_names), "git_credential_id": _credential_id(credential)}
    values = load(ProjectSetCreateSchema(), given)
    options, node_ids = runs.take_options(values), values.pop("node_ids")
    _follow(project_sets.create_set(values, node_ids, options, actor()), wait)


@project_set.command("list")
@as_json
def list_sets(is_json: bool) -> None:
    """Sets, and on how many nodes each is."""
    rows = project_sets.list_sets(None, 1, MAX_PAGE_SIZE).items
    if is_json:
        return print_json(ProjectSetSchema(many=True).dump(rows))
    cells = ((row.id, row.name, row.size, row.git_url, row.branch) for row in rows)
    return print_table(("ID", "NAME", "NODES", "URL", "BRANCH"), cells)


@project_set.command("show")
@click.argument("name")
@click.option("--live", is_flag=True, help="Look at every working tree now.")
@as_json
def show_set(name: str, live: bool, is_json: bool) -> None:
    """The drift grid: how far its members are from each other."""
    row = project_sets.get_set_by_name(name)
    shown = ProjectSetSchema().dump(row)
    drift = set_drift.read_drift(row.id, live=live)
    if is_json:
        return print_json(shown | {"drift": DriftSchema().dump(drift)})
    print_pairs([*shown.items(), ("compared with", f"{drift.reference.head} on {drift.reference.branch}")])
    titles = ("NODE", "DRIFT", "STATUS", "BRANCH", "HEAD", "AHEAD", "BEHIND", "DIRTY", "SYNCED", "SUBJECT")
    return print_table(titles, (_cells(member) for member in drift.members))


@project_set.command("update")
@click.argument("name")
@click.option("--branch", help="What its members should be on; none is moved.")
@click.option("--credential", help="Name of a git credential, for all members.")
def update_set(name: str, branch: str | None, credential: str | None) -> None:
    """Change what a set expects."""
    given = {"branch": branch, "git_credential_id": _credential_id(credential)}
    row = project_sets.get_set_by_name(name)
    project_sets.update_set(row.id, load(ProjectSetUpdateSchema(), given), actor())
    click.echo(f"Set {name} is changed")


@project_set.command("pull")
@click.argument("name")
@click.option("--strategy", type=click.Choice(STRATEGIES), default="ff-only", show_default=True)
@concurrency
@max_failures
@waits
def pull_set(name: str, wait: bool, **given: Any) -> None:
    """Pull all members, in waves."""
    values = load(SetPullSchema(), given)
    options, row = runs.take_options(values), project_sets.get_set_by_name(name)
    conclude(project_sets.request_pull(row.id, values["strategy"], options, actor()), wait)


@project_set.command("add")
@click.argument("name")
@on_nodes
@concurrency
@max_failures
@waits
def add_nodes(name: str, node_names: tuple[str, ...], wait: bool, **given: Any) -> None:
    """Add nodes; it is cloned to those that do not have it."""
    values = load(SetNodesSchema(), given | {"node_ids": _ids(node_names)})
    options, row = runs.take_options(values), project_sets.get_set_by_name(name)
    _follow(project_sets.request_add(row.id, values["node_ids"], options, actor()), wait)


@project_set.command("remove")
@click.argument("name")
@click.option("--node", "node_name", required=True, help="Which one.")
@click.option("--delete", is_flag=True, help="Delete the project there; waits for the job's end.")
@click.option("--force", is_flag=True, help="With --delete: also drop work that is not committed or not pushed.")
def remove_node(name: str, node_name: str, delete: bool, force: bool) -> None:
    """Take a node out; the project stays there unless it is to be deleted."""
    if force and not delete:
        raise click.UsageError("Only a delete can be forced; add --delete.")
    row, node = project_sets.get_set_by_name(name), get_node_by_name(node_name)
    job_id = project_sets.take_out(row.id, node.id, actor(), delete=delete, force=force).job_id
    if job_id is not None:
        return finish(job_id)
    return click.echo(f"{name} on {node_name} is none of the set any more; it stays there")


@project_set.command("delete")
@click.argument("name")
def delete_set(name: str) -> None:
    """Forget the set; its projects stay on their nodes."""
    project_sets.delete_set(project_sets.get_set_by_name(name).id, actor())
    click.echo(f"Set {name} is deleted; its projects stay")


def _follow(grown: project_sets.Grown, wait: bool) -> None:
    if grown.run is None:
        return click.echo(f"Set {grown.name} is on {counted(grown.size, 'node')}; nothing has to be cloned")
    return conclude(grown.run, wait)


def _ids(names: tuple[str, ...]) -> list[int]:
    return [get_node_by_name(name).id for name in names]


def _credential_id(name: str | None) -> int | None:
    return get_credential_by_name(name).id if name else None


def _cells(row: set_drift.Standing) -> tuple[object, ...]:
    said = " ".join(row.flags) or ("ok" if row.is_cloned else None)
    where = (row.node_name, said, row.status.value, row.branch, (row.head or "")[:12])
    return *where, row.ahead, row.behind, row.dirty, row.last_synced_at, row.subject
