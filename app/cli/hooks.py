"""`hook`: how a forge says that something was pushed to a project's repository."""

from typing import Any

import click

from app.cli.act import Acts, actor, load
from app.cli.show import as_json, print_json, print_table
from app.models import ForgeKind, Hook
from app.schemas.hooks import HookCreateSchema, HookSchema
from app.secrets import Secret
from app.services import hooks
from app.services.paging import MAX_PAGE_SIZE
from app.services.projects import get_project_by_name


@click.group(cls=Acts)
def hook() -> None:
    """Webhooks: a forge says that something was pushed, and the project is pulled."""


@hook.command("add")
@click.argument("project_name", metavar="PROJECT")
@click.option("--node", "node_name", help="Which node, when the project's name is on several.")
@click.option("--forge", type=click.Choice([word.value for word in ForgeKind]), required=True, help="How it signs.")
@click.option("--branch", help="Only pushes to this one pull.  [default: the branch that the project is on]")
def add_hook(project_name: str, node_name: str | None, **given: Any) -> None:
    """Make a hook; its path and its secret are printed once."""
    project = get_project_by_name(project_name, node_name)
    _print_fresh(*hooks.create_hook(project.id, load(HookCreateSchema(), given), actor()))


@hook.command("list")
@click.argument("project_name", metavar="PROJECT")
@click.option("--node", "node_name", help="Which node, when the project's name is on several.")
@as_json
def list_hooks(project_name: str, node_name: str | None, is_json: bool) -> None:
    """The hooks of a project, and what came of the last delivery."""
    rows = hooks.list_hooks(get_project_by_name(project_name, node_name).id, 1, MAX_PAGE_SIZE).items
    if is_json:
        return print_json(HookSchema(many=True).dump(rows))
    titles = ("ID", "FORGE", "BRANCH", "ON", "LAST DELIVERY", "OUTCOME", "MADE BY")
    return print_table(titles, (_cells(row) for row in rows))


@hook.command("rotate")
@click.argument("hook_id", metavar="ID", type=int)
def rotate_hook(hook_id: int) -> None:
    """Another path and another secret; the old ones count for nothing."""
    row = hooks.get_hook_by_id(hook_id)
    _print_fresh(*hooks.rotate_hook(row.project_id, hook_id, actor()))


@hook.command("delete")
@click.argument("hook_id", metavar="ID", type=int)
def delete_hook(hook_id: int) -> None:
    """Forget a hook."""
    hooks.delete_hook(hooks.get_hook_by_id(hook_id).project_id, hook_id, actor())
    click.echo(f"Hook {hook_id} is deleted")


def _print_fresh(row: Hook, token: Secret, secret: Secret) -> None:
    click.echo(f"Hook {row.id} of project {row.project.name}; put both into the forge's form, they are not shown again")
    click.echo(f"path    {hooks.path_of(token)}")
    click.echo(f"secret  {secret.reveal()}")


def _cells(row: Hook) -> tuple[object, ...]:
    return row.id, row.forge, row.branch, row.enabled, row.last_delivery_at, row.last_outcome, row.created_by
