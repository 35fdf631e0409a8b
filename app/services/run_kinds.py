"""What a run may ask for: by the kind of its jobs, how the parameters are checked and a member's job is built."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.commands.git import STRATEGIES
from app.commands.refs import GitRef
from app.errors import Invalid, naming
from app.models import Job
from app.services.playbook_jobs import node_job, project_job, run_params
from app.services.project_commands import command_job
from app.services.projects import checkout_job, pull_job
from app.services.rotation_jobs import rotation_job, rotation_params
from app.services.set_clones import clone_job, clone_params


@dataclass(frozen=True, slots=True)
class RunKind:
    """`complete` answers the parameters with what was left out, or raises what is wrong with them, under `params`.
    `build` is given a member's id and the parameters; it answers a job that is not stored yet, or raises what is in
    its way now. `members` says of what the ids are. Who may ask for it is said by the kind of its jobs."""

    complete: Callable[[dict[str, Any]], dict[str, Any]]
    build: Callable[[int, dict[str, Any]], Job]
    members: Literal["project", "node"] = "project"


def get_run_kind(name: str) -> RunKind:
    kind = RUN_KINDS.get(name)
    if kind is None:
        raise Invalid(errors={"kind": [f"One of: {', '.join(RUN_KINDS)}."]})
    return kind


def pull_params(params: dict[str, Any]) -> dict[str, Any]:
    wanted = {"strategy": "ff-only"} | params
    if wanted.keys() != {"strategy"} or wanted["strategy"] not in STRATEGIES:
        raise Invalid(errors={"params": [f"A pull has 'strategy' only: {', '.join(STRATEGIES)}."]})
    return wanted


def _checkout_params(params: dict[str, Any]) -> dict[str, Any]:
    if params.keys() != {"ref"} or not isinstance(params["ref"], str):
        raise Invalid(errors={"params": ["A checkout has 'ref' only: a branch, tag or commit."]})
    with naming("params"):
        return {"ref": GitRef(params["ref"])}


def _command_params(params: dict[str, Any]) -> dict[str, Any]:
    """Their shape is the schema's; paths are judged for each project, when its turn comes."""
    if "argv" not in params:
        raise Invalid(errors={"params": ["A command has 'argv': its program and arguments."]})
    return params


RUN_KINDS: Final[Mapping[str, RunKind]] = {
    "project.clone": RunKind(clone_params, clone_job, "node"),
    "project.pull": RunKind(pull_params, lambda project_id, params: pull_job(project_id, params["strategy"])),
    "project.checkout": RunKind(_checkout_params, lambda project_id, params: checkout_job(project_id, params["ref"])),
    "project.command": RunKind(_command_params, command_job),
    "project.playbook": RunKind(lambda params: run_params(params, "project"), project_job),
    "node.playbook": RunKind(lambda params: run_params(params, "node"), node_job, "node"),
    "node.rotate_key": RunKind(rotation_params, rotation_job, "node"),
}
