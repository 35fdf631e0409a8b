"""The webhooks of a project set: a push pulls all its members, by one run."""

from typing import Any

from app.api.answers import LOCATION, made
from app.api.blueprint import Blueprint
from app.api.hooks import fresh
from app.edge.identity import actor
from app.schemas.hooks import (
    HookDeliverySchema,
    HookSchema,
    NewHookSchema,
    SetHookCreateSchema,
    SetHookUpdateSchema,
)
from app.schemas.paging import PageQuery
from app.services import hooks
from app.services.hooks import HookOwner

blueprint = Blueprint("set-hooks", "/project-sets", "Webhooks of project sets: a push pulls all members, by one run.")


@blueprint.get("/<id:set_id>/hooks")
@blueprint.guard("viewer", 404)
@blueprint.lists(HookSchema, PageQuery)
def list_set_hooks(set_id: int, **query: Any) -> Any:
    """List the hooks of a project set"""
    return hooks.list_hooks(HookOwner(set_id=set_id), **query)


@blueprint.post("/<id:set_id>/hooks")
@blueprint.guard("operator", 404, 409)
@blueprint.arguments(SetHookCreateSchema)
@blueprint.response(201, NewHookSchema, headers=LOCATION)
def create_set_hook(values: dict[str, Any], set_id: int) -> Any:
    """Make a hook that pulls a whole set

    Each push is one run of fast-forward pulls, with this `concurrency` and `max_failures`. The answer is the only
    showing of its address and its secret; both go into the forge's form.
    """
    hook, token, secret = hooks.create_hook(HookOwner(set_id=set_id), values, actor())
    return made(fresh(hook, token, secret), "set-hooks.get_set_hook", set_id=set_id, hook_id=hook.id)


@blueprint.get("/<id:set_id>/hooks/<id:hook_id>")
@blueprint.guard("viewer", 404)
@blueprint.response(200, HookSchema)
def get_set_hook(set_id: int, hook_id: int) -> Any:
    """Show a hook of a project set"""
    return hooks.get_hook(HookOwner(set_id=set_id), hook_id)


@blueprint.patch("/<id:set_id>/hooks/<id:hook_id>")
@blueprint.guard("operator", 404)
@blueprint.arguments(SetHookUpdateSchema)
@blueprint.response(200, HookSchema)
def update_set_hook(values: dict[str, Any], set_id: int, hook_id: int) -> Any:
    """Change a hook of a project set, turn it off or on"""
    return hooks.update_hook(HookOwner(set_id=set_id), hook_id, values, actor())


@blueprint.delete("/<id:set_id>/hooks/<id:hook_id>")
@blueprint.guard("operator", 404)
@blueprint.response(204)
def delete_set_hook(set_id: int, hook_id: int) -> None:
    """Delete a hook of a project set"""
    hooks.delete_hook(HookOwner(set_id=set_id), hook_id, actor())


@blueprint.post("/<id:set_id>/hooks/<id:hook_id>/rotate")
@blueprint.guard("operator", 404)
@blueprint.response(200, NewHookSchema)
def rotate_set_hook(set_id: int, hook_id: int) -> Any:
    """Give a hook of a project set another address and another secret

    The old ones count for nothing from now on. The answer is the only showing of the new ones.
    """
    return fresh(*hooks.rotate_hook(HookOwner(set_id=set_id), hook_id, actor()))


@blueprint.get("/<id:set_id>/hooks/<id:hook_id>/deliveries")
@blueprint.guard("viewer", 404)
@blueprint.lists(HookDeliverySchema, PageQuery)
def list_set_hook_deliveries(set_id: int, hook_id: int, **query: Any) -> Any:
    """List what came in by a hook of a project set

    The latest first, each with the run that it asked for; the last 50 are kept.
    """
    return hooks.list_deliveries(HookOwner(set_id=set_id), hook_id, **query)
