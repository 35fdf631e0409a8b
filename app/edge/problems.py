"""Problems: every error that reaches an edge, as one value; and which edge words the answer.

Errors for addresses that no view has belong to no blueprint, so the whole application's handlers stand here and ask
whoever has taken the path: `worded_by(app, "/api/", …)`.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, current_app, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import IntegrityError, NoResultFound, OperationalError
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError
from werkzeug.exceptions import HTTPException, InternalServerError

from app.edge.refusals import tell
from app.edge.statuses import status_of
from app.errors import BareboatError, Conflict, NotFound

logger = logging.getLogger(__name__)

_EXTENSION: Final = "bareboat_problems"
_WORDS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("bad_request", "The request cannot be read; see the documentation of this address."),
    401: ("unauthenticated", "Log in, or send a valid API token as 'Authorization: Bearer TOKEN'."),
    403: ("forbidden", "Your role does not allow this; ask an admin."),
    404: ("not_found", "There is nothing at this address; what it named may have been deleted."),
    405: ("method_not_allowed", "This address knows other methods; see the header Allow."),
    413: ("body_too_large", "The body is larger than Bareboat takes; send less."),
    415: ("unsupported_media_type", "Send the body as JSON, with 'Content-Type: application/json'."),
    422: ("invalid_value", "A value is not allowed; see the field's own message."),
    429: ("throttled", "Too many requests; wait a minute and try again."),
    500: ("internal_error", "A fault in Bareboat itself; the controller's log has the details."),
    503: ("unavailable", "The database cannot be used at this moment; try again."),
}
_CSRF: Final = ("csrf_failed", "Send the CSRF token of your session in the header X-CSRFToken, or use an API token.")
# How a row that is gone shows itself, when it was there a moment ago.
_VANISHED: Final = (NoResultFound, ObjectDeletedError, StaleDataError)
RETRY_AFTER_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """`error` is the stable word; `errors` is by field; `headers` go out with the answer."""

    code: int
    error: str
    message: str
    errors: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> str:
        return HTTPStatus(self.code).phrase


Renderer = Callable[[Problem], ResponseReturnValue]


def init_app(app: Flask) -> None:
    app.extensions[_EXTENSION] = {}
    for kind in (BareboatError, HTTPException, OperationalError, IntegrityError, *_VANISHED):
        app.register_error_handler(kind, answer)


def worded_by(app: Flask, prefix: str, render: Renderer) -> None:
    """Problems of paths that start so are rendered by `render`; the longest prefix counts."""
    app.extensions[_EXTENSION][prefix] = render


def answer(error: Exception) -> ResponseReturnValue:
    """The handler of errors that no blueprint has handled."""
    renderers: dict[str, Renderer] = _renderers()
    known = [prefix for prefix in renderers if request.path.startswith(prefix)]
    problem = problem_of(error)
    tell(problem.code, problem.error, problem.message)
    if known:
        return renderers[max(known, key=len)](problem)
    if isinstance(error, HTTPException):
        return error.get_response()
    return f"{problem.message}\n", problem.code, {"Content-Type": "text/plain; charset=utf-8", **problem.headers}


def usual(status: int) -> Problem:
    """What a status usually says, for documentation."""
    return Problem(status, *_WORDS.get(status, ("http_error", HTTPStatus(status).phrase)))


def problem_of(error: Exception) -> Problem:
    """Never with anything of the inside of a fault: that goes to the log."""
    if isinstance(error, BareboatError):
        return _of_ours(error)
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, _VANISHED):
        return _of_ours(NotFound("It was deleted by somebody else at this moment."))
    if isinstance(error, IntegrityError):
        return _of_ours(Conflict("Somebody else changed what this depends on at this moment; look again, then retry."))
    logger.error("the database refused %s %s", request.method, request.path, exc_info=error)
    return Problem(503, *_WORDS[503], headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _of_ours(error: BareboatError) -> Problem:
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.warning("%s %s: %s %s", request.method, request.path, error.code, error.message)
    return Problem(status, error.code, error.message, error.errors, _challenge(status) | _later(status))


def _of_http(error: HTTPException) -> Problem:
    status = error.code or InternalServerError.code
    if isinstance(error, CSRFError):
        return Problem(status, *_CSRF)
    known, data = usual(status), getattr(error, "data", None) or {}
    message, errors = data.get("message") or known.message, data.get("errors") or {}
    return Problem(status, known.error, message, errors, _headers(error, status))


def _headers(error: HTTPException, status: int) -> dict[str, str]:
    """What the exception itself wants to say, such as Allow, without the type of its own page."""
    own = {name: value for name, value in error.get_headers() if name.lower() in ("allow", "retry-after")}
    return own | _challenge(status)


def _challenge(status: int) -> dict[str, str]:
    return {"WWW-Authenticate": 'Bearer realm="Bareboat"'} if status == HTTPStatus.UNAUTHORIZED else {}


def _later(status: int) -> dict[str, str]:
    return {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == HTTPStatus.TOO_MANY_REQUESTS else {}


def _renderers() -> dict[str, Renderer]:
    found: dict[str, Renderer] = current_app.extensions[_EXTENSION]
    return found
