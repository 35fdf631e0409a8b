"""Hooks of a project: made, shown with their log, turned off and on, given another secret, deleted."""

from http import HTTPStatus

from flask import flash, render_template, request, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import Conflict, Invalid
from app.schemas.hooks import HookCreateSchema
from app.secrets import Secret
from app.services import hooks, projects
from app.web.blueprint import web
from app.web.forms import Form
from app.web.paging import PAGE_SIZE, asked_page

_START = {"forge": "github"}


@web.get("/projects/<id:project_id>/hooks/new")
@requires("operator")
def new_hook(project_id: int) -> str:
    return _form_page(project_id, Form(start=_START))


@web.post("/projects/<id:project_id>/hooks/new")
@requires("operator")
def create_hook(project_id: int) -> str | tuple[str, int]:
    """The answer itself shows address and secret: a redirect would have to keep them somewhere."""
    form = Form(HookCreateSchema())
    try:
        hook, token, secret = hooks.create_hook(project_id, form.read(), actor())
    except (Invalid, Conflict) as error:
        return _form_page(project_id, form.refuse(error)), HTTPStatus.UNPROCESSABLE_ENTITY
    return _page(project_id, hook.id, token, secret)


@web.get("/projects/<id:project_id>/hooks/<id:hook_id>")
@requires("viewer")
def show_hook(project_id: int, hook_id: int) -> str:
    return _page(project_id, hook_id)


@web.post("/projects/<id:project_id>/hooks/<id:hook_id>/enable")
@requires("operator")
def enable_hook(project_id: int, hook_id: int) -> Response:
    return _turn(project_id, hook_id, is_on=True)


@web.post("/projects/<id:project_id>/hooks/<id:hook_id>/disable")
@requires("operator")
def disable_hook(project_id: int, hook_id: int) -> Response:
    return _turn(project_id, hook_id, is_on=False)


@web.get("/projects/<id:project_id>/hooks/<id:hook_id>/rotate")
@requires("operator")
def confirm_hook_rotation(project_id: int, hook_id: int) -> str:
    return render_template("hooks/rotate.html", hook=hooks.get_hook(project_id, hook_id))


@web.post("/projects/<id:project_id>/hooks/<id:hook_id>/rotate")
@requires("operator")
def rotate_hook(project_id: int, hook_id: int) -> str:
    _, token, secret = hooks.rotate_hook(project_id, hook_id, actor())
    return _page(project_id, hook_id, token, secret)


@web.get("/projects/<id:project_id>/hooks/<id:hook_id>/delete")
@requires("operator")
def confirm_hook_deletion(project_id: int, hook_id: int) -> str:
    return render_template("hooks/delete.html", hook=hooks.get_hook(project_id, hook_id))


@web.post("/projects/<id:project_id>/hooks/<id:hook_id>/delete")
@requires("operator")
def delete_hook(project_id: int, hook_id: int) -> Response:
    hooks.delete_hook(project_id, hook_id, actor())
    flash("The webhook is deleted; delete it at the forge, too.", "done")
    return redirect(url_for("web.show_project", project_id=project_id), HTTPStatus.SEE_OTHER)


def _turn(project_id: int, hook_id: int, *, is_on: bool) -> Response:
    hooks.update_hook(project_id, hook_id, {"enabled": is_on}, actor())
    flash(f"The webhook is {'on' if is_on else 'off: it answers as if it were not there'}.", "done")
    return redirect(url_for("web.show_hook", project_id=project_id, hook_id=hook_id), HTTPStatus.SEE_OTHER)


def _page(project_id: int, hook_id: int, token: Secret | None = None, secret: Secret | None = None) -> str:
    return render_template(
        "hooks/show.html",
        hook=hooks.get_hook(project_id, hook_id),
        page=hooks.list_deliveries(project_id, hook_id, asked_page(), PAGE_SIZE),
        address=request.host_url.rstrip("/") + hooks.path_of(token) if token else None,
        secret=secret.reveal() if secret else None,
    )


def _form_page(project_id: int, form: Form) -> str:
    return render_template("hooks/new.html", project=projects.get_project(project_id), form=form)
