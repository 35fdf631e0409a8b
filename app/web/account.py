"""One's own account: the password, and the way to the API tokens."""

from http import HTTPStatus

from flask import current_app, flash, redirect, render_template, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from app.edge.identity import actor, ensure_person, limiter, requires, start_session
from app.errors import Invalid
from app.schemas.users import PasswordFormSchema
from app.services import users
from app.web.blueprint import web
from app.web.forms import Form


def _guess_rate() -> str:
    return str(current_app.config["LOGIN_RATE_LIMIT"])


def _own_account() -> str:
    return f"password of {current_user.get_id()}"


def _is_refused(response: Response) -> bool:
    return response.status_code >= HTTPStatus.BAD_REQUEST


@web.get("/account")
@requires("viewer")
def show_account() -> str:
    return render_template("account/show.html", form=Form())


@web.post("/account/password")
@limiter.limit(_guess_rate, key_func=_own_account, deduct_when=_is_refused)
@requires("viewer")
def change_password() -> tuple[str, int] | Response:
    """Whoever finds an open browser must not guess the password here faster than at the login."""
    ensure_person()
    form = Form(PasswordFormSchema())
    try:
        values = form.read()
        user = users.change_password(values["current_password"], values["password"], actor())
    except Invalid as error:
        return render_template("account/show.html", form=form.refuse(error)), HTTPStatus.UNPROCESSABLE_ENTITY
    start_session(user)
    flash("Your password is changed. You are logged out in every other browser.", "done")
    return redirect(url_for("web.show_account"), HTTPStatus.SEE_OTHER)
