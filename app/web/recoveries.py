"""Going back to what a project was before a pull changed it."""

from flask import render_template, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import BareboatError
from app.services import projects, recoveries
from app.web.blueprint import web
from app.web.refusals import refuse

RECOVERIES_SHOWN = 50


@web.get("/projects/<id:project_id>/recoveries")
@requires("viewer")
def list_recoveries(project_id: int) -> str:
    rows = recoveries.latest_recoveries(project_id, RECOVERIES_SHOWN)
    return render_template("projects/recoveries.html", project=projects.get_project(project_id), recoveries=rows)


@web.get("/projects/<id:project_id>/recoveries/<id:recovery_id>/restore")
@requires("operator")
def confirm_undo(project_id: int, recovery_id: int) -> str:
    recovery = recoveries.get_recovery(project_id, recovery_id)
    return render_template("projects/undo.html", recovery=recovery, project=recovery.project)


@web.post("/projects/<id:project_id>/recoveries/<id:recovery_id>/restore")
@requires("operator")
def undo_project(project_id: int, recovery_id: int) -> Response:
    back = url_for("web.show_project", project_id=project_id)
    try:
        recoveries.request_undo(project_id, recovery_id, actor())
    except BareboatError as error:
        return refuse(error, back)
    return redirect(back, 303)
