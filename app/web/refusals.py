"""What a person sees when something is refused: a page in our look, a message on the way back, or the login."""

from http import HTTPStatus
from typing import Final

from flask import Flask, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as BaseResponse

from app.edge.problems import Problem, worded_by
from app.edge.refusals import tell_error
from app.errors import BareboatError

_HEADINGS: Final = {
    400: "That request cannot be read",
    403: "Not for your role",
    404: "Nothing here",
    405: "Not this way",
    409: "Not in the present state",
    413: "Too large",
    415: "Not a form",
    422: "A value is not allowed",
    429: "Too many attempts",
    500: "A fault in Bareboat",
    502: "The node did not do it",
    503: "Not at this moment",
    504: "The node did not answer in time",
}
_MESSAGES: Final = {
    "bad_request": "Go back, and use the page's own form.",
    "csrf_failed": "The form has expired, or is of another session; nothing was done. Open the page anew, try again.",
    "unsupported_media_type": "Pages take forms only; programs use the REST API below /api/v1.",
    "method_not_allowed": "This address is there for a form; go back and use its button.",
    "throttled": "Too many attempts from here, or for this account. Wait a minute, then try again.",
}


def init_app(app: Flask) -> None:
    """Every path that nobody else has taken answers with a page."""
    worded_by(app, "/", show)


def refuse(error: BareboatError, back: str) -> BaseResponse:
    """Back to where the act was asked for, with the reason."""
    tell_error(error)
    flash(error.message, "error")
    return redirect(back, HTTPStatus.SEE_OTHER)


def show(problem: Problem) -> ResponseReturnValue:
    is_refreshing = "HX-Request" in request.headers
    if problem.code == HTTPStatus.UNAUTHORIZED:
        return _leave_for(url_for("web.login")) if is_refreshing else _ask_to_log_in()
    if problem.error == "second_factor_needed":
        flash(problem.message, "error")
        return redirect(url_for("web.show_account"), HTTPStatus.SEE_OTHER)
    if problem.code == HTTPStatus.NOT_FOUND and is_refreshing:
        return _leave_for(url_for("web.home"))
    heading = _HEADINGS.get(problem.code, problem.status)
    message = _MESSAGES.get(problem.error, problem.message)
    page = render_template("problem.html", status=problem.code, heading=heading, message=message)
    return page, problem.code, {name: value for name, value in problem.headers.items() if name != "WWW-Authenticate"}


def _ask_to_log_in() -> BaseResponse:
    wanted = request.full_path.rstrip("?") if request.method == "GET" else None
    if wanted != url_for("web.home"):
        flash("Log in to go on.", "info")
    return redirect(url_for("web.login", next=wanted), HTTPStatus.SEE_OTHER)


def _leave_for(path: str) -> BaseResponse:
    """A page that refreshes a part of itself is sent elsewhere as a whole."""
    return Response(status=HTTPStatus.NO_CONTENT, headers={"HX-Redirect": path})
