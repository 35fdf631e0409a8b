"""API tokens: one's own; admins see and end those of others too."""

from typing import Any

from app.api.blueprint import Blueprint
from app.edge.identity import actor, ensure_person
from app.schemas.users import NewTokenSchema, TokenCreateSchema, TokenQuery, TokenSchema
from app.services import tokens

blueprint = Blueprint("tokens", "/tokens", "API tokens: your own; admins see and end those of others too.")


@blueprint.get("")
@blueprint.guard("viewer")
@blueprint.lists(TokenSchema, TokenQuery)
def list_tokens(**query: Any) -> Any:
    """List API tokens

    Your own, or with `user_id` those of another user (admins only).
    """
    return tokens.list_tokens(actor(), **query)


@blueprint.post("")
@blueprint.guard("viewer")
@blueprint.arguments(TokenCreateSchema)
@blueprint.response(201, NewTokenSchema)
def create_token(values: dict[str, Any]) -> dict[str, Any]:
    """Make an API token for yourself

    It has your role, or `role` below it, and never more than you have when it is used.
    The answer is its only showing. A browser's session may ask, or `flask token add`; a token may
    not.
    """
    ensure_person()
    row, token = tokens.create_own_token(values["name"], values["days"], actor(), values["role"])
    names = [field.attribute or name for name, field in TokenSchema().fields.items()]
    return {name: getattr(row, name) for name in names} | {"token": token.reveal()}


@blueprint.delete("/<id:token_id>")
@blueprint.guard("viewer", 404)
@blueprint.response(204)
def delete_token(token_id: int) -> None:
    """End an API token

    Your own, or as an admin anybody's.
    """
    tokens.delete_token(token_id, actor())
