"""Playbooks asked for: a run on the chosen projects or nodes."""

from collections.abc import Mapping
from typing import Any

from app.errors import Forbidden
from app.models import Role, Run
from app.playbooks.playbook import Playbook
from app.services import runs
from app.services.events import Actor
from app.services.playbooks import get_playbook


def ensure_may_run(playbook: Playbook, actor: Actor) -> None:
    if playbook.is_for_nodes and not actor.role.includes(Role.ADMIN):
        raise Forbidden(f"The playbook {playbook.name} is for nodes, which are for admins; ask one.")


def begin(name: str, values: dict[str, Any], actor: Actor) -> Run:
    """`values`: `project_ids` or `node_ids`, maybe `inputs concurrency max_failures`. Raises what a run raises."""
    playbook = get_playbook(name)
    ensure_may_run(playbook, actor)
    asked = dict(values)
    params = {"name": name, "inputs": asked.pop("inputs", {})}
    return runs.begin({"kind": f"{playbook.on}.playbook", "params": params} | asked, actor)


def begin_own(project_id: int, name: str, inputs: Mapping[str, Any], actor: Actor) -> Run:
    """A project's own playbook, on that project. Raises what a run raises, and what a look at the node does."""
    params = {"name": name, "inputs": dict(inputs), "project_id": project_id}
    return runs.begin({"kind": "project.playbook", "params": params, "project_ids": [project_id]}, actor)
