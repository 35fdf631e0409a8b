"""Targets: from a node's rows to the frozen values that speaking to it takes."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import select

from app.commands.paths import ProjectsRoot
from app.db import db
from app.errors import BareboatError, HostKeyUnpinned, KeyMissing
from app.models import HostKey, Node, NodeStatus
from app.secrets import Secret
from app.services.keys import get_key, reveal_key
from app.services.runtime import runtime
from app.services.worker_client import GitPolicy, WorkerClient
from app.ssh.target import Limits, Target

_COLUMNS = (
    Node.id,
    Node.name,
    Node.hostname,
    Node.ssh_port,
    Node.ssh_user,
    Node.ssh_key_id,
    Node.jump_node_id,
    Node.status,
    Node.failures,
)


@dataclass(frozen=True, slots=True)
class Watched:
    """A node as the sweep sees it. `is_steady`: it is online, and nothing is wrong with it."""

    target: Target
    is_steady: bool


def build_target(node: Node, *, probe_seconds: float | None = None) -> Target:
    """Raises HostKeyUnpinned or KeyMissing, naming the node or the jump host that lacks it."""
    if not node.host_keys:
        raise HostKeyUnpinned(
            f"No host key of node {node.name} is pinned; scan it, compare the fingerprint, and pin it."
        )
    if node.ssh_key is None:
        raise KeyMissing(f"Node {node.name} has no SSH key; choose one on its page.")
    return Target(
        name=node.name,
        hostname=node.hostname,
        port=node.ssh_port,
        user=node.ssh_user,
        private_key=reveal_key(node.ssh_key),
        key_fingerprint=node.ssh_key.fingerprint,
        host_keys=tuple(key.public_key for key in node.host_keys),
        jump=build_target(node.jump_node) if node.jump_node else None,
        limits=probe_limits(probe_seconds) if probe_seconds else Limits(),
    )


def find_target(node: Node) -> Target | None:
    """None where nothing could have been said to the node."""
    try:
        return build_target(node)
    except BareboatError:
        return None


def watched_nodes(ids: Collection[int]) -> tuple[dict[int, Watched], dict[int, BareboatError]]:
    """Those of these nodes that may be spoken to, and why the others may not. Few queries, no rows as objects, and
    each key opened once; what is odd goes by `build_target`, which knows the words."""
    watched: dict[int, Watched] = {}
    refused: dict[int, BareboatError] = {}
    if not ids:
        return watched, refused
    rows = db.session.execute(select(*_COLUMNS).where(Node.id.in_(ids))).all()
    pins, keys = _pins(ids), _Keys()
    for row in rows:
        try:
            target = _target(row, pins.get(row.id, ()), keys)
        except BareboatError as error:
            refused[row.id] = error
        else:
            watched[row.id] = Watched(target, row.status is NodeStatus.ONLINE and row.failures == 0)
    return watched, refused


def probe_limits(seconds: float) -> Limits:
    """Every step of a probe within so many seconds, and all of them together."""
    return Limits(resolve=min(5, seconds), connect=seconds, banner=seconds, auth=seconds, deadline=seconds)


def build_worker_client(
    node: Node, timeout_seconds: int | None = None, *, probe_seconds: float | None = None
) -> WorkerClient:
    """What can be done on this node, with no row in it: let the database go before using it."""
    config = current_app.config
    return WorkerClient(
        runtime().nodes,
        build_target(node, probe_seconds=probe_seconds),
        ProjectsRoot(node.projects_root),
        GitPolicy.of(config),
        timeout_seconds or config["STATUS_TIMEOUT_SECONDS"],
    )


class _Keys:
    """Private keys by id, each opened once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Secret, str]] = {}

    def get(self, key_id: int) -> tuple[Secret, str]:
        if key_id not in self._known:
            key = get_key(key_id)
            self._known[key_id] = reveal_key(key), key.fingerprint
        return self._known[key_id]


def _pins(ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """By node, in the order of `build_target`: a Target is what the connection is found by."""
    pins: dict[int, list[str]] = {}
    query = select(HostKey.node_id, HostKey.public_key).where(HostKey.node_id.in_(ids)).order_by(HostKey.id)
    for node_id, public_key in db.session.execute(query):
        pins.setdefault(node_id, []).append(public_key)
    return {node_id: tuple(keys) for node_id, keys in pins.items()}


def _target(row: Any, pins: tuple[str, ...], keys: _Keys) -> Target:
    if row.jump_node_id is not None or row.ssh_key_id is None or not pins:
        return build_target(db.session.get_one(Node, row.id))
    private_key, fingerprint = keys.get(row.ssh_key_id)
    return Target(
        name=row.name,
        hostname=row.hostname,
        port=row.ssh_port,
        user=row.ssh_user,
        private_key=private_key,
        key_fingerprint=fingerprint,
        host_keys=pins,
    )
