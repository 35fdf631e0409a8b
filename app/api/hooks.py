"""Webhooks: what forges send, and the hooks of a project. Those of a project set: set_hooks.py."""

from typing import Any, Final

from flask import current_app, request
from werkzeug.exceptions import RequestEntityTooLarge

from app.api.answers import LOCATION, made
from app.api.blueprint import Blueprint
from app.edge.identity import actor, limiter, sender
from app.schemas.hooks import (
    HookCreateSchema,
    HookDeliverySchema,
    HookReceiptSchema,
    HookSchema,
    HookUpdateSchema,
    NewHookSchema,
)
from app.schemas.paging import PageQuery
from app.secrets import Secret
from app.services import hook_deliveries, hooks
from app.services.hook_payloads import Request
from app.services.hooks import HookOwner

BODY_LIMIT: Final = 256 * 1024
ADDRESS_RATE: Final = "600 per minute"
blueprint = Blueprint(
    "hooks", "", "Webhooks: a forge says that something was pushed, and the project, or the whole set, is pulled."
)


def _rate() -> str:
    return str(current_app.config["HOOK_RATE_LIMIT"])


def _sender_to_hook() -> str:
    return f"{sender()} {request.path[:128]}"


@blueprint.post("/hooks/<string(maxlength=128):token>")
@limiter.limit(ADDRESS_RATE)
@limiter.limit(_rate, key_func=_sender_to_hook)
@blueprint.response(202, HookReceiptSchema)
@blueprint.alt_response(403, response="FORBIDDEN")
@blueprint.alt_response(404, response="NOT_FOUND")
@blueprint.alt_response(409, response="CONFLICT")
@blueprint.alt_response(413, response="REQUEST_ENTITY_TOO_LARGE")
@blueprint.alt_response(422, response="UNPROCESSABLE_ENTITY")
@blueprint.alt_response(429, response="TOO_MANY_REQUESTS")
@blueprint.doc(operationId="receive_hook", security=[])
def receive_hook(token: str) -> dict[str, bool]:
    """Take a push from a forge

    Of GitHub, GitLab or Gitea, signed with the hook's secret, 256 KiB at most. The answer is the same whether or not
    the push is of the hook's branch. All that follows is a fast-forward pull of the hook's project, or one run of them
    on all members of its project set.
    """
    request.max_content_length = BODY_LIMIT
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        hook_deliveries.note_huge(token, Request(headers, b"", request.remote_addr))
        raise
    hook_deliveries.receive(token, Request(headers, body, request.remote_addr))
    return {"received": True}


@blueprint.get("/projects/<id:project_id>/hooks")
@blueprint.guard("viewer", 404)
@blueprint.lists(HookSchema, PageQuery)
def list_hooks(project_id: int, **query: Any) -> Any:
    """List the hooks of a project"""
    return hooks.list_hooks(HookOwner(project_id), **query)


@blueprint.post("/projects/<id:project_id>/hooks")
@blueprint.guard("operator", 404, 409)
@blueprint.arguments(HookCreateSchema)
@blueprint.response(201, NewHookSchema, headers=LOCATION)
def create_hook(values: dict[str, Any], project_id: int) -> Any:
    """Make a hook

    The answer is the only showing of its address and its secret; both go into the forge's form.
    """
    hook, token, secret = hooks.create_hook(HookOwner(project_id), values, actor())
    return made(fresh(hook, token, secret), "hooks.get_hook", project_id=project_id, hook_id=hook.id)


@blueprint.get("/projects/<id:project_id>/hooks/<id:hook_id>")
@blueprint.guard("viewer", 404)
@blueprint.response(200, HookSchema)
def get_hook(project_id: int, hook_id: int) -> Any:
    """Show a hook"""
    return hooks.get_hook(HookOwner(project_id), hook_id)


@blueprint.patch("/projects/<id:project_id>/hooks/<id:hook_id>")
@blueprint.guard("operator", 404)
@blueprint.arguments(HookUpdateSchema)
@blueprint.response(200, HookSchema)
def update_hook(values: dict[str, Any], project_id: int, hook_id: int) -> Any:
    """Change a hook, turn it off or on"""
    return hooks.update_hook(HookOwner(project_id), hook_id, values, actor())


@blueprint.delete("/projects/<id:project_id>/hooks/<id:hook_id>")
@blueprint.guard("operator", 404)
@blueprint.response(204)
def delete_hook(project_id: int, hook_id: int) -> None:
    """Delete a hook"""
    hooks.delete_hook(HookOwner(project_id), hook_id, actor())


@blueprint.post("/projects/<id:project_id>/hooks/<id:hook_id>/rotate")
@blueprint.guard("operator", 404)
@blueprint.response(200, NewHookSchema)
def rotate_hook(project_id: int, hook_id: int) -> Any:
    """Give a hook another address and another secret

    The old ones count for nothing from now on. The answer is the only showing of the new ones.
    """
    return fresh(*hooks.rotate_hook(HookOwner(project_id), hook_id, actor()))


@blueprint.get("/projects/<id:project_id>/hooks/<id:hook_id>/deliveries")
@blueprint.guard("viewer", 404)
@blueprint.lists(HookDeliverySchema, PageQuery)
def list_hook_deliveries(project_id: int, hook_id: int, **query: Any) -> Any:
    """List what came in by a hook

    The latest first; the last 50 are kept.
    """
    return hooks.list_deliveries(HookOwner(project_id), hook_id, **query)


def fresh(hook: Any, token: Secret, secret: Secret) -> dict[str, Any]:
    """With what is shown once."""
    shown = {name: getattr(hook, name) for name in HookSchema().fields}
    return shown | {"path": hooks.path_of(token), "secret": secret.reveal()}
