"""Users of this installation."""

from typing import Any

from app.api.answers import LOCATION, made
from app.api.blueprint import Blueprint
from app.edge.identity import actor, ensure_person
from app.schemas.paging import PageQuery
from app.schemas.users import UserCreateSchema, UserSchema, UserUpdateSchema
from app.services import second_factor, sessions, users

blueprint = Blueprint("users", "/users", "Who may log in, and with which role.")


@blueprint.get("")
@blueprint.guard("admin")
@blueprint.lists(UserSchema, PageQuery)
def list_users(**query: Any) -> Any:
    """List users

    By name.
    """
    return users.list_users(**query)


@blueprint.post("")
@blueprint.guard("admin", 409)
@blueprint.arguments(UserCreateSchema)
@blueprint.response(201, UserSchema, headers=LOCATION)
def create_user(values: dict[str, Any]) -> Any:
    """Add a user

    A browser's session may ask, or `flask user add`; a token may not.
    """
    ensure_person()
    user = users.create_user(**values, actor=actor())
    return made(user, "users.get_user", user_id=user.id)


@blueprint.get("/<id:user_id>")
@blueprint.guard("admin", 404)
@blueprint.response(200, UserSchema)
def get_user(user_id: int) -> Any:
    """Show a user"""
    return users.get_user(user_id)


@blueprint.patch("/<id:user_id>")
@blueprint.guard("admin", 404, 409)
@blueprint.arguments(UserUpdateSchema)
@blueprint.response(200, UserSchema)
def update_user(values: dict[str, Any], user_id: int) -> Any:
    """Change a user's role or password, or shut the account

    The user's sessions end; a shut account's tokens stop working. 409 where no active admin would be left. A browser's
    session may ask; a token may not.
    """
    ensure_person()
    return users.update_user(user_id, values, actor())


@blueprint.delete("/<id:user_id>/sessions")
@blueprint.guard("admin", 404)
@blueprint.response(204)
def end_user_sessions(user_id: int) -> None:
    """End every session of a user

    API tokens stay valid.
    """
    sessions.end_sessions(user_id, actor())


@blueprint.delete("/<id:user_id>/second-factor")
@blueprint.guard("admin", 404, 409)
@blueprint.response(204)
def reset_second_factor(user_id: int) -> None:
    """Reset a user's second factor

    For somebody who has lost app and recovery codes. The user's sessions end. A browser's session may ask; a token
    may not.
    """
    ensure_person()
    second_factor.reset(user_id, actor())
