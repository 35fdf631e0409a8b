"""Planned rebuilds: an admin expects one new host key of a node, once, until a time. Outside of that: quarantine.

The key that the node shows is pinned, and nothing is said over the connection that has shown it: the next one is
verified like any other.
"""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import update

from app.db import unit_of_work, utcnow
from app.errors import HostKeyMismatch, HostKeyUnpinned, Invalid, WrongState
from app.jobs import claims
from app.models import Node
from app.services import quarantine
from app.services.events import SYSTEM, Actor, event
from app.services.hostkeys import replace_pins
from app.services.nodes import get_node
from app.ssh.pins import parse_host_key

MOST_HOURS: Final = 24
DEFAULT_HOURS: Final = 1


def expect_key(node_id: int, hours: int, actor: Actor) -> Node:
    """Asked again, the new time counts. Raises Invalid, HostKeyUnpinned, WrongState for a node in quarantine."""
    if not 1 <= hours <= MOST_HOURS:
        raise Invalid(errors={"hours": [f"1 to {MOST_HOURS} hours."]})
    node = get_node(node_id)
    if not node.host_keys:
        raise HostKeyUnpinned(f"Node {node.name} has no pinned host key that a new one could follow; pin the first.")
    if node.status_reason == quarantine.REASON:
        raise WrongState(f"Node {node.name} shows another key already: compare that one, and approve it.")
    with unit_of_work() as session:
        node.key_window_until, node.key_window_by = utcnow() + timedelta(hours=hours), actor.name
        told = f"until {node.key_window_until.isoformat(timespec='seconds')}"
        session.add(event(actor, "node.expect_key", f"node {node.name}", detail=told))
    return node


def cancel_expected_key(node_id: int, actor: Actor) -> None:
    """Raises WrongState where none is expected, since it may have been shown already."""
    node = get_node(node_id)
    if node.expected_key_until is None:
        raise WrongState(f"Node {node.name} is not expected to show a new host key (any more); look at its pins.")
    with unit_of_work() as session:
        node.key_window_until = node.key_window_by = None
        session.add(event(actor, "node.cancel_expected_key", f"node {node.name}"))


def take_offered(session: Any, node: Node, error: HostKeyMismatch) -> bool:
    """Within the caller's transaction, when this node itself has shown a key that was not pinned: whether it is pinned
    now, by the window or by somebody who was quicker. Then jobs that were refused, or wait, go on."""
    if any(key.public_key == error.offered for key in node.host_keys):
        claims.take_from_runners(session, node.id)
        return True
    until, who = node.expected_key_until, node.key_window_by or SYSTEM.name
    is_open = update(Node).where(Node.id == node.id, Node.key_window_until.is_not(None), Node.key_window_until == until)
    if until is None or not session.execute(is_open.values(key_window_until=None)).rowcount:
        return False
    key = parse_host_key(error.offered)
    old = replace_pins(session, node, key, who)
    told = f"{key.type} {key.fingerprint} instead of {old}; expected by {who}"
    session.add(event(SYSTEM, "node.rebuilt", f"node {node.name}", detail=told))
    return True
