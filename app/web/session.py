"""Login, in one step or with a second factor in two, and logout."""

import time
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from flask import current_app, flash, redirect, render_template, request, session, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from app.edge.identity import end_session, limiter, start_session
from app.errors import Unauthenticated
from app.secrets import Secret
from app.services import oidc, second_factor, users
from app.web.blueprint import web
from app.web.forms import Form

_PENDING: Final = "password_was_right"
_PENDING_SECONDS: Final = 300
# Whoever has the password goes on guessing codes: of three that count among a million, so many are no danger.
_CODES_RATE: Final = "30 per hour"


def login_rate() -> str:
    return str(current_app.config["LOGIN_RATE_LIMIT"])


def _named_account() -> str:
    return f"account {request.form.get('name', '')[:64]}"


def _pending_account() -> str:
    return f"code of {session.get(_PENDING, {}).get('id')}"


def is_refused(response: Response) -> bool:
    return response.status_code >= HTTPStatus.BAD_REQUEST


@web.get("/login")
def login() -> str | Response:
    if current_user.is_authenticated:
        return redirect(url_for("web.home"))
    return login_page(Form(), request.args.get("next", ""))


@web.post("/login")
@limiter.limit(login_rate, deduct_when=is_refused)
@limiter.limit(login_rate, key_func=_named_account, deduct_when=is_refused)
def log_in() -> tuple[str, int] | Response:
    """Failures count for the address and for the account; what was wrong is not told."""
    name, password = request.form.get("name", ""), request.form.get("password", "")
    wanted = request.form.get("next", "")
    try:
        user = users.authenticate(name, Secret(password), request.remote_addr)
    except Unauthenticated as error:
        return login_page(Form().refuse(error), wanted), HTTPStatus.UNAUTHORIZED
    if second_factor.is_on(user.id):
        session.clear()
        session[_PENDING] = {"id": user.id, "epoch": user.session_epoch, "at": int(time.time()), "next": wanted[:2048]}
        return redirect(url_for("web.ask_code"), HTTPStatus.SEE_OTHER)
    start_session(user, "password")
    return go_on(wanted)


@web.get("/login/code")
def ask_code() -> str | Response:
    if _pending_user() is None:
        return redirect(url_for("web.login"))
    return render_template("session/code.html", form=Form())


@web.post("/login/code")
@limiter.limit(login_rate, deduct_when=is_refused)
@limiter.limit(login_rate, key_func=_pending_account, deduct_when=is_refused)
@limiter.limit(_CODES_RATE, key_func=_pending_account, deduct_when=is_refused)
def send_code() -> tuple[str, int] | Response:
    user, wanted = _pending_user(), str(session.get(_PENDING, {}).get("next", ""))
    if user is None:
        flash("That took too long, or something has changed meanwhile: begin again.", "error")
        return redirect(url_for("web.login"), HTTPStatus.SEE_OTHER)
    try:
        start_session(user, second_factor.verify(user, request.form.get("code", ""), request.remote_addr))
    except Unauthenticated as error:
        return render_template("session/code.html", form=Form().refuse(error)), HTTPStatus.UNAUTHORIZED
    return go_on(wanted)


@web.post("/logout")
def logout() -> Response:
    end_session()
    flash("You are logged out.", "info")
    return redirect(url_for("web.login"), HTTPStatus.SEE_OTHER)


def login_page(form: Form, wanted: str) -> str:
    issuer = oidc.find_issuer()
    return render_template(
        "session/login.html", form=form, wanted=wanted, oidc_name=issuer.settings.name if issuer else None
    )


def is_own_path(target: str) -> bool:
    """A path on this site: browsers read `//x` and `/\\x` as another site, and drop tabs and line breaks."""
    if not target.startswith("/") or target[1:2] in ("/", "\\") or not target.isprintable():
        return False
    parts = urlsplit(target)
    return not parts.scheme and not parts.netloc


def _pending_user() -> Any:
    """Whose password was right a moment ago, in this browser, when nothing has ended its logins since."""
    pending = session.get(_PENDING)
    if not pending or not 0 <= time.time() - pending["at"] <= _PENDING_SECONDS:
        return None
    user = users.find_user(pending["id"])
    return user if user and user.is_active and user.session_epoch == pending["epoch"] else None


def go_on(wanted: str) -> Response:
    return redirect(wanted if is_own_path(wanted) else url_for("web.home"), HTTPStatus.SEE_OTHER)
