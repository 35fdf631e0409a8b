"""What scripts on nodes report of their projects: from ACTIVE or ERROR to one of the two, and never across a job."""

from typing import Any, Final

from sqlalchemy import exists, update

from app.db import db, unit_of_work, utcnow
from app.errors import BareboatError, Forbidden, NotFound, ProjectBusy, WrongState
from app.models import CHANGING_STATES, Job, Project, ProjectStatus, Role
from app.services import jobs
from app.services.events import Actor, event
from app.services.nodes import find_node_by_token
from app.services.projects import get_project

_REPORTABLE: Final = (ProjectStatus.ACTIVE, ProjectStatus.ERROR)
_NO_MESSAGE: Final = "A script on the node reported an error."


def report_status(project_id: int, token: str, status: str, message: str | None) -> Project:
    """A script on the node reports. `token` is that node's; nothing is said to others, not even that it exists.

    Raises Forbidden, NotFound, ProjectBusy, WrongState. One guarded update decides, whatever happens beside it.
    """
    node = find_node_by_token(token)
    if node is None:
        raise Forbidden("This is not the token of a node.")
    project = db.session.get(Project, project_id)
    if project is None or project.node_id != node.id:
        raise NotFound(f"There is no project {project_id} on this node.")
    reporter, subject = Actor(f"node {node.name}", Role.VIEWER), f"project {project.name}"
    with unit_of_work() as session:
        if session.execute(_report(project_id, ProjectStatus(status), message)).rowcount:
            session.add(event(reporter, "project.report", subject, status, node_name=node.name))
            return project
    raise _in_the_way(project_id)


def _report(project_id: int, status: ProjectStatus, message: str | None) -> Any:
    is_error = status is ProjectStatus.ERROR
    under_way = exists().where(Job.project_id == project_id, Job.state.in_(CHANGING_STATES))
    is_ours = (Project.id == project_id, Project.status.in_(_REPORTABLE), Project.cloned_at.is_not(None), ~under_way)
    values = {
        "status": status,
        "last_synced_at": utcnow(),
        "error_code": "reported" if is_error else None,
        "error_message": (message or _NO_MESSAGE)[:2000] if is_error else None,
    }
    return update(Project).where(*is_ours).values(values).execution_options(synchronize_session=False)


def _in_the_way(project_id: int) -> BareboatError:
    project = get_project(project_id)
    if under_way := jobs.find_job_under_way(project_id):
        return jobs.busy_with(under_way)
    if project.cloned_at is None:
        return WrongState(f"Project {project.name} is not on the node yet; its clone decides its status.")
    if project.status in _REPORTABLE:
        return ProjectBusy("A job was changing this project just now; try again.")
    return WrongState(
        f"Project {project.name} is {project.status.value}; only ACTIVE and ERROR may be left by a report."
    )
