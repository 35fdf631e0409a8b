"""SSH keys with which Bareboat logs in to nodes."""

from typing import Any

from app.api.answers import LOCATION, RUN_LOCATION, begun, made
from app.api.blueprint import Blueprint
from app.edge.identity import actor
from app.schemas.keys import RotationSchema, SSHKeyCreateSchema, SSHKeySchema
from app.schemas.paging import PageQuery
from app.schemas.runs import RunSchema
from app.services import keys, rotations, runs

blueprint = Blueprint(
    "ssh-keys", "/ssh-keys", "Keys with which Bareboat logs in to nodes. A private half never leaves."
)


@blueprint.get("")
@blueprint.guard("viewer")
@blueprint.lists(SSHKeySchema, PageQuery)
def list_ssh_keys(**query: Any) -> Any:
    """List SSH keys

    By name.
    """
    return keys.list_keys(**query)


@blueprint.post("")
@blueprint.guard("admin", 409)
@blueprint.arguments(
    SSHKeyCreateSchema,
    examples={
        "generated": {"value": {"name": "fleet", "generate": "ed25519"}},
        "imported": {"value": {"name": "legacy", "private_key": "-----BEGIN OPENSSH PRIVATE KEY-----\n…"}},
    },
)
@blueprint.response(201, SSHKeySchema, headers=LOCATION)
def create_ssh_key(values: dict[str, Any]) -> Any:
    """Generate or import an SSH key

    The private half is sealed under the master key and never shown again, to nobody.
    """
    key = keys.create_key(values, actor())
    return made(key, "ssh-keys.get_ssh_key", key_id=key.id)


@blueprint.get("/<id:key_id>")
@blueprint.guard("viewer", 404)
@blueprint.response(200, SSHKeySchema)
def get_ssh_key(key_id: int) -> Any:
    """Show an SSH key"""
    return keys.get_key(key_id)


@blueprint.post("/<id:key_id>/rotation")
@blueprint.guard("admin", 404, 409)
@blueprint.arguments(RotationSchema)
@blueprint.response(202, RunSchema, description="Begun: its first jobs are queued.", headers=RUN_LOCATION)
def rotate_ssh_key(values: dict[str, Any], key_id: int) -> Any:
    """Give nodes another SSH key

    A run of `node.rotate_key`: on each node the new public key is added over the old key, a login with it is tried, and
    only then the node is switched and the old line removed. A node that refuses the new key keeps the old one.
    """
    return begun(runs.with_recap(rotations.begin(key_id, values, actor())))


@blueprint.delete("/<id:key_id>")
@blueprint.guard("admin", 404, 409)
@blueprint.response(204)
def delete_ssh_key(key_id: int) -> None:
    """Forget an SSH key

    409 `key_in_use` while a node logs in with it.
    """
    keys.delete_key(key_id, actor())
