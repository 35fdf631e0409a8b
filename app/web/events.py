"""The audit log, for admins."""

from http import HTTPStatus
from itertools import groupby
from typing import Any, Final

from flask import flash, render_template, request, url_for
from marshmallow import ValidationError
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import requires
from app.plurals import counted
from app.schemas.events import EventQuery
from app.services import audit, choices, event_search
from app.web.blueprint import web
from app.web.paging import PAGE_SIZE

_ASKED: Final = ("action", "outcome", "actor", "node", "project", "since", "until", "search")
_ALL: Final = (*_ASKED, "trouble", "before")


@web.get("/events")
@requires("admin")
def list_events() -> str | tuple[str, int]:
    """The address says what is looked for. What cannot be read is said, and finds nothing."""
    typed = {name: text for name in _ALL if (text := request.args.get(name, "").strip())}
    try:
        query = EventQuery().load(_shape(typed) | {"page_size": str(PAGE_SIZE)})
    except ValidationError as error:
        return _page(typed, None, error.normalized_messages()), HTTPStatus.UNPROCESSABLE_ENTITY
    return _page(typed, event_search.list_events(**query), {})


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


def _shape(typed: dict[str, str]) -> dict[str, str]:
    """A box is `on`."""
    return typed | ({"trouble": "true"} if typed.get("trouble") == "on" else {})


def _by_noun(actions: list[str]) -> dict[str, list[str]]:
    return {noun: list(found) for noun, found in groupby(actions, key=lambda action: action.partition(".")[0])}


def _page(typed: dict[str, str], page: Any, errors: dict[str, Any]) -> str:
    keep = {name: text for name, text in typed.items() if name != "before"}
    return render_template(
        "events/list.html",
        page=page,
        typed=typed,
        keep=keep,
        errors=errors,
        actions=_by_noun(event_search.known("action")),
        outcomes=event_search.known("outcome"),
        nodes=choices.node_names(),
        chain=audit.get_chain(),
    )
