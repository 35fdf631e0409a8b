"""Jobs: queued, seen, read, cancelled, tried again."""

from typing import Any

from flask import current_app
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload, lazyload

from app.db import db, unit_of_work, utcnow
from app.errors import NotFound, ProjectBusy, Throttled, WrongState
from app.jobs.journal import log_size, read_log, read_timed_log
from app.models import Event, Job, JobState, Node
from app.models.job import UNDER_WAY
from app.services.events import Actor, event, event_of_job
from app.services.kind_roles import ensure_may_ask
from app.services.paging import Page, paginate, sorted_by
from app.services.queue import cancel_if_queued
from app.services.runtime import runtime

LOG_READ_LIMIT = 1024 * 1024
_SORTABLE = {"id": Job.id, "created_at": Job.created_at, "finished_at": Job.finished_at, "kind": Job.kind}
_WITH_NODE = joinedload(Job.node).options(lazyload(Node.ssh_key), lazyload(Node.host_keys))


def list_jobs(filters: dict[str, Any], sort: str | None, page: int, page_size: int) -> Page[Job]:
    """`filters`: equal values of `state`, `kind`, `project_id`, `node_id`; the newest first unless sorted."""
    rows = select(Job).filter_by(**filters).order_by(Job.id.desc())
    return paginate(sorted_by(rows, sort, _SORTABLE), page, page_size, _WITH_NODE)


def latest_jobs(limit: int) -> list[Job]:
    return list(db.session.scalars(select(Job).options(_WITH_NODE).order_by(Job.id.desc()).limit(limit)))


def state_counts() -> dict[str, int]:
    rows = db.session.execute(select(Job.state, func.count()).group_by(Job.state))
    return {state.value: 0 for state in JobState} | {state.value: count for state, count in rows}


def get_job(job_id: int) -> Job:
    job = db.session.get(Job, job_id)
    if job is None:
        raise NotFound(f"There is no job {job_id}.")
    return job


def find_job_under_way(project_id: int) -> Job | None:
    """The job that is changing this project, queued or running."""
    return db.session.scalar(select(Job).where(Job.project_id == project_id, UNDER_WAY))


def under_way_by_project(project_ids: list[int]) -> dict[int, Job]:
    """The jobs that are changing these projects now, by project id."""
    rows = db.session.scalars(select(Job).where(Job.project_id.in_(project_ids), UNDER_WAY))
    return {job.project_id: job for job in rows if job.project_id is not None}


def read_job_log(job_id: int, offset: int, *, whole: bool = False) -> tuple[bytes, int]:
    """Bytes of the log from `offset` on (a megabyte at most, unless `whole`), and the offset to go on from."""
    get_job(job_id)
    size = log_size(job_id)
    if offset >= size:
        return b"", offset
    data = read_log(job_id, offset, size if whole else LOG_READ_LIMIT)
    return data, offset + len(data)


def read_job_log_end(job_id: int, limit: int) -> tuple[bytes, int]:
    """The last `limit` bytes of the log, and the offset at which they begin."""
    get_job(job_id)
    start = max(0, log_size(job_id) - limit)
    return read_log(job_id, start, limit), start


def read_timed_job_log(job_id: int) -> bytes:
    """The whole log, each line behind the time at which it came: UTC, late by a quarter of a second at most."""
    get_job(job_id)
    return read_timed_log(job_id)


def cancelled_by(job_id: int) -> str | None:
    """Who has asked for the cancel, as the audit log knows."""
    asked = select(Event.actor).where(Event.action == "job.cancel", Event.subject == f"job {job_id}")
    return db.session.scalar(asked.order_by(Event.at.desc(), Event.id.desc()).limit(1))


def enqueue(job: Job, actor: Actor) -> Job:
    """Queue a job on a project, or answer the one under way that asks for the same.

    Raises ProjectBusy when another act is under way: the database's unique index decides, not a look beforehand.
    """
    project_id, kind, params = job.project_id, job.kind, job.params
    try:
        with unit_of_work() as session:
            add_queued(session, job, actor)
    except IntegrityError as error:
        return _same_or_busy(project_id, kind, params, error)
    runtime().queue.nudge(job.id)
    return job


