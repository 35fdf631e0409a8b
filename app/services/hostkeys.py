"""Pinned host keys: scan (key exchange only), pin what an admin has compared, replace, unpin."""

from typing import Any

from app.db import db, release, unit_of_work, utcnow
from app.errors import Invalid, NotFound, WrongState, naming
from app.jobs import claims
from app.models import HostKey, Node, NodeStatus
from app.services.events import Actor, event
from app.services.nodes import get_node
from app.services.runtime import runtime
from app.services.targets import build_target, find_target
from app.ssh.hostkeys import RefusedLine, import_known_hosts
from app.ssh.pins import HostKeyLine, parse_host_key
from app.ssh.scan import scan


def scan_node(node_id: int, actor: Actor) -> tuple[HostKeyLine, ...]:
    """Ask the node for its host keys without logging in. They are remembered for pinning, not trusted."""
    node = get_node(node_id)
    hostname, port, name = node.hostname, node.ssh_port, node.name
    jump = build_target(node.jump_node) if node.jump_node else None
    release()
    offered = scan(hostname, port, jump=jump)
    with unit_of_work() as session:
        node = session.get_one(Node, node_id)
        node.offered_host_keys = [str(key) for key in offered]
        node.offered_at = utcnow()
        session.add(event(actor, "node.scan", f"node {name}", detail=", ".join(key.fingerprint for key in offered)))
    return offered


def offered_keys(node: Node) -> list[HostKeyLine]:
    """What the node offered at the last scan or mismatch."""
    return [parse_host_key(line) for line in node.offered_host_keys]


def pin(node_id: int, values: dict[str, str], actor: Actor) -> HostKey:
    """`values`: a `fingerprint` that was just offered, or a whole `public_key`."""
    if "fingerprint" in values:
        return pin_fingerprint(node_id, values["fingerprint"], actor)
    return pin_public_key(node_id, values["public_key"], actor)


def pin_fingerprint(node_id: int, fingerprint: str, actor: Actor) -> HostKey:
    """Pin the key with this fingerprint among those that the node has just offered."""
    node = get_node(node_id)
    wanted = fingerprint.strip()
    for key in offered_keys(node):
        if key.fingerprint == wanted:
            return _pin(node, [key], actor)[0]
    if not node.offered_host_keys:
        raise WrongState(f"Node {node.name} has not been scanned; scan it first, then pin what it offers.")
    rule = f"Node {node.name} did not offer a key with this fingerprint; compare it, or scan again."
    raise Invalid(rule, errors={"fingerprint": [rule]})


def pin_public_key(node_id: int, text: str, actor: Actor) -> HostKey:
    """Pin a key pasted from the node itself (`type base64`, as in /etc/ssh/ssh_host_*_key.pub)."""
    with naming("public_key"):
        key = parse_host_key(text.strip())
    return _pin(get_node(node_id), [key], actor)[0]


def pin_known_hosts(node_id: int, text: str, actor: Actor) -> tuple[list[HostKey], list[RefusedLine]]:
    """Pin every key that a known_hosts text has for this node; answers the pins and the lines refused, with reasons."""
    node = get_node(node_id)
    keys, refused = import_known_hosts(text, node.hostname, node.ssh_port)
    return (_pin(node, keys, actor) if keys else []), refused


def unpin(node_id: int, host_key_id: int, actor: Actor) -> None:
    """Nothing more is said to who has this key, also by jobs under way: each is taken up anew, with the pins left."""
    node = get_node(node_id)
    key = next((key for key in node.host_keys if key.id == host_key_id), None)
    if key is None:
        raise NotFound(f"Node {node.name} has no host key {host_key_id}.")
    before = find_target(node)
    with unit_of_work() as session:
        session.add(event(actor, "node.unpin", f"node {node.name}", detail=key.fingerprint))
        session.delete(key)
        claims.take_from_runners(session, node_id)
        node.status, node.status_reason, node.status_detail = NodeStatus.UNKNOWN, None, None
        node.next_probe_at = None
    if before is not None:
        runtime().nodes.forget(before)


def replace_pins(session: Any, node: Node, key: HostKeyLine, pinned_by: str) -> str:
    """Within the caller's transaction: this key takes the place of all that was pinned, held jobs go on, and the node
    is to be probed. Answers what was pinned, for an event. The caller forgets the node's connections afterwards."""
    old = ", ".join(f"{pin.type} {pin.fingerprint}" for pin in node.host_keys)
    row = HostKey(type=key.type, fingerprint=key.fingerprint, public_key=str(key), pinned_by=pinned_by)
    node.host_keys[:] = [row]
    _begin_anew(node)
    claims.take_from_runners(session, node.id)
    return old


def _pin(node: Node, keys: list[HostKeyLine], actor: Actor) -> list[HostKey]:
    """A key that is pinned already stays as it is; for a new one, the node is to be probed at once."""
    pinned = {key.public_key: key for key in node.host_keys}
    if all(str(key) in pinned for key in keys):
        return [pinned[str(key)] for key in keys]
    before = find_target(node)
    with unit_of_work() as session:
        for key in keys:
            if str(key) in pinned:
                continue
            row = HostKey(type=key.type, fingerprint=key.fingerprint, public_key=str(key), pinned_by=actor.name)
            pinned[str(key)] = row
            node.host_keys.append(row)
            session.add(event(actor, "node.pin", f"node {node.name}", detail=f"{key.type} {key.fingerprint}"))
        _begin_anew(node)
    if before is not None:
        runtime().nodes.forget(before)
    db.session.refresh(node)
    return [pinned[str(key)] for key in keys]


def _begin_anew(node: Node) -> None:
    """Its pins are others now: it is to be probed at once, and expected to show no further key."""
    node.status, node.status_reason, node.status_detail = NodeStatus.UNKNOWN, None, None
    node.failures, node.next_probe_at = 0, None
    node.key_window_until = node.key_window_by = None
