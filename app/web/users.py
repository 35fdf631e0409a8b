"""Users, for admins: the list, a new one, and one whose role, state or password is changed."""

from http import HTTPStatus
from typing import Any

from flask import flash, render_template, url_for
from flask_login import current_user
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, ensure_person, requires
from app.errors import Conflict, Invalid
from app.schemas.users import UserCreateSchema, UserUpdateSchema
from app.services import second_factor, sessions, users
from app.web.blueprint import web
from app.web.forms import Form
from app.web.paging import PAGE_SIZE, asked_page
from app.web.refusals import refuse

_FIELD_BY_CODE = {"name_taken": "name"}


@web.get("/users")
@requires("admin")
def list_users() -> str:
    return render_template("users/list.html", page=users.list_users(asked_page(), PAGE_SIZE))


@web.get("/users/new")
@requires("admin")
def new_user() -> str:
    return render_template("users/new.html", form=Form(start={"role": "viewer"}))


@web.post("/users/new")
@requires("admin")
def create_user() -> tuple[str, int] | Response:
    ensure_person()
    form = Form(UserCreateSchema())
    try:
        values = form.read()
        user = users.create_user(values["name"], values["role"], values["password"], actor())
    except (Invalid, Conflict) as error:
        return render_template("users/new.html", form=form.refuse(error, _FIELD_BY_CODE)), 422
    flash(f"The {user.role.value} {user.name} is made.", "done")
    return redirect(url_for("web.list_users"), HTTPStatus.SEE_OTHER)


@web.get("/users/<id:user_id>")
@requires("admin")
def show_user(user_id: int) -> str:
    return _page(user_id, Form())


@web.post("/users/<id:user_id>/role")
@requires("admin")
def change_role(user_id: int) -> tuple[str, int] | Response:
    return _change(user_id, ("role",), "Its sessions have ended; the new role counts from now on.")


@web.post("/users/<id:user_id>/state")
@requires("admin")
def change_state(user_id: int) -> tuple[str, int] | Response:
    return _change(user_id, ("is_active",), "Its sessions have ended.")


@web.post("/users/<id:user_id>/password")
@requires("admin")
def reset_password(user_id: int) -> tuple[str, int] | Response:
    return _change(user_id, ("password",), "Its sessions have ended; the new password is needed from now on.")


@web.post("/users/<id:user_id>/sessions/end")
@requires("admin")
def end_user_sessions(user_id: int) -> Response:
    sessions.end_sessions(user_id, actor())
    flash("Every login of this user has ended.", "done")
    return redirect(url_for("web.show_user", user_id=user_id), HTTPStatus.SEE_OTHER)


@web.post("/users/<id:user_id>/second-factor/reset")
@requires("admin")
def reset_second_factor(user_id: int) -> Response:
    ensure_person()
    back = url_for("web.show_user", user_id=user_id)
    try:
        second_factor.reset(user_id, actor())
    except Conflict as error:
        return refuse(error, back)
    flash(
        "The second factor is reset, and every login has ended.",
        "done",
    )
    return redirect(back, HTTPStatus.SEE_OTHER)


def _change(user_id: int, fields: tuple[str, ...], done: str) -> tuple[str, int] | Response:
    ensure_person()
    user, form = users.get_user(user_id), Form(UserUpdateSchema(only=fields))
    try:
        if user.id == current_user.id:
            raise Invalid("This is your own account: another admin changes it, or you on the page Account.")
        users.update_user(user_id, form.read(), actor())
    except (Invalid, Conflict) as error:
        return _page(user_id, form.refuse(error, _FIELD_BY_CODE)), HTTPStatus.UNPROCESSABLE_ENTITY
    flash(f"{user.name} is changed. {done}", "done")
    return redirect(url_for("web.show_user", user_id=user_id), HTTPStatus.SEE_OTHER)


def _page(user_id: int, form: Form) -> str:
    user: Any = users.get_user(user_id)
    found: dict[str, Any] = {
        "logins": sessions.list_sessions(actor(), user_id, 1, PAGE_SIZE).items,
        "has_factor": second_factor.is_on(user_id),
    }
    return render_template("users/show.html", user=user, form=form, is_self=user.id == current_user.id, **found)
