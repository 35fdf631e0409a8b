"""Hooks of a project or of a whole set: made, shown with their log, turned off and on, given another secret, deleted.

Every page has two addresses, below the project's and below the set's: `url_for` takes `project_id` or `set_id`.
"""

from http import HTTPStatus
from typing import Any, Final

from flask import flash, render_template, request, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import Conflict, Invalid
from app.schemas.hooks import HookCreateSchema, SetHookCreateSchema
from app.secrets import Secret
from app.services import hooks, project_sets, projects
from app.services.hooks import HookOwner
from app.web.blueprint import web
from app.web.forms import Form
from app.web.paging import PAGE_SIZE, asked_page

_START: Final = {"forge": "github"}
_SET_START: Final = _START | {"concurrency": "10"}


@web.get("/projects/<id:project_id>/hooks/new")
@web.get("/sets/<id:set_id>/hooks/new")
@requires("operator")
def new_hook(**owner: int) -> str:
    return _form_page(HookOwner(**owner), Form(start=_SET_START if "set_id" in owner else _START))


@web.post("/projects/<id:project_id>/hooks/new")
@web.post("/sets/<id:set_id>/hooks/new")
@requires("operator")
def create_hook(**owner: int) -> str | tuple[str, int]:
    """The answer itself shows address and secret: a redirect would have to keep them somewhere."""
    form = Form(SetHookCreateSchema() if "set_id" in owner else HookCreateSchema())
    try:
        hook, token, secret = hooks.create_hook(HookOwner(**owner), form.read(), actor())
    except (Invalid, Conflict) as error:
        return _form_page(HookOwner(**owner), form.refuse(error)), HTTPStatus.UNPROCESSABLE_ENTITY
    return _page(HookOwner(**owner), hook.id, token, secret)


@web.get("/projects/<id:project_id>/hooks/<id:hook_id>")
@web.get("/sets/<id:set_id>/hooks/<id:hook_id>")
@requires("viewer")
def show_hook(hook_id: int, **owner: int) -> str:
    return _page(HookOwner(**owner), hook_id)


@web.post("/projects/<id:project_id>/hooks/<id:hook_id>/enable")
@web.post("/sets/<id:set_id>/hooks/<id:hook_id>/enable")
@requires("operator")
def enable_hook(hook_id: int, **owner: int) -> Response:
    return _turn(hook_id, owner, is_on=True)


@web.post("/projects/<id:project_id>/hooks/<id:hook_id>/disable")
@web.post("/sets/<id:set_id>/hooks/<id:hook_id>/disable")
@requires("operator")
def disable_hook(hook_id: int, **owner: int) -> Response:
    return _turn(hook_id, owner, is_on=False)


@web.get("/projects/<id:project_id>/hooks/<id:hook_id>/rotate")
@web.get("/sets/<id:set_id>/hooks/<id:hook_id>/rotate")
@requires("operator")
def confirm_hook_rotation(hook_id: int, **owner: int) -> str:
    return _hook_page("hooks/rotate.html", HookOwner(**owner), hook_id)


@web.post("/projects/<id:project_id>/hooks/<id:hook_id>/rotate")
@web.post("/sets/<id:set_id>/hooks/<id:hook_id>/rotate")
@requires("operator")
def rotate_hook(hook_id: int, **owner: int) -> str:
    _, token, secret = hooks.rotate_hook(HookOwner(**owner), hook_id, actor())
    return _page(HookOwner(**owner), hook_id, token, secret)


@web.get("/projects/<id:project_id>/hooks/<id:hook_id>/delete")
@web.get("/sets/<id:set_id>/hooks/<id:hook_id>/delete")
@requires("operator")
def confirm_hook_deletion(hook_id: int, **owner: int) -> str:
    return _hook_page("hooks/delete.html", HookOwner(**owner), hook_id)


@web.post("/projects/<id:project_id>/hooks/<id:hook_id>/delete")
@web.post("/sets/<id:set_id>/hooks/<id:hook_id>/delete")
@requires("operator")
def delete_hook(hook_id: int, **owner: Any) -> Response:
    hooks.delete_hook(HookOwner(**owner), hook_id, actor())
    flash("The webhook is deleted; delete it at the forge, too.", "done")
    return redirect(url_for("web.show_set" if "set_id" in owner else "web.show_project", **owner), HTTPStatus.SEE_OTHER)


def _turn(hook_id: int, owner: dict[str, Any], *, is_on: bool) -> Response:
    hooks.update_hook(HookOwner(**owner), hook_id, {"enabled": is_on}, actor())
    flash(f"The webhook is {'on' if is_on else 'off: it answers as if it were not there'}.", "done")
    return redirect(url_for("web.show_hook", hook_id=hook_id, **owner), HTTPStatus.SEE_OTHER)


def _page(owner: HookOwner, hook_id: int, token: Secret | None = None, secret: Secret | None = None) -> str:
    return _hook_page(
        "hooks/show.html",
        owner,
        hook_id,
        page=hooks.list_deliveries(owner, hook_id, asked_page(), PAGE_SIZE),
        address=request.host_url.rstrip("/") + hooks.path_of(token) if token else None,
        secret=secret.reveal() if secret else None,
    )


def _hook_page(template: str, owner: HookOwner, hook_id: int, **more: Any) -> str:
    hook = hooks.get_hook(owner, hook_id)
    return render_template(template, hook=hook, owner=_owner(owner), of_hook=_ids(owner) | {"hook_id": hook_id}, **more)


def _form_page(owner: HookOwner, form: Form) -> str:
    return render_template("hooks/new.html", owner=_owner(owner), of_owner=_ids(owner), form=form)


def _owner(owner: HookOwner) -> Any:
    """The project, or the set."""
    return project_sets.get_set(owner.set_id) if owner.set_id else projects.get_project(owner.project_id or 0)


def _ids(owner: HookOwner) -> dict[str, int]:
    return {name: id_ for name, id_ in owner.columns.items() if id_ is not None}
