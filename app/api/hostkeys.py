"""Host keys of nodes: scanned, compared, pinned."""

from typing import Any

from app.api.blueprint import Blueprint
from app.edge.identity import actor
from app.schemas.hostkeys import (
    ApprovalSchema,
    ExpectedKeySchema,
    HostKeySchema,
    ImportedPinsSchema,
    KnownHostsSchema,
    OfferedKeySchema,
    PinSchema,
    QuarantineSchema,
)
from app.schemas.nodes import NodeSchema
from app.services import hostkeys, nodes, quarantine, rebuilds

blueprint = Blueprint("host-keys", "/nodes/<id:node_id>", "Who a node must prove to be, before anything is said to it.")


@blueprint.post("/scan")
@blueprint.guard("admin", 404, 502, 504)
@blueprint.response(200, OfferedKeySchema(many=True))
def scan_node(node_id: int) -> Any:
    """Ask a node for its host keys

    By key exchange only: nobody logs in, and nothing is trusted. Compare the fingerprints on the machine's own
    console (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`), then pin the key.
    """
    return list(hostkeys.scan_node(node_id, actor()))


@blueprint.get("/host-keys")
@blueprint.guard("viewer", 404)
@blueprint.response(200, HostKeySchema(many=True))
def list_host_keys(node_id: int) -> Any:
    """List the pinned host keys of a node"""
    return nodes.get_node(node_id).host_keys


@blueprint.post("/host-keys")
@blueprint.guard("admin", 404, 409)
@blueprint.arguments(
    PinSchema, examples={"scanned": {"value": {"fingerprint": "SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDVrqwIUNGD3f0Pz5c"}}}
)
@blueprint.response(201, HostKeySchema)
def pin_host_key(values: dict[str, str], node_id: int) -> Any:
    """Pin a host key

    By the `fingerprint` of a key just scanned, or by the `public_key` itself, copied from the machine.
    """
    return hostkeys.pin(node_id, values, actor())


@blueprint.get("/quarantine")
@blueprint.guard("viewer", 404, 409)
@blueprint.response(200, QuarantineSchema)
def get_quarantine(node_id: int) -> Any:
    """Read why a node is in quarantine

    Pinned and offered keys, since when, what is held, and the command for the node's console. 409 `wrong_state` for a
    node that is in none.
    """
    return quarantine.get_quarantine(node_id)


@blueprint.post("/host-keys/approve")
@blueprint.guard("admin", 404, 409)
@blueprint.arguments(ApprovalSchema)
@blueprint.response(200, HostKeySchema)
def approve_host_key(values: dict[str, str], node_id: int) -> Any:
    """Approve the key that a node in quarantine shows

    It takes the place of all keys that were pinned, and held jobs go on. Only the key with this fingerprint.
    """
    return quarantine.approve(node_id, values["fingerprint"], actor())


@blueprint.post("/expected-key")
@blueprint.guard("admin", 404, 409)
@blueprint.arguments(ExpectedKeySchema)
@blueprint.response(200, NodeSchema)
def expect_host_key(values: dict[str, int], node_id: int) -> Any:
    """Expect one new host key

    For a planned rebuild: the first key that the node shows within these hours, and that is not pinned, takes the place
    of all pinned ones, once. Asked again, the new time counts. 409 for a node in quarantine, or without a pin.
    """
    return rebuilds.expect_key(node_id, values["hours"], actor())


@blueprint.delete("/expected-key")
@blueprint.guard("admin", 404, 409)
@blueprint.response(204)
def cancel_expected_host_key(node_id: int) -> None:
    """Expect no new host key any more

    409 `wrong_state` where none is expected: it may have been shown already, so look at the pins.
    """
    rebuilds.cancel_expected_key(node_id, actor())


@blueprint.post("/host-keys/import")
@blueprint.guard("admin", 404)
@blueprint.arguments(KnownHostsSchema)
@blueprint.response(200, ImportedPinsSchema)
def import_host_keys(values: dict[str, str], node_id: int) -> dict[str, Any]:
    """Pin what a known_hosts text has for a node

    Answers the pins, and the lines that were refused with the reasons.
    """
    pinned, refused = hostkeys.pin_known_hosts(node_id, values["known_hosts"], actor())
    return {"pinned": pinned, "refused": refused}


@blueprint.delete("/host-keys/<id:host_key_id>")
@blueprint.guard("admin", 404)
@blueprint.response(204)
def unpin_host_key(node_id: int, host_key_id: int) -> None:
    """Unpin a host key

    Its pooled connections end; without any pin left nothing more is said to the node.
    """
    hostkeys.unpin(node_id, host_key_id, actor())
