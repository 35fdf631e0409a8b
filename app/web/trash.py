"""The trash: what was deleted, put back, or removed for good."""

from flask import render_template, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import BareboatError
from app.services import trash
from app.web.blueprint import web
from app.web.paging import PAGE_SIZE, asked_page
from app.web.refusals import refuse


@web.get("/trash")
@requires("viewer")
def list_trash() -> str:
    return render_template("trash/list.html", page=trash.list_trash({}, asked_page(), PAGE_SIZE))


@web.post("/trash/<id:entry_id>/restore")
@requires("operator")
def restore_project(entry_id: int) -> Response:
    try:
        job = trash.request_restore(entry_id, actor())
    except BareboatError as error:
        return refuse(error, url_for("web.list_trash"))
    return redirect(url_for("web.show_job", job_id=job.id), 303)


@web.get("/trash/<id:entry_id>/delete")
@requires("operator")
def confirm_purge(entry_id: int) -> str:
    return render_template("trash/delete.html", entry=trash.get_entry(entry_id))


@web.post("/trash/<id:entry_id>/delete")
@requires("operator")
def purge_trash_entry(entry_id: int) -> Response:
    try:
        job = trash.request_purge(entry_id, actor())
    except BareboatError as error:
        return refuse(error, url_for("web.list_trash"))
    return redirect(url_for("web.show_job", job_id=job.id), 303)
