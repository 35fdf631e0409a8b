"""Pulls that hooks want: queued at once, or remembered, once, until the project is free and its node is there.

A push is answered by a pull that *starts* after it. A pull that waits in the queue will start, so a push joins it; one
that runs may have fetched already, so the wish stays and becomes a job of its own when that one has ended.
"""

import logging
from typing import Final

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError

from app.db import db, unit_of_work
from app.errors import BareboatError, HostKeyUnpinned, KeyMissing, NodeCordoned, NodeOffline, Throttled
from app.models import CHANGING_STATES, Hook, HookOutcome, Job, JobState, Node, NodeStatus, Project
from app.services import hook_runs, jobs
from app.services.hook_wishes import actor_of, end_wish, note, put_back, settle
from app.services.projects import pull_job
from app.services.runtime import runtime

BATCH: Final = 100
_PASSING: Final = (NodeOffline, NodeCordoned, HostKeyUnpinned, KeyMissing)

logger = logging.getLogger(__name__)


def start_wanted_pulls() -> None:
    """Called every few seconds, by anybody."""
    for hook_id in (*_startable(), *hook_runs.startable()):
        start(hook_id)


def start(hook_id: int) -> None:
    """Queue the pull that this hook wants, or leave it wanted while something that passes is in the way."""
    hook = db.session.get(Hook, hook_id)
    if hook is None or hook.pull_wanted_at is None:
        return
    if hook.project_id is None:
        hook_runs.start(hook)
    else:
        _start_pull(hook_id, hook.project_id)


def _start_pull(hook_id: int, project_id: int) -> None:
    try:
        job = pull_job(project_id, "ff-only")
    except _PASSING as error:
        put_back(hook_id, error)
    except BareboatError as error:
        if jobs.find_job_under_way(project_id) is None:  # a clone under way may have read the branch already
            settle(hook_id, HookOutcome.REFUSED, error.message)
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
            if not end_wish(session, hook_id):
                return
            jobs.add_queued(session, job, actor_of(hook_id))
            note(session, hook_id, HookOutcome.QUEUED, job_id=job.id)
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
        if job_id is not None and end_wish(session, hook_id):
            note(session, hook_id, HookOutcome.JOINED, job_id=job_id)
