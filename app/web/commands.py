"""Commands in a project: written down, shown as they would run, then run unchanged."""

import json
import shlex
from typing import Any

from flask import render_template, request, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import BareboatError, CommandNotAllowed, Invalid
from app.schemas.commands import CommandLineSchema, CommandSchema
from app.services import project_commands, projects
from app.web.blueprint import web
from app.web.forms import Form
from app.web.refusals import refuse


@web.get("/projects/<id:project_id>/command")
@requires("operator")
def new_command(project_id: int) -> str:
    return _page(project_id, Form())


@web.post("/projects/<id:project_id>/command/preview")
@requires("operator")
def preview_command(project_id: int) -> tuple[str, int] | str:
    """The words as they were understood, and the commit that the node has now."""
    form = Form(CommandLineSchema())
    try:
        values = with_words(form.read())
        shown = project_commands.preview_command(project_id, values)
    except BareboatError as error:
        return _page(project_id, form.refuse(_at_the_line(error))), 422
    values["commit"] = shown.head.sha if shown.head else None
    project = projects.get_project(project_id)
    return render_template("projects/command_preview.html", project=project, shown=shown, command=json.dumps(values))


@web.post("/projects/<id:project_id>/command")
@requires("operator")
def run_command(project_id: int) -> Response:
    """What a preview has shown, and nothing else: it comes back as the values themselves, not as text to be read."""
    try:
        job = project_commands.request_command(project_id, _shown_values(), actor())
    except BareboatError as error:
        return refuse(error, url_for("web.new_command", project_id=project_id))
    return redirect(url_for("web.show_job", job_id=job.id), 303)


def _page(project_id: int, form: Form) -> str:
    return render_template("projects/command.html", project=projects.get_project(project_id), form=form)


def with_words(typed: dict[str, Any]) -> dict[str, Any]:
    """Quotes hold words together, as in a shell; nothing is expanded."""
    line = typed.pop("line").replace("\r\n", "\n")
    try:
        return typed | {"argv": shlex.split(line)}
    except ValueError as error:
        raise Invalid(errors={"line": ["A quote is not closed, or a backslash stands at the end."]}) from error


def _shown_values() -> dict[str, Any]:
    schema = CommandSchema()
    try:
        values = json.loads(request.form.get("command", ""))
        problems = schema.validate(values) if isinstance(values, dict) else {"command": []}
    except (ValueError, RecursionError) as error:
        raise Invalid("This is not what a preview has shown; begin anew.") from error
    if problems:
        raise Invalid("This is not what a preview has shown; begin anew.")
    return dict(schema.load(values))


def _at_the_line(error: BareboatError) -> BareboatError:
    if isinstance(error, Invalid | CommandNotAllowed) and "argv" in error.errors:
        error.errors["line"] = error.errors.pop("argv")
    return error
