"""Another SSH key for many nodes: asked for as a run of `node.rotate_key`. What its jobs do: rotation_acts.py."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from flask import current_app
from sqlalchemy import select

from app.db import db
from app.errors import Invalid, NotFound, WrongState
from app.models import Job, Node, Run, SSHKey
from app.services.events import Actor
from app.services.keys import get_key
from app.services.nodes import get_node
from app.services.projects import ensure_ready

KIND: Final = "node.rotate_key"
_IDS: Final = ("from_key_id", "to_key_id")
_NAMES: Final = ("from_key", "to_key")
_MOST_ID: Final = 2**31 - 1  # as PostgreSQL keeps ids


def begin(key_id: int, values: Mapping[str, Any], actor: Actor) -> Run:
    """`values`: `to_key_id`, maybe `node_ids` (all that log in with the key unless given), `concurrency`,
    `max_failures`. Raises NotFound, Invalid, WrongState where no node uses the key, and what a run raises."""
    from app.services import runs

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


def rotation_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Both ids, and the names for people. Raises Invalid under `params`."""
    ids = [params.get(name) for name in _IDS]
    if not params.keys() <= {*_IDS, *_NAMES} or not all(map(_is_id, ids)) or ids[0] == ids[1]:
        raise Invalid(errors={"params": ["A change of keys has 'from_key_id' and another 'to_key_id'."]})
    try:
        names = [get_key(int(id_ or 0)).name for id_ in ids]
    except NotFound as error:
        raise Invalid(errors={"params": [error.message]}) from error
    return dict(zip((*_IDS, *_NAMES), (*ids, *names), strict=True))


def rotation_job(node_id: int, params: Mapping[str, Any]) -> Job:
    """For the caller to queue. One that has the new key already has the rest done."""
    node = get_node(node_id)
    ensure_ready(node)
    if node.ssh_key_id not in (params["from_key_id"], params["to_key_id"]):
        raise WrongState(f"Node {node.name} logs in with another key by now; it is left alone.")
    attempts = current_app.config["JOB_MAX_ATTEMPTS"]
    return Job(kind=KIND, node_id=node.id, node_name=node.name, params=dict(params), max_attempts=attempts)


def _is_id(value: Any) -> bool:
    """JSON's true is none, and what no database holds is none."""
    return type(value) is int and 0 < value <= _MOST_ID


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
