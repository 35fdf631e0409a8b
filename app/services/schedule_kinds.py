"""What a schedule may ask for: by the kind of its job, how the parameters are checked and the job is built."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.errors import Invalid
from app.models import Job
from app.services.playbook_jobs import project_job, project_steps, run_params
from app.services.project_commands import checked, command_job
from app.services.projects import get_project, pull_job
from app.services.run_kinds import pull_params
from app.services.scheduled_playbooks import scheduled_job, scheduled_params, under_params


@dataclass(frozen=True, slots=True)
class ScheduleKind:
    """Both are given a project's id and the parameters.

    `complete` answers the parameters with what was left out, or raises what is wrong with them, under `params`.
    `build` answers a job that is not stored yet, or raises what is in its way now.
    """

    complete: Callable[[int, dict[str, Any]], dict[str, Any]]
    build: Callable[[int, dict[str, Any]], Job]


def get_kind(name: str) -> ScheduleKind:
    kind = SCHEDULE_KINDS.get(name)
    if kind is None:
        raise Invalid(errors={"kind": [f"One of: {', '.join(SCHEDULE_KINDS)}."]})
    return kind


def _pull(project_id: int, params: dict[str, Any]) -> Job:
    return pull_job(project_id, params["strategy"])


def _command_params(project_id: int, params: dict[str, Any]) -> dict[str, Any]:
    """Their shape is the schema's; the rules of this installation are held to now, and again at each run."""
    if "argv" not in params:
        raise Invalid(errors={"params": ["A command has 'argv': its program and arguments."]})
    with under_params():
        checked(params, get_project(project_id))
    return params


def _playbook_params(project_id: int, params: dict[str, Any]) -> dict[str, Any]:
    """The file counts as it is when it is run, so its steps are judged, as those of a command are, but not stored."""
    if "project_id" in params:
        return scheduled_params(project_id, params)
    with under_params():
        complete = run_params(params, "project")
        project_steps(complete["steps"], get_project(project_id))
    return {"name": complete["name"], "inputs": complete["inputs"]}


def _playbook(project_id: int, params: dict[str, Any]) -> Job:
    if "project_id" in params:
        return scheduled_job(project_id, params)
    return project_job(project_id, run_params(params, "project"))


SCHEDULE_KINDS: Final[Mapping[str, ScheduleKind]] = {
    "project.pull": ScheduleKind(lambda project_id, params: pull_params(params), _pull),
    "project.command": ScheduleKind(_command_params, command_job),
    "project.playbook": ScheduleKind(_playbook_params, _playbook),
}
