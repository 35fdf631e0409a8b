"""One's own account: the password, where one is logged in, and the way to second factor and API tokens."""

from http import HTTPStatus
from typing import Any

from flask import current_app, flash, redirect, render_template, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from app.edge.identity import actor, ensure_person, forget_session, limiter, requires, start_session
from app.errors import Invalid, WrongState
from app.schemas.users import PasswordFormSchema
from app.services import second_factor, sessions, users
from app.services.paging import MAX_PAGE_SIZE
from app.web.blueprint import web
from app.web.forms import Form


def guess_rate() -> str:
    return str(current_app.config["LOGIN_RATE_LIMIT"])


def own_account() -> str:
    """Limits are asked before roles: of nobody's too."""
    return f"password of {current_user.id if current_user.is_authenticated else None}"


def is_refused(response: Response) -> bool:
    return response.status_code >= HTTPStatus.BAD_REQUEST


@web.get("/account")
@requires("viewer")
def show_account() -> str:
    return _page(Form())


@web.post("/account/password")
@limiter.limit(guess_rate, key_func=own_account, deduct_when=is_refused)
@requires("viewer")
def change_password() -> tuple[str, int] | Response:
    """Whoever finds an open browser must not guess the password here faster than at the login."""
    ensure_person()
    form = Form(PasswordFormSchema())
    try:
        values = form.read()
        user = users.change_password(values["current_password"], values["password"], actor())
    except (Invalid, WrongState) as error:
        return _page(form.refuse(error)), HTTPStatus.UNPROCESSABLE_ENTITY
    start_session(user)
    flash("Your password is changed. You are logged out in every other browser.", "done")
    return redirect(url_for("web.show_account"), HTTPStatus.SEE_OTHER)


@web.post("/account/sessions/<id:session_id>/end")
@requires("viewer")
def end_one_session(session_id: int) -> Response:
    sessions.end_session(session_id, actor())
    flash("That login has ended.", "done")
    return redirect(url_for("web.show_account"), HTTPStatus.SEE_OTHER)


@web.post("/account/sessions/end")
@requires("viewer")
def end_own_sessions() -> Response:
    sessions.end_sessions(current_user.id, actor())
    forget_session()
    flash("You are logged out, here and in every other browser.", "info")
    return redirect(url_for("web.login"), HTTPStatus.SEE_OTHER)


def _page(form: Form) -> str:
    found: dict[str, Any] = {
        "logins": sessions.list_sessions(actor(), None, 1, MAX_PAGE_SIZE).items,
        "has_password": users.get_user(current_user.id).has_password,
        "has_factor": second_factor.is_on(current_user.id),
        "codes_left": second_factor.recovery_codes_left(current_user.id),
    }
    return render_template("account/show.html", form=form, **found)
