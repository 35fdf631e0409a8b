"""The audit log, for admins."""

from flask import render_template

from app.edge.identity import requires
from app.services import events
from app.web.blueprint import web
from app.web.paging import PAGE_SIZE, asked_page


@web.get("/events")
@requires("admin")
def list_events() -> str:
    return render_template("events/list.html", page=events.list_events(asked_page(), PAGE_SIZE))
