"""Targets: from a node's rows to the frozen values that speaking to it takes."""

from flask import current_app

from app.commands.paths import ProjectsRoot
from app.errors import BareboatError, HostKeyUnpinned, KeyMissing
from app.models import Node
from app.services.keys import reveal_key
from app.services.runtime import runtime
from app.services.worker_client import GitPolicy, WorkerClient
from app.ssh.target import Limits, Target


def build_target(node: Node, *, is_probe: bool = False) -> Target:
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
        limits=probe_limits() if is_probe else Limits(),
    )


def find_target(node: Node) -> Target | None:
    """None where nothing could have been said to the node."""
    try:
        return build_target(node)
    except BareboatError:
        return None


def probe_limits() -> Limits:
    """Every step of a probe within PROBE_TIMEOUT_SECONDS."""
    seconds = float(current_app.config["PROBE_TIMEOUT_SECONDS"])
    return Limits(resolve=min(5, seconds), connect=seconds, banner=seconds, auth=seconds, deadline=seconds)


def build_worker_client(node: Node, timeout_seconds: int | None = None, *, is_probe: bool = False) -> WorkerClient:
    """What can be done on this node, with no row in it: let the database go before using it."""
    config = current_app.config
    return WorkerClient(
        runtime().nodes,
        build_target(node, is_probe=is_probe),
        ProjectsRoot(node.projects_root),
        GitPolicy(tuple(config["ALLOWED_GIT_SCHEMES"]), tuple(config["DENIED_NETWORKS"])),
        timeout_seconds or config["STATUS_TIMEOUT_SECONDS"],
    )
