"""Quarantine: a node shows another host key than the pinned one. What is held, and the act that ends it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select

from app.db import db, unit_of_work
from app.errors import Invalid, WrongState
from app.models import CHANGING_STATES, HostKey, Job, Node
from app.services.events import Actor, event
from app.services.hostkeys import offered_keys, replace_pins
from app.services.nodes import get_node
from app.services.runtime import runtime
from app.services.targets import find_target
from app.ssh.pins import HostKeyLine

REASON: Final = "host_key_mismatch"
_SHOWN: Final = 50
_FILES: Final = {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa"}


@dataclass(frozen=True, slots=True)
class Quarantine:
    """`offered` is what the node shows now and is not pinned; `commands` show the node's own keys on its console.

    `held_jobs` are the first of `held_count` jobs that wait, or are not followed, until this is over.
    """

    since: datetime | None
    pinned: list[HostKey]
    offered: list[HostKeyLine]
    commands: list[str]
    held_jobs: list[Job]
    held_count: int


def find_quarantine(node: Node) -> Quarantine | None:
    """None for a node that is in none."""
    if node.status_reason != REASON:
        return None
    offered = unpinned_keys(node)
    held = select(Job).where(Job.node_id == node.id, Job.state.in_(CHANGING_STATES))
    return Quarantine(
        since=node.status_since or node.offered_at,
        pinned=list(node.host_keys),
        offered=offered,
        commands=sorted({_command(key.type) for key in offered}),
        held_jobs=list(db.session.scalars(held.order_by(Job.id).limit(_SHOWN))),
        held_count=db.session.scalar(select(func.count()).select_from(held.subquery())) or 0,
    )


def get_quarantine(node_id: int) -> Quarantine:
    """Raises WrongState for a node that is in none."""
    node = get_node(node_id)
    found = find_quarantine(node)
    if found is None:
        raise WrongState(f"Node {node.name} is not in quarantine; it shows no other host key than the pinned ones.")
    return found


def approve(node_id: int, fingerprint: str, actor: Actor) -> HostKey:
    """The key that was shown takes the place of all pinned ones, and held jobs go on.

    Only the key with this fingerprint, which is what the admin has compared: raises Invalid when the node has come to
    show another meanwhile, WrongState when it is in no quarantine.
    """
    offered = get_quarantine(node_id).offered
    node = get_node(node_id)
    key = next((key for key in offered if key.fingerprint == fingerprint.strip()), None)
    if key is None:
        raise _other_key(node, offered)
    before = find_target(node)
    with unit_of_work() as session:
        old = replace_pins(session, node, key, actor.name)
        told = f"{key.type} {key.fingerprint} instead of {old}"
        session.add(event(actor, "node.approve", f"node {node.name}", detail=told))
    if before is not None:
        runtime().nodes.forget(before)
    return node.host_keys[0]


def unpinned_keys(node: Node) -> list[HostKeyLine]:
    pinned = {key.public_key for key in node.host_keys}
    return [key for key in offered_keys(node) if str(key) not in pinned]


def _other_key(node: Node, offered: list[HostKeyLine]) -> Invalid | WrongState:
    if not offered:
        return WrongState(f"Node {node.name} itself has shown no other key: look at its jump host, or probe it again.")
    rule = f"Node {node.name} shows {', '.join(key.fingerprint for key in offered)} now; compare that with its console."
    return Invalid(rule, errors={"fingerprint": [rule]})


def _command(type_: str) -> str:
    kind = _FILES.get(type_, "ecdsa")
    return f"ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub"