def add_queued(session: Any, job: Job, actor: Actor) -> None:
    """Within the caller's transaction; the caller nudges the queue after its commit. Raises Throttled."""
    _ensure_room(session, actor)
    job.requested_by = actor.name
    session.add(job)
    session.flush()
    runtime().registry.get(job.kind).on_queued(job)
    subject = f"project {job.project_name}" if job.project_name else f"node {job.node_name}"
    session.add(event(actor, job.kind, f"{subject} (job {job.id})", "requested", node_name=job.node_name))


def request_cancel(job_id: int, actor: Actor) -> Job:
    """A queued job is cancelled at once; a running one is asked to stop, and ends when its process is gone."""
    job = get_job(job_id)
    ensure_may_ask(job.kind, actor)
    if job.is_finished:
        raise WrongState(f"Job {job_id} has ended already ({job.state.value}).")
    with unit_of_work() as session:
        if not cancel_if_queued(session, job_id):
            is_running = Job.state == JobState.RUNNING
            session.execute(update(Job).where(Job.id == job_id, is_running).values(cancel_requested_at=utcnow()))
        session.add(event_of_job(actor, "job.cancel", job))
    return get_job(job_id)


def abandon(job_id: int, actor: Actor) -> Job:
    """End a running job that nobody can follow, its node being gone for good. What it started there may still run."""
    is_followed = WrongState(f"Job {job_id} is not one that waits for its node to come back; cancel it instead.")
    values = {
        "state": JobState.FAILED,
        "error_code": "stop_unconfirmed",
        "error_message": f"Given up by {actor.name} while the node was away; what the job started there may still run.",
        "finished_at": utcnow(),
        "lease_expires_at": None,
    }
    left_alone = update(Job).where(Job.id == job_id, Job.state == JobState.RUNNING, Job.owner.is_(None))
    get_job(job_id)
    with unit_of_work() as session:
        if not session.execute(left_alone.values(values)).rowcount:
            raise is_followed
        job = session.get(Job, job_id, populate_existing=True)
        runtime().registry.get(job.kind).on_ended(job)
        session.add(event_of_job(actor, "job.abandon", job))
    return get_job(job_id)


def request_retry(job_id: int, actor: Actor) -> Job:
    """A new job that asks for the same as one that failed."""
    old = get_job(job_id)
    ensure_may_ask(old.kind, actor)
    if not old.is_finished or old.state is JobState.SUCCEEDED:
        raise WrongState(f"Job {job_id} is {old.state.value}; only a job that failed can be tried again.")
    if old.project_id is None and old.project_name is not None:
        raise WrongState(f"The project {old.project_name} of job {job_id} is gone; there is nothing to try again.")
    same = ("kind", "project_id", "project_name", "node_id", "node_name", "max_attempts")
    return enqueue(Job(params=dict(old.params), **{name: getattr(old, name) for name in same}), actor)


def _ensure_room(session: Any, actor: Actor) -> None:
    """The queue has an end, and nobody takes all of it."""
    queued = select(func.count()).select_from(Job).where(Job.state == JobState.QUEUED)
    most, most_of_one = (current_app.config[name] for name in ("MAX_QUEUED_JOBS", "MAX_QUEUED_JOBS_PER_USER"))
    if session.scalar(queued) >= most:
        raise Throttled(f"{most} jobs are waiting already (MAX_QUEUED_JOBS); try again when some of them are done.")
    if session.scalar(queued.where(Job.requested_by == actor.name)) >= most_of_one:
        said = f"{most_of_one} jobs of {actor.name} are waiting already (MAX_QUEUED_JOBS_PER_USER)"
        raise Throttled(f"{said}; cancel some, or try again when some of them are done.")


def _same_or_busy(project_id: int | None, kind: str, params: dict[str, Any], error: IntegrityError) -> Job:
    under_way = find_job_under_way(project_id) if project_id is not None else None
    if under_way is None:
        raise ProjectBusy("Another job was changing this project just now; try again.") from error
    if under_way.kind == kind and under_way.params == params:
        return under_way
    raise busy_with(under_way) from error


def busy_with(job: Job) -> ProjectBusy:
    """The refusal that names the job in the way."""
    text = f"Job {job.id} ({job.kind}) is changing project {job.project_name}; wait for it, or cancel it."
    return ProjectBusy(text, errors={"job": {"id": job.id, "kind": job.kind, "state": job.state.value}})
