"""The audit log, for admins."""

from flask import flash, render_template, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import requires
from app.plurals import counted
from app.services import audit, events
from app.web.blueprint import web
from app.web.paging import PAGE_SIZE, asked_page


@web.get("/events")
@requires("admin")
def list_events() -> str:
    page = events.list_events(asked_page(), PAGE_SIZE)
    return render_template("events/list.html", page=page, chain=audit.get_chain())


@web.post("/events/verify")
@requires("admin")
def verify_events() -> Response:
    found = audit.verify_events()
    if found.fault:
        flash(f"{found.fault} Somebody has changed the database.", "error")
    else:
        follow = counted(found.count, "event follows", "events follow")
        flash(f"{follow} from each other; none was changed, none is missing.", "done")
    return redirect(url_for("web.list_events"), 303)
