"""Git credentials: tokens and deploy keys, each for one git server."""

from typing import Any

from app.api.answers import LOCATION, made
from app.api.blueprint import Blueprint
from app.edge.identity import actor
from app.schemas.credentials import GitCredentialCreateSchema, GitCredentialSchema
from app.schemas.paging import PageQuery
from app.services import credentials

blueprint = Blueprint(
    "git-credentials", "/git-credentials", "Tokens and deploy keys for git servers. A secret never leaves."
)


@blueprint.get("")
@blueprint.guard("viewer")
@blueprint.lists(GitCredentialSchema, PageQuery)
def list_git_credentials(**query: Any) -> Any:
    """List git credentials

    By name.
    """
    return credentials.list_credentials(**query)


@blueprint.post("")
@blueprint.guard("admin", 409)
@blueprint.arguments(
    GitCredentialCreateSchema,
    examples={
        "token": {
            "value": {
                "name": "shop",
                "kind": "https",
                "host": "git.example.com",
                "username": "oauth2",
                "token": "glpat-…",
            }
        },
        "key": {
            "value": {
                "name": "shop key",
                "kind": "ssh",
                "host": "git.example.com",
                "private_key": "-----BEGIN OPENSSH PRIVATE KEY-----\n…",
            }
        },
    },
)
@blueprint.response(201, GitCredentialSchema, headers=LOCATION)
def create_git_credential(values: dict[str, Any]) -> Any:
    """Store a git credential

    For one host. The secret is sealed under the master key and never shown again, to nobody.
    """
    credential = credentials.create_credential(values, actor())
    return made(credential, "git-credentials.get_git_credential", credential_id=credential.id)


@blueprint.get("/<id:credential_id>")
@blueprint.guard("viewer", 404)
@blueprint.response(200, GitCredentialSchema)
def get_git_credential(credential_id: int) -> Any:
    """Show a git credential"""
    return credentials.get_credential(credential_id)


@blueprint.delete("/<id:credential_id>")
@blueprint.guard("admin", 404, 409)
@blueprint.response(204)
def delete_git_credential(credential_id: int) -> None:
    """Forget a git credential

    409 `credential_in_use` while a project uses it.
    """
    credentials.delete_credential(credential_id, actor())
