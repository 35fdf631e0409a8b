"""Recoveries: what projects were before a pull changed them; listed, gone back to, given up when they are over."""

import logging
from datetime import timedelta

from flask import current_app
from sqlalchemy import select

from app.commands.giturl import GitUrl
from app.commands.paths import ProjectName
from app.db import db, release, unit_of_work, utcnow
from app.errors import BareboatError, NotFound
from app.jobs.context import JobOrder
from app.models import Job, Node, NodeStatus, Project, Recovery
from app.services import jobs
from app.services.events import Actor
from app.services.paging import Page, paginate
from app.services.projects import act_job, get_cloned_project, get_project
from app.services.targets import build_worker_client

logger = logging.getLogger(__name__)


def list_recoveries(project_id: int, page: int, page_size: int) -> Page[Recovery]:
    """The latest first."""
    get_project(project_id)
    rows = select(Recovery).where(Recovery.project_id == project_id).order_by(Recovery.id.desc())
    return paginate(rows, page, page_size)


def latest_recoveries(project_id: int, limit: int) -> list[Recovery]:
    rows = select(Recovery).where(Recovery.project_id == project_id).order_by(Recovery.id.desc())
    return list(db.session.scalars(rows.limit(limit)))


def get_recovery(project_id: int, recovery_id: int) -> Recovery:
    recovery = db.session.get(Recovery, recovery_id)
    if recovery is None or recovery.project_id != project_id:
        raise NotFound(f"Project {project_id} has no recovery {recovery_id}.")
    return recovery


def request_undo(project_id: int, recovery_id: int, actor: Actor) -> Job:
    """Back to what the project was; what it is now becomes a recovery of its own."""
    project, recovery = get_cloned_project(project_id), get_recovery(project_id, recovery_id)
    params = {"recovery_id": recovery.id, "key": recovery.key}
    return jobs.enqueue(act_job("project.undo", project, params), actor)


def keep_recovery(order: JobOrder, project: Project, ref: str) -> None:
    """Within the caller's transaction, while the row still says what was before. Done before: nothing."""
    key = ref.rpartition("/")[2]
    known = select(Recovery.id).where(Recovery.project_id == project.id, Recovery.key == key)
    if db.session.scalar(known) is not None:
        return
    db.session.add(
        Recovery(
            project_id=project.id,
            key=key,
            act=order.params.get("strategy", "undo"),
            head=project.head,
            branch=project.branch,
            requested_by=order.requested_by,
            keep_until=utcnow() + timedelta(days=current_app.config["RECOVERY_DAYS"]),
        )
    )


def drop_old_recoveries() -> None:
    """Refs that are over are removed from nodes that are online; the others' when they are back."""
    over = select(Recovery.id).join(Recovery.project).join(Project.node).where(Recovery.keep_until <= utcnow())
    due = db.session.scalars(over.where(Node.status == NodeStatus.ONLINE)).all()
    release()
    for recovery_id in due:
        try:
            _drop(recovery_id)
        except BareboatError as error:
            logger.warning("recovery %s stays for now: %s", recovery_id, error.message)


def _drop(recovery_id: int) -> None:
    recovery = db.session.get(Recovery, recovery_id)
    if recovery is None or jobs.find_job_under_way(recovery.project_id) is not None:
        return
    project = recovery.project
    client, name, url = build_worker_client(project.node), ProjectName(project.name), GitUrl.parse(project.git_url)
    key = recovery.key
    release()
    client.drop_recovery(name, url, key)
    with unit_of_work() as session:
        if (row := session.get(Recovery, recovery_id)) is not None:
            session.delete(row)
