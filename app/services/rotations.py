"""Another SSH key for many nodes: asked for as a run of `node.rotate_key`. What its jobs do: rotation_acts.py."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from app.db import db
from app.errors import Invalid, NotFound, WrongState
from app.models import Node, Run, SSHKey
from app.services import runs
from app.services.events import Actor
from app.services.keys import get_key
from app.services.rotation_jobs import KIND


def begin(key_id: int, values: Mapping[str, Any], actor: Actor) -> Run:
    """`values`: `to_key_id`, maybe `node_ids` (all that log in with the key unless given), `concurrency`,
    `max_failures`. Raises NotFound, Invalid, WrongState where no node uses the key, and what a run raises."""
    asked = dict(values)
    old, new = get_key(key_id), _new_key(key_id, asked.pop("to_key_id"))
    ids = asked.pop("node_ids", None) or nodes_with(old.id)
    if not ids:
        raise WrongState(f"No node logs in with the SSH key {old.name}; there is nothing to change.")
    _ensure_of(ids, old, new)
    params = {"from_key_id": old.id, "to_key_id": new.id}
    return runs.begin({"kind": KIND, "params": params, "node_ids": ids} | asked, actor)


def nodes_with(key_id: int) -> list[int]:
    """Ids of the nodes that log in with this key, by name."""
    return list(db.session.scalars(select(Node.id).where(Node.ssh_key_id == key_id).order_by(Node.name)))


def _new_key(key_id: int, to_key_id: int) -> SSHKey:
    if to_key_id == key_id:
        raise Invalid(errors={"to_key_id": ["This is the key that they have; choose another."]})
    try:
        return get_key(to_key_id)
    except NotFound as error:
        raise Invalid(errors={"to_key_id": [error.message]}) from error


def _ensure_of(ids: Sequence[int], old: SSHKey, new: SSHKey) -> None:
    uses = select(Node.id).where(Node.id.in_(ids), Node.ssh_key_id.in_([old.id, new.id]))
    if strange := sorted(set(ids) - set(db.session.scalars(uses))):
        others = ", ".join(str(id_) for id_ in strange[:20])
        raise Invalid(errors={"node_ids": [f"There is no node {others} that logs in with {old.name}."]})
