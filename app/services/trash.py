"""The trash of nodes: what was deleted is kept for a while, put back, or removed for good. Acts: trash_acts.py."""

import logging
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.db import db, release, unit_of_work, utcnow
from app.errors import BareboatError, NameTaken, NotFound, WrongState
from app.jobs.context import JobOrder
from app.models import Job, Node, NodeStatus, Project, TrashEntry
from app.services import jobs
from app.services.events import SYSTEM, Actor
from app.services.paging import Page, paginate
from app.services.projects import act_job, find_project_on
from app.services.runtime import runtime

logger = logging.getLogger(__name__)

KEPT: Final = (
    "node_id",
    "name",
    "git_url",
    "branch",
    "depth",
    "submodules",
    "git_credential_id",
    "head",
    "head_subject",
)


def list_trash(filters: dict[str, Any], page: int, page_size: int) -> Page[TrashEntry]:
    """`filters`: an equal `node_id`. The latest first."""
    return paginate(select(TrashEntry).filter_by(**filters).order_by(TrashEntry.id.desc()), page, page_size)


def get_entry(entry_id: int) -> TrashEntry:
    entry = db.session.get(TrashEntry, entry_id)
    if entry is None:
        raise NotFound(f"There is nothing of the number {entry_id} in the trash.")
    return entry


def trash_key(job_id: int, process_key: str) -> str:
    """The same for every attempt of a job, and another for those of other installations."""
    return f"job-{job_id}-0-{process_key.rpartition('-')[2]}"


def keep_entry(order: JobOrder, key: str, days: int) -> None:
    """Store what the project was; a job that is taken up again has done so before."""
    with unit_of_work() as session:
        project = session.get_one(Project, order.project_id)
        if session.scalar(select(TrashEntry.id).where(TrashEntry.key == key)) is None:
            values = {name: getattr(project, name) for name in (*KEPT, "cloned_at", "last_synced_at")}
            until = utcnow() + timedelta(days=days)
            session.add(TrashEntry(key=key, deleted_by=order.requested_by, keep_until=until, **values))


def request_restore(entry_id: int, actor: Actor) -> Job:
    """Project and job come in one commit; a job that fails takes the project's row away again.

    Raises NameTaken, WrongState, and what keeps us from the node.
    """
    entry = get_entry(entry_id)
    if (same := _under_way(entry, "project.restore")) is not None:
        return same
    _ensure_name_free(entry)
    project = Project(name_folded=entry.name.lower(), **{name: getattr(entry, name) for name in KEPT})
    project.node = entry.node
    job = act_job("project.restore", project, {"trash_id": entry.id, "key": entry.key})
    try:
        with unit_of_work() as session:
            session.add(project)
            session.flush()
            job.project_id = project.id
            _take(session, entry_id, job, actor)
    except IntegrityError as error:
        raise NameTaken() from error
    runtime().queue.nudge(job.id)
    return job


def request_purge(entry_id: int, actor: Actor) -> Job:
    """Remove it from the trash, for good."""
    entry = get_entry(entry_id)
    if (same := _under_way(entry, "trash.purge")) is not None:
        return same
    names = {"project_name": entry.name, "node_id": entry.node_id, "node_name": entry.node.name}
    job = Job(kind="trash.purge", params={"trash_id": entry.id, "key": entry.key}, **names)
    with unit_of_work() as session:
        _take(session, entry_id, job, actor)
    runtime().queue.nudge(job.id)
    return job


def empty_trash() -> None:
    """What is over is removed by jobs; a node that is away is asked when it is back."""
    over = select(TrashEntry.id).join(TrashEntry.node).where(TrashEntry.keep_until <= utcnow())
    due = db.session.scalars(over.where(Node.status == NodeStatus.ONLINE)).all()
    release()
    for entry_id in due:
        try:
            request_purge(entry_id, SYSTEM)
        except BareboatError as error:
            logger.info("trash entry %s stays for now: %s", entry_id, error.code)


def _take(session: Any, entry_id: int, job: Job, actor: Actor) -> None:
    """One job at a time for one entry; the row is locked while we look."""
    entry = session.get(TrashEntry, entry_id, with_for_update={"of": TrashEntry}, populate_existing=True)
    if entry is None:
        raise NotFound(f"There is nothing of the number {entry_id} in the trash any more.")
    if entry.job is not None and not entry.job.is_finished:
        raise WrongState(f"Job {entry.job_id} ({entry.job.kind}) has it in hand; wait for that, or cancel it.")
    jobs.add_queued(session, job, actor)
    entry.job_id = job.id


def _under_way(entry: TrashEntry, kind: str) -> Job | None:
    job = entry.job
    return job if job is not None and job.kind == kind and not job.is_finished else None


def _ensure_name_free(entry: TrashEntry) -> None:
    if taken := find_project_on(entry.node_id, entry.name):
        text = f"There is a project {taken.name!r} on node {entry.node.name} again; delete that one first."
        raise NameTaken(text, errors={"project": {"id": taken.id}})
