"""Logins in browsers: one's own; admins see and end those of others too."""

from typing import Any

from app.api.blueprint import Blueprint
from app.edge.identity import actor
from app.schemas.users import SessionQuery, SessionSchema
from app.services import sessions

blueprint = Blueprint("sessions", "/sessions", "Logins in browsers: your own; admins see and end those of others too.")


@blueprint.get("")
@blueprint.guard("viewer", 404)
@blueprint.lists(SessionSchema, SessionQuery)
def list_sessions(**query: Any) -> Any:
    """List sessions

    Your own, or with `user_id` those of another user (admins only). The latest first.
    """
    return sessions.list_sessions(actor(), **query)


@blueprint.delete("/<id:session_id>")
@blueprint.guard("viewer", 404)
@blueprint.response(204)
def delete_session(session_id: int) -> None:
    """End a session

    Your own, or as an admin anybody's.
    """
    sessions.end_session(session_id, actor())
