"""The one error shape, for every path below /api."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, Response, jsonify

from app.edge.problems import Problem, usual, worded_by
from app.errors import ConnectionRefused, ConnectTimeout, Invalid

_EXAMPLES: Final = {
    409: Problem(409, "node_offline", "Node web-1 is offline: it refuses connections on its SSH port."),
    422: Problem(422, Invalid.code, Invalid.message, {"name": ["The rule that the value breaks."]}),
    502: Problem(502, ConnectionRefused.code, ConnectionRefused.message),
    504: Problem(504, ConnectTimeout.code, ConnectTimeout.message),
}


def init_app(app: Flask) -> None:
    for prefix in ("/api/", "/healthz", "/readyz", "/metrics"):
        worded_by(app, prefix, render)


def render(problem: Problem) -> Response:
    response = jsonify(body(problem))
    response.status_code = problem.code
    response.headers.extend(problem.headers)
    return response


def body(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "status": problem.status,
        "error": problem.error,
        "message": problem.message,
        "errors": problem.errors,
    }


def examples() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, description and an example for every status that may be documented."""
    for status in HTTPStatus:
        if status >= HTTPStatus.BAD_REQUEST:
            yield status.name, status.phrase, body(_EXAMPLES.get(status) or usual(status))
    yield "DEFAULT_ERROR", "Any other refusal, in the same shape.", body(usual(HTTPStatus.INTERNAL_SERVER_ERROR))
