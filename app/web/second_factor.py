"""One's own second factor: set up with a first code, turned off with password and code. Secrets are in answers only."""

from http import HTTPStatus

import segno
from flask import flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from app.edge.identity import actor, ensure_person, limiter, requires
from app.errors import Invalid, WrongState
from app.schemas.users import CodeFormSchema, PasswordAndCodeFormSchema, PasswordOnlyFormSchema
from app.secrets import Secret
from app.services import second_factor
from app.services.second_factor import Enrolment
from app.web.account import guess_rate, is_refused, own_account
from app.web.blueprint import web
from app.web.forms import Form


@web.get("/account/second-factor")
@requires("viewer")
def show_second_factor() -> Response:
    """A page of this address is an answer to a form; whoever reloads it begins at the account."""
    return redirect(url_for("web.show_account"))


@web.post("/account/second-factor")
@limiter.limit(guess_rate, key_func=own_account, deduct_when=is_refused)
@requires("viewer")
def begin_second_factor() -> str | tuple[str, int] | Response:
    ensure_person()
    form = Form(PasswordOnlyFormSchema())
    try:
        enrolment = second_factor.begin(form.read()["password"], actor())
    except (Invalid, WrongState) as error:
        return _back(error)
    return _setup(enrolment, Form())


@web.post("/account/second-factor/confirm")
@limiter.limit(guess_rate, key_func=own_account, deduct_when=is_refused)
@requires("viewer")
def confirm_second_factor() -> str | tuple[str, int] | Response:
    ensure_person()
    form = Form(CodeFormSchema())
    try:
        codes = second_factor.confirm(form.read()["code"], actor())
    except Invalid as error:
        return _setup(second_factor.get_enrolment(actor()), form.refuse(error)), HTTPStatus.UNPROCESSABLE_ENTITY
    except WrongState as error:
        return _back(error)
    return _show_once(codes, "The second factor is on")


@web.post("/account/second-factor/recovery-codes")
@limiter.limit(guess_rate, key_func=own_account, deduct_when=is_refused)
@requires("viewer")
def renew_recovery_codes() -> str | tuple[str, int]:
    ensure_person()
    try:
        values = Form(PasswordAndCodeFormSchema()).read()
        codes = second_factor.renew_recovery_codes(values["password"], values["code"], actor())
    except (Invalid, WrongState) as error:
        return _back(error)
    return _show_once(codes, "New recovery codes")


@web.post("/account/second-factor/off")
@limiter.limit(guess_rate, key_func=own_account, deduct_when=is_refused)
@requires("viewer")
def disable_second_factor() -> Response | tuple[str, int]:
    ensure_person()
    try:
        values = Form(PasswordAndCodeFormSchema()).read()
        second_factor.disable(values["password"], values["code"], actor())
    except (Invalid, WrongState) as error:
        return _back(error)
    flash("The second factor is off: your password alone is enough again.", "done")
    return redirect(url_for("web.show_account"), HTTPStatus.SEE_OTHER)


def _setup(enrolment: Enrolment, form: Form) -> str:
    """The QR code is an image made here: neither another site nor a script sees the secret."""
    picture = segno.make(enrolment.uri.reveal(), error="m").svg_data_uri(scale=5, border=4, light="#fff")
    return render_template("account/second_factor.html", picture=picture, secret=enrolment.secret.reveal(), form=form)


def _show_once(codes: list[Secret], heading: str) -> str:
    return render_template("account/recovery_codes.html", codes=[code.reveal() for code in codes], heading=heading)


def _back(error: Invalid | WrongState) -> tuple[str, int]:
    """A page that says why; a redirect would not count as a failed guess."""
    lines = [line for said in error.errors.values() for line in said]
    return render_template("account/refused.html", reasons=lines or [error.message]), 422
