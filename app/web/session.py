"""Login and logout."""

from http import HTTPStatus
from urllib.parse import urlsplit

from flask import current_app, flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from app.edge.identity import end_session, limiter, start_session
from app.errors import Unauthenticated
from app.secrets import Secret
from app.services import users
from app.web.blueprint import web
from app.web.forms import Form


def _login_rate() -> str:
    return str(current_app.config["LOGIN_RATE_LIMIT"])


def _named_account() -> str:
    return f"account {request.form.get('name', '')[:64]}"


def _is_refused(response: Response) -> bool:
    return response.status_code >= HTTPStatus.BAD_REQUEST


@web.get("/login")
def login() -> str | Response:
    if current_user.is_authenticated:
        return redirect(url_for("web.home"))
    return render_template("session/login.html", form=Form(), wanted=request.args.get("next", ""))


@web.post("/login")
@limiter.limit(_login_rate, deduct_when=_is_refused)
@limiter.limit(_login_rate, key_func=_named_account, deduct_when=_is_refused)
def log_in() -> tuple[str, int] | Response:
    """Failures count for the address and for the account; what was wrong is not told."""
    name, password = request.form.get("name", ""), request.form.get("password", "")
    wanted = request.form.get("next", "")
    try:
        start_session(users.authenticate(name, Secret(password), request.remote_addr))
    except Unauthenticated as error:
        form = Form().refuse(error)
        return render_template("session/login.html", form=form, wanted=wanted), HTTPStatus.UNAUTHORIZED
    return redirect(wanted if is_own_path(wanted) else url_for("web.home"), HTTPStatus.SEE_OTHER)


@web.post("/logout")
def logout() -> Response:
    end_session()
    flash("You are logged out, here and in every other browser.", "info")
    return redirect(url_for("web.login"), HTTPStatus.SEE_OTHER)


def is_own_path(target: str) -> bool:
    """A path on this site: browsers read `//x` and `/\\x` as another site, and drop tabs and line breaks."""
    if not target.startswith("/") or target[1:2] in ("/", "\\") or not target.isprintable():
        return False
    parts = urlsplit(target)
    return not parts.scheme and not parts.netloc
