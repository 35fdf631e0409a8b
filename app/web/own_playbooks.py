"""A project's own playbooks: allowed by an admin, listed as they are on its node, shown and run."""

from http import HTTPStatus
from typing import Any

from flask import flash, render_template, request, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import BareboatError
from app.playbooks.playbook import Playbook
from app.services import own_playbooks, playbook_runs, projects
from app.web.blueprint import web
from app.web.forms import Form
from app.web.playbooks import typed_inputs


@web.post("/projects/<id:project_id>/own-playbooks")
@requires("admin")
def allow_own_playbooks(project_id: int) -> Response:
    is_allowed = request.form.get("allow") == "on"
    project = projects.update_project(project_id, {"allow_own_playbooks": is_allowed}, actor())
    flash(f"{project.name} {'may' if is_allowed else 'may not'} run playbooks of its own.", "done")
    return redirect(url_for("web.show_project", project_id=project_id), HTTPStatus.SEE_OTHER)


@web.get("/projects/<id:project_id>/playbooks")
@requires("viewer")
def list_own_playbooks(project_id: int) -> str:
    """A node that cannot be asked is no error of this page."""
    listed, problem = [], None
    project = projects.get_project(project_id)
    try:
        listed = own_playbooks.list_own_playbooks(project_id)
    except BareboatError as error:
        problem = error.message
    project = projects.get_project(project_id)
    return render_template("projects/playbooks.html", project=project, listed=listed, problem=problem)


@web.get("/projects/<id:project_id>/playbooks/<string:name>")
@requires("viewer")
def show_own_playbook(project_id: int, name: str) -> str | Response:
    return _page(project_id, own_playbooks.get_own_playbook(project_id, name), Form(), {})


@web.post("/projects/<id:project_id>/playbooks/<string:name>")
@requires("operator")
def run_own_playbook(project_id: int, name: str) -> tuple[str, int] | Response:
    """Read once more, by the service: what is run is what is judged then."""
    playbook, form = own_playbooks.get_own_playbook(project_id, name), Form()
    try:
        run = playbook_runs.begin_own(project_id, name, typed_inputs(playbook.inputs), actor())
    except BareboatError as error:
        wrong = error.errors.get("inputs", {})
        page = _page(project_id, playbook, form.refuse(error), wrong if isinstance(wrong, dict) else {})
        return page, HTTPStatus.UNPROCESSABLE_ENTITY
    return redirect(url_for("web.show_run", run_id=run.id), HTTPStatus.SEE_OTHER)


def _page(project_id: int, playbook: Playbook, form: Form, wrong: dict[str, Any]) -> str:
    owner = projects.get_project(project_id)
    return render_template("playbooks/show.html", playbook=playbook, owner=owner, form=form, wrong=wrong)
