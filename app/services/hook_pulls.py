"""Pulls that hooks want: queued at once, or remembered, once, until the project is free and its node is there.

A push is answered by a pull that *starts* after it. A pull that waits in the queue will start, so a push joins it; one
that runs may have fetched already, so the wish stays and becomes a job of its own when that one has ended.
"""

import logging
from typing import Any, Final

from sqlalchemy import exists, select, update
from sqlalchemy.exc import IntegrityError

from app.db import db, unit_of_work, utcnow
from app.errors import BareboatError, HostKeyUnpinned, KeyMissing, NodeCordoned, NodeOffline, Throttled
from app.models import CHANGING_STATES, Hook, HookDelivery, HookOutcome, Job, JobState, Node, NodeStatus, Project, Role
from app.services import jobs
from app.services.events import Actor
from app.services.projects import pull_job
from app.services.runtime import runtime

BATCH: Final = 100
_PASSING: Final = (NodeOffline, NodeCordoned, HostKeyUnpinned, KeyMissing)

logger = logging.getLogger(__name__)


def start_wanted_pulls() -> None:
    """Called every few seconds, by anybody."""
    for hook_id in _startable():
        start(hook_id)


def start(hook_id: int) -> None:
    """Queue the pull that this hook wants, or leave it wanted while something that passes is in the way."""
    hook = db.session.get(Hook, hook_id)
    if hook is None or hook.pull_wanted_at is None:
        return
    project_id = hook.project_id
    try:
        job = pull_job(project_id, "ff-only")
    except _PASSING as error:
        _put_back(hook_id, error)
    except BareboatError as error:
        if jobs.find_job_under_way(project_id) is None:  # a clone under way may have read the branch already
            _settle(hook_id, HookOutcome.REFUSED, error.message)
    else:
        _queue(hook_id, project_id, job)


def _startable() -> list[int]:
    """The longest waiting first; those whose project is busy or whose node is away fill no batch."""
    under_way = exists().where(Job.project_id == Hook.project_id, Job.state.in_(CHANGING_STATES))
    rows = select(Hook.id).join(Project, Hook.project_id == Project.id).join(Node, Project.node_id == Node.id)
    rows = rows.where(Hook.pull_wanted_at.is_not(None), ~under_way)
    rows = rows.where(Node.status != NodeStatus.OFFLINE, Node.cordoned.is_(False))
    return list(db.session.scalars(rows.order_by(Hook.pull_wanted_at).limit(BATCH)))


def _queue(hook_id: int, project_id: int, job: Job) -> None:
    """The job, and the end of the wish, in one transaction: a push that comes later finds a job that has not begun."""
    try:
        with unit_of_work() as session:
            if not _end_wish(session, hook_id):
                return
            jobs.add_queued(session, job, Actor(f"hook {hook_id}", Role.OPERATOR))
            _note(session, hook_id, HookOutcome.QUEUED, job_id=job.id)
    except IntegrityError:  # another job is changing the project; the database has decided
        _join(hook_id, project_id)
    except Throttled as error:
        logger.warning("hook %s waits for room in the queue: %s", hook_id, error.message)
    else:
        runtime().queue.nudge(job.id)


def _join(hook_id: int, project_id: int) -> None:
    """Be answered by a pull that waits. Its row is held meanwhile, so that it does not begin before we are noted."""
    waits = select(Job.id).filter_by(project_id=project_id, kind="project.pull", state=JobState.QUEUED)
    with unit_of_work() as session:
        job_id = session.scalar(waits.with_for_update())
        if job_id is not None and _end_wish(session, hook_id):
            _note(session, hook_id, HookOutcome.JOINED, job_id=job_id)


def _put_back(hook_id: int, error: BareboatError) -> None:
    """Behind the others, with what it waits for."""
    with unit_of_work() as session:
        session.execute(_wish(hook_id).values(pull_wanted_at=utcnow()))
        session.execute(_waiting(hook_id).values(detail=error.message[:512]))


def _settle(hook_id: int, outcome: HookOutcome, detail: str) -> None:
    with unit_of_work() as session:
        if _end_wish(session, hook_id):
            _note(session, hook_id, outcome, detail=detail[:512])


def _end_wish(session: Any, hook_id: int) -> bool:
    """False when somebody else was quicker."""
    return bool(session.execute(_wish(hook_id).values(pull_wanted_at=None)).rowcount)


def _note(session: Any, hook_id: int, outcome: HookOutcome, **more: Any) -> None:
    """What became of the deliveries that waited. `more`: `job_id`, or `detail`."""
    session.execute(_waiting(hook_id).values({"outcome": outcome, "detail": None} | more))
    session.execute(update(Hook).where(Hook.id == hook_id).values(last_outcome=outcome))


def _wish(hook_id: int) -> Any:
    return update(Hook).where(Hook.id == hook_id, Hook.pull_wanted_at.is_not(None))


def _waiting(hook_id: int) -> Any:
    return update(HookDelivery).filter_by(hook_id=hook_id, outcome=HookOutcome.WAITING)
