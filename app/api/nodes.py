"""Nodes: machines that Bareboat logs in to, and what probes see of them."""

from typing import Any

from app.api.answers import LOCATION, made
from app.api.blueprint import Blueprint
from app.edge.identity import actor
from app.schemas.nodes import (
    NodeCreateSchema,
    NodeQuery,
    NodeSchema,
    NodeTokenSchema,
    NodeUpdateSchema,
    ProbeSchema,
)
from app.schemas.paging import PageQuery
from app.services import nodes, probes

blueprint = Blueprint("nodes", "/nodes", "Machines that Bareboat logs in to, and what probes see of them.")


@blueprint.get("")
@blueprint.guard("viewer")
@blueprint.lists(NodeSchema, NodeQuery)
def list_nodes(**query: Any) -> Any:
    """List nodes

    Sortable by `id name status created_at`; by name unless told otherwise.
    """
    return nodes.list_nodes(**query)


@blueprint.post("")
@blueprint.guard("admin", 409)
@blueprint.arguments(NodeCreateSchema)
@blueprint.response(201, NodeSchema, headers=LOCATION)
def create_node(values: dict[str, Any]) -> Any:
    """Add a node

    Nothing is said to it yet. Scan it, compare and pin its host key; then it is probed.
    """
    node = nodes.create_node(values, actor())
    return made(node, "nodes.get_node", node_id=node.id)


@blueprint.get("/<id:node_id>")
@blueprint.guard("viewer", 404)
@blueprint.response(200, NodeSchema)
def get_node(node_id: int) -> Any:
    """Show a node"""
    return nodes.get_node(node_id)


@blueprint.patch("/<id:node_id>")
@blueprint.guard("admin", 404, 409)
@blueprint.arguments(NodeUpdateSchema)
@blueprint.response(200, NodeSchema)
def update_node(values: dict[str, Any], node_id: int) -> Any:
    """Change a node

    Only the fields that are given. Pins stay when the address changes: they say who is there, not where.
    """
    return nodes.update_node(node_id, values, actor())


@blueprint.delete("/<id:node_id>")
@blueprint.guard("admin", 404, 409)
@blueprint.response(204)
def delete_node(node_id: int) -> None:
    """Forget a node

    409 `node_in_use` while it has projects. Nothing is done on the machine.
    """
    nodes.delete_node(node_id, actor())


@blueprint.post("/<id:node_id>/probe")
@blueprint.guard("operator", 404)
@blueprint.response(200, ProbeSchema)
def probe_node(node_id: int) -> Any:
    """Probe a node now

    Answers what was seen, also when the node could not be reached (`ok` is then false); its status follows.
    """
    return probes.probe_node(node_id)


@blueprint.get("/<id:node_id>/probes")
@blueprint.guard("viewer", 404)
@blueprint.lists(ProbeSchema, PageQuery)
def list_probes(node_id: int, **query: Any) -> Any:
    """List the probes of a node

    The newest first, as far back as PROBE_HISTORY_DAYS.
    """
    return probes.list_probes(node_id, **query)


@blueprint.post("/<id:node_id>/accept-root")
@blueprint.guard("admin", 404, 409)
@blueprint.response(200, NodeSchema)
def accept_root(node_id: int) -> Any:
    """Accept the projects root as it is

    For a node with the defect `root_unmarked` whose projects root was really replaced; where a file system is only not
    mounted, mount it instead. 409 `wrong_state` where no mark is expected.
    """
    return nodes.accept_root(node_id, actor())


@blueprint.post("/<id:node_id>/token")
@blueprint.guard("admin", 404)
@blueprint.response(200, NodeTokenSchema)
def renew_node_token(node_id: int) -> dict[str, str]:
    """Make a new node token

    With it a script on the node may report a project's status. The old one ends at once.
    """
    return {"token": nodes.renew_token(node_id, actor()).reveal()}
