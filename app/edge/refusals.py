"""Refused requests on their way to the audit log, from the one place that every answer passes.

Whoever words a refusal says so by `tell`; once the answer is made, the last one told is noted.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from flask import Flask, Response, g, request
from flask_login import current_user
from sqlalchemy.exc import SQLAlchemyError

from app.edge.statuses import status_of
from app.errors import BareboatError
from app.services import refusals
from app.services.events import Actor
from app.services.refusals import Refusal

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
ACCESS: Final = frozenset({"unauthenticated", "forbidden", "second_factor_needed", "csrf_failed", "throttled"})
LOGINS: Final = frozenset({"web.log_in", "web.send_code"})  # a failed login is an event already, with the account
_TOLD: Final = "bareboat_refusal"


@dataclass(frozen=True, slots=True)
class _Told:
    status: int
    code: str
    message: str


def init_app(app: Flask) -> None:
    app.after_request(_note)


def tell(status: int, code: str, message: str) -> None:
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        setattr(g, _TOLD, _Told(status, code, message))


def tell_error(error: BareboatError) -> None:
    tell(status_of(error), error.code, error.message)


def _note(response: Response) -> Response:
    told: _Told | None = g.pop(_TOLD, None)
    if told is not None and _is_to_be_noted(told):
        refusals.note(_refusal(told))
    return response


def _is_to_be_noted(told: _Told) -> bool:
    """Acts, and what a role may not even see. Not what no route has, nor what a visitor without a login reads."""
    if request.url_rule is None or (request.endpoint in LOGINS and told.status == HTTPStatus.UNAUTHORIZED):
        return False
    return request.method not in SAFE_METHODS or told.status == HTTPStatus.FORBIDDEN


def _refusal(told: _Told) -> Refusal:
    """Sentences about roles and logins hold nothing that was sent; others may, and stay out."""
    is_access = told.code in ACCESS
    detail = told.message if is_access else None
    return Refusal(_asker(), "access.refused" if is_access else "act.refused", _subject(), told.code, detail)


def _asker() -> Actor:
    try:
        if current_user.is_authenticated:
            return Actor(current_user.name, current_user.role, request.remote_addr)
    except SQLAlchemyError:  # nobody can be looked up now; it is what the refusal is about
        pass
    return refusals.nobody(request.remote_addr)


def _subject() -> str:
    """Method and route; of what was asked for only the ids are filled in."""
    path = request.url_rule.rule if request.url_rule else ""
    for name, value in (request.view_args or {}).items():
        if isinstance(value, int):
            path = path.replace(f"<id:{name}>", str(value))
    return f"{request.method} {path}"
