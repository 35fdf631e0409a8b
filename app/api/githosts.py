"""Git servers over ssh: scanned, compared, pinned."""

from typing import Any

from app.api.answers import LOCATION, made
from app.api.blueprint import Blueprint
from app.edge.identity import actor
from app.schemas.credentials import GitHostCreateSchema, GitHostSchema
from app.schemas.hostkeys import HostKeySchema, OfferedKeySchema, PinSchema
from app.schemas.paging import PageQuery
from app.services import githosts

blueprint = Blueprint("git-hosts", "/git-hosts", "Who a git server must prove to be, before an ssh key is used there.")


@blueprint.get("")
@blueprint.guard("viewer")
@blueprint.lists(GitHostSchema, PageQuery)
def list_git_hosts(**query: Any) -> Any:
    """List git servers

    By host. For public forges that are not here, the pins that Bareboat ships count.
    """
    return githosts.list_hosts(**query)


@blueprint.post("")
@blueprint.guard("admin", 409)
@blueprint.arguments(GitHostCreateSchema)
@blueprint.response(201, GitHostSchema, headers=LOCATION)
def create_git_host(values: dict[str, Any]) -> Any:
    """Add a git server

    Nothing is said to it. A public forge begins with the pins that Bareboat ships.
    """
    host = githosts.create_host(values["host"], values["port"], actor())
    return made(host, "git-hosts.get_git_host", host_id=host.id)


@blueprint.get("/<id:host_id>")
@blueprint.guard("viewer", 404)
@blueprint.response(200, GitHostSchema)
def get_git_host(host_id: int) -> Any:
    """Show a git server"""
    return githosts.get_host(host_id)


@blueprint.delete("/<id:host_id>")
@blueprint.guard("admin", 404)
@blueprint.response(204)
def delete_git_host(host_id: int) -> None:
    """Forget a git server and its pins"""
    githosts.delete_host(host_id, actor())


@blueprint.post("/<id:host_id>/scan")
@blueprint.guard("admin", 404, 502, 504)
@blueprint.response(200, OfferedKeySchema(many=True))
def scan_git_host(host_id: int) -> Any:
    """Ask a git server for its host keys

    From Bareboat's own machine, by key exchange only; nothing is trusted. Compare the fingerprints with what the
    server's operator publishes, then pin the key.
    """
    return list(githosts.scan_host(host_id, actor()))


@blueprint.post("/<id:host_id>/host-keys")
@blueprint.guard("admin", 404, 409)
@blueprint.arguments(PinSchema)
@blueprint.response(201, HostKeySchema)
def pin_git_host_key(values: dict[str, str], host_id: int) -> Any:
    """Pin a host key of a git server

    By the `fingerprint` of a key just scanned, or by the `public_key` itself.
    """
    return githosts.pin(host_id, values, actor())


@blueprint.delete("/<id:host_id>/host-keys/<id:host_key_id>")
@blueprint.guard("admin", 404)
@blueprint.response(204)
def unpin_git_host_key(host_id: int, host_key_id: int) -> None:
    """Unpin a host key of a git server"""
    githosts.unpin(host_id, host_key_id, actor())
