"""`hook`: how a forge says that something was pushed to the repository of a project, or of a whole project set."""

from typing import Any

import click

from app.cli.act import AN_ID, Acts, actor, load
from app.cli.show import as_json, print_json, print_table
from app.models import ForgeKind, Hook, HookDelivery
from app.schemas.hooks import HookCreateSchema, HookDeliverySchema, HookSchema, SetHookCreateSchema
from app.secrets import Secret
from app.services import hooks
from app.services.hooks import HookOwner, owner_of
from app.services.paging import MAX_PAGE_SIZE
from app.services.project_sets import get_set_by_name
from app.services.projects import get_project_by_name

_project = click.argument("project_name", metavar="[PROJECT]", required=False)
_node = click.option("--node", "node_name", help="Which node, when the project's name is on several.")
_set = click.option("--set", "set_name", metavar="NAME", help="Of a whole project set, instead of a project.")


@click.group(cls=Acts)
def hook() -> None:
    """Webhooks: a forge says that something was pushed, and the project, or the whole set, is pulled."""


@hook.command("add")
@_project
@_node
@_set
@click.option("--forge", type=click.Choice([word.value for word in ForgeKind]), required=True, help="How it signs.")
@click.option("--branch", help="Only pushes to this one pull.  [default: that of the project, or the set]")
@click.option("--concurrency", type=int, help="Of a set: so many pulls at a time.  [default: 10]")
@click.option("--max-failures", type=int, help="Of a set: begin no further pull after so many failures.")
def add_hook(project_name: str | None, node_name: str | None, set_name: str | None, **given: Any) -> None:
    """Make a hook; its path and its secret are printed once."""
    owner = _owner(project_name, node_name, set_name)
    schema = SetHookCreateSchema() if owner.set_id else HookCreateSchema()
    _print_fresh(*hooks.create_hook(owner, load(schema, given), actor()))


@hook.command("list")
@_project
@_node
@_set
@as_json
def list_hooks(project_name: str | None, node_name: str | None, set_name: str | None, is_json: bool) -> None:
    """The hooks of a project or a set, and what came of the last delivery."""
    rows = hooks.list_hooks(_owner(project_name, node_name, set_name), 1, MAX_PAGE_SIZE).items
    if is_json:
        return print_json(HookSchema(many=True).dump(rows))
    titles = ("ID", "FORGE", "BRANCH", "ON", "LAST DELIVERY", "OUTCOME", "MADE BY")
    return print_table(titles, (_cells(row) for row in rows))


@hook.command("log")
@click.argument("hook_id", metavar="ID", type=AN_ID)
@as_json
def show_deliveries(hook_id: int, is_json: bool) -> None:
    """What came in by a hook, the latest first, and the job or run of each."""
    row = hooks.get_hook_by_id(hook_id)
    rows = hooks.list_deliveries(owner_of(row), hook_id, 1, MAX_PAGE_SIZE).items
    if is_json:
        return print_json(HookDeliverySchema(many=True).dump(rows))
    titles = ("ID", "AT", "EVENT", "BRANCH", "OUTCOME", "JOB", "RUN", "FROM", "DETAIL")
    return print_table(titles, (_delivery_cells(row) for row in rows))


@hook.command("rotate")
@click.argument("hook_id", metavar="ID", type=AN_ID)
def rotate_hook(hook_id: int) -> None:
    """Another path and another secret; the old ones count for nothing."""
    row = hooks.get_hook_by_id(hook_id)
    _print_fresh(*hooks.rotate_hook(owner_of(row), hook_id, actor()))


@hook.command("delete")
@click.argument("hook_id", metavar="ID", type=AN_ID)
def delete_hook(hook_id: int) -> None:
    """Forget a hook."""
    hooks.delete_hook(owner_of(hooks.get_hook_by_id(hook_id)), hook_id, actor())
    click.echo(f"Hook {hook_id} is deleted")


def _owner(project_name: str | None, node_name: str | None, set_name: str | None) -> HookOwner:
    if (project_name is None) == (set_name is None):
        raise click.UsageError("Say whose hook: either a PROJECT, or --set NAME.")
    if set_name is not None:
        return HookOwner(set_id=get_set_by_name(set_name).id)
    return HookOwner(get_project_by_name(project_name or "", node_name).id)


def _print_fresh(row: Hook, token: Secret, secret: Secret) -> None:
    words = owner_of(row).words
    click.echo(f"Hook {row.id} of {words}; put both into the forge's form, they are not shown again")
    click.echo(f"path    {hooks.path_of(token)}")
    click.echo(f"secret  {secret.reveal()}")


def _delivery_cells(row: HookDelivery) -> tuple[object, ...]:
    what = (row.id, row.created_at, row.event, row.branch, row.outcome)
    return *what, row.job_id, row.run_id, row.address, row.detail


def _cells(row: Hook) -> tuple[object, ...]:
    return row.id, row.forge, row.branch, row.enabled, row.last_delivery_at, row.last_outcome, row.created_by
