"""The one error shape, for every path below /api."""

from flask import Flask, Response, jsonify

from app.edge.problems import Problem, worded_by


def init_app(app: Flask) -> None:
    for prefix in ("/api/", "/healthz", "/readyz", "/metrics"):
        worded_by(app, prefix, render)


def render(problem: Problem) -> Response:
    response = jsonify(
        code=problem.code,
        status=problem.status,
        error=problem.error,
        message=problem.message,
        errors=problem.errors,
    )
    response.status_code = problem.code
    response.headers.extend(problem.headers)
    return response
