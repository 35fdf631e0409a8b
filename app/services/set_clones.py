"""Clones of a project set: how a node of the run becomes a job, with the project that it makes."""

from typing import Any

from flask import current_app

from app.db import db
from app.errors import Invalid, NameTaken, NotFound, WrongState
from app.models import Job, Node, Project, ProjectSet
from app.services.credentials import ensure_fits
from app.services.nodes import get_node
from app.services.projects import act_job, ensure_git_url, ensure_ready, find_project_on


def get_set(set_id: int) -> ProjectSet:
    found = db.session.get(ProjectSet, set_id)
    if found is None:
        raise NotFound(f"There is no project set {set_id}.")
    return found


def clone_params(params: dict[str, Any]) -> dict[str, Any]:
    set_id = params.get("set_id")
    if params.keys() != {"set_id"} or not isinstance(set_id, int) or isinstance(set_id, bool):
        raise Invalid(errors={"params": ["A clone on many nodes has 'set_id' only: the id of a project set."]})
    if not 0 < set_id < 2**31 or db.session.get(ProjectSet, set_id) is None:
        raise Invalid(errors={"params": [f"There is no project set {set_id}; make it first."]})
    return params


def clone_job(node_id: int, params: dict[str, Any]) -> Job:
    """With its project, which is stored with it; a clone that failed before is tried again as the project it made."""
    wanted, node = get_set(params["set_id"]), get_node(node_id)
    ensure_ready(node)
    ensure_fits(wanted.git_credential_id, ensure_git_url(wanted.git_url))
    existing = find_project_on(node.id, wanted.name)
    return _new_clone(wanted, node) if existing is None else _clone_again(wanted, existing)


def _new_clone(wanted: ProjectSet, node: Node) -> Job:
    same = ("name", "name_folded", "git_url", "branch", "git_credential_id")
    project = Project(node_id=node.id, set_id=wanted.id, **{field: getattr(wanted, field) for field in same})
    job = Job(kind="project.clone", project=project, project_name=wanted.name, node_id=node.id, node_name=node.name)
    job.max_attempts = current_app.config["JOB_MAX_ATTEMPTS"]
    return job


def _clone_again(wanted: ProjectSet, existing: Project) -> Job:
    if existing.set_id != wanted.id:
        raise NameTaken(f"Node {existing.node.name} has a project {existing.name!r} that is not of this set.")
    if existing.cloned_at is not None:
        raise WrongState(f"Project {existing.name} is on node {existing.node.name} already.")
    return act_job("project.clone", existing, {})
