"""Jobs that give a node another SSH key: how a run's parameters are checked, and a member becomes one."""

from collections.abc import Mapping
from typing import Any, Final

from flask import current_app

from app.errors import Invalid, NotFound, WrongState
from app.models import Job
from app.services.keys import get_key
from app.services.nodes import get_node
from app.services.projects import ensure_ready

KIND: Final = "node.rotate_key"
_IDS: Final = ("from_key_id", "to_key_id")
_NAMES: Final = ("from_key", "to_key")
_MOST_ID: Final = 2**31 - 1  # as PostgreSQL keeps ids


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
