"""The audit log."""

from typing import Any

from app.api.blueprint import Blueprint
from app.schemas.events import EventSchema
from app.schemas.paging import PageQuery
from app.services import events

blueprint = Blueprint("events", "/events", "Who asked for what, from where, with which outcome.")


@blueprint.get("")
@blueprint.guard("admin")
@blueprint.lists(EventSchema, PageQuery)
def list_events(**query: Any) -> Any:
    """List events

    The newest first.
    """
    return events.list_events(**query)
