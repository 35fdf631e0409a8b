"""Schedules of a project's own playbooks: judged when the schedule is made, and read anew by each job, on its node.

A scheduler speaks to no node, so its job comes without steps. The job reads the file, judges it and stores what is to
be run, with the commit, before anything runs: whoever takes the job up later goes on with the same.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from app.commands.gitstatus import Head
from app.errors import ActFailed, CommandNotAllowed, Invalid, NotFound, PlaybookInvalid
from app.jobs.context import JobContext
from app.models import Job
from app.playbooks.playbook import Playbook, bound_inputs, bound_steps
from app.services.own_playbooks import get_own_playbook, read_own_playbook
from app.services.playbook_jobs import ensure_may_have, project_steps
from app.services.projects import act_job, get_cloned_project, get_project


def scheduled_params(project_id: int, params: Mapping[str, Any]) -> dict[str, Any]:
    """As the file is now. Raises Invalid under `params`, WrongState where they are not allowed, and what a look at the
    node raises."""
    name, inputs = params.get("name"), params.get("inputs", {})
    if params.keys() - {"name", "inputs", "project_id"} or not isinstance(name, str) or not isinstance(inputs, dict):
        raise Invalid(errors={"params": ["An own playbook has its 'name', its 'project_id', and 'inputs' by name."]})
    if params["project_id"] != project_id:
        raise Invalid(errors={"params": ["A project's own playbook runs on that project only."]})
    with under_params():
        playbook = get_own_playbook(project_id, name)
        steps = bound_steps(playbook, bound_inputs(playbook, inputs))
        project_steps(steps, get_project(project_id))
    return {"name": name, "inputs": dict(inputs), "project_id": project_id}


@contextmanager
def under_params() -> Iterator[None]:
    """What is wrong with an act is told under `params`, and of its inputs by name, too. What is not there is a wrong
    value here: Invalid."""
    try:
        yield
    except (Invalid, CommandNotAllowed, NotFound) as error:
        about, inputs = error.errors.get("params", [error.message]), error.errors.get("inputs")
        told = {"params": about} | ({"inputs": inputs} if isinstance(inputs, dict) else {})
        if isinstance(error, NotFound):
            raise Invalid(error.message, errors=told) from error
        error.errors = told
        raise


def scheduled_job(project_id: int, params: Mapping[str, Any]) -> Job:
    """For the caller to queue; never tried again by itself. Raises WrongState while they are not allowed."""
    project = get_cloned_project(project_id)
    ensure_may_have(project, params)
    job = act_job("project.playbook", project, dict(params))
    job.max_attempts = 1
    return job


def read_steps(context: JobContext, head: Head | None) -> dict[str, Any]:
    """The job's parameters with the steps of the file as it lies in the working tree at this `head`, where it
    may have changes that no commit has. Raises ActFailed, PlaybookInvalid."""
    params = context.order.params
    at = f"in the working tree at {head.sha[:12]}" if head else "in the working tree, at no known commit"
    playbook = _read(params["project_id"], params["name"], at)
    try:
        inputs = bound_inputs(playbook, params["inputs"])
    except Invalid as error:
        words = f"The inputs do not fit the playbook {playbook.name} ({at}) any more: {error.message}"
        raise ActFailed("inputs_unfit", words) from error
    found = {"inputs": inputs, "steps": bound_steps(playbook, inputs), "commit": head.sha if head else None}
    context.settle_params(params | found)
    context.say(f"The playbook was read {at}.")
    return params | found


def _read(project_id: int, name: str, at: str) -> Playbook:
    try:
        return read_own_playbook(project_id, name)
    except NotFound as error:
        raise ActFailed("playbook_missing", f"{error.message} ({at})") from error
    except PlaybookInvalid as error:
        error.message = f"{error.message} ({at})"
        raise
