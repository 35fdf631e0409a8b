"""Runs go on: what has ended is taken into the recap, and the next members become jobs, as many as there is room for.

`advance` may be called by anybody, at any time and as often as they like: when a job has ended, and by a tick for what
that has missed. A member and its job are stored in one transaction, so whoever is killed at any moment, no member is
lost and none is begun twice. A project that another job is changing waits; its turn comes when that has ended.
"""

import logging
from typing import Any, Final

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from app.db import db, unit_of_work, utcnow
from app.errors import (
    BareboatError,
    HostKeyUnpinned,
    KeyMissing,
    NodeCordoned,
    NodeError,
    NodeOffline,
    Throttled,
    WrongState,
)
from app.models import (
    CHANGING_STATES,
    FAILURES,
    Job,
    JobState,
    MemberState,
    Node,
    NodeStatus,
    Role,
    Run,
    RunMember,
    RunState,
)
from app.services import jobs
from app.services.events import SYSTEM, Actor, event
from app.services.queue import cancel_if_queued
from app.services.run_kinds import get_run_kind
from app.services.runtime import runtime

_STOPPED: Final = ("run_stopped", "Not begun: too many others of this run have failed.")
_CANCELLED: Final = ("cancelled", "Not begun: the run was cancelled.")
_UNREACHABLE: Final = (NodeOffline, HostKeyUnpinned, KeyMissing, NodeError)

logger = logging.getLogger(__name__)


def advance_all() -> None:
    """Every run that is under way; called every few seconds, by anybody."""
    for run_id in db.session.scalars(select(Run.id).where(Run.state == RunState.RUNNING).order_by(Run.id)).all():
        advance(run_id)


def note_job(job_id: int) -> None:
    """A runner is done with this job: the run that it belongs to, if any, goes on at once."""
    run_id = db.session.scalar(select(RunMember.run_id).where(RunMember.job_id == job_id))
    if run_id is not None:
        advance(run_id)


def advance(run_id: int) -> None:
    _withdraw_held(run_id)
    _take_ended(run_id)
    if (why := _why_it_stops(run_id)) is not None:
        _stop(run_id, *why)
    else:
        while (member_id := _next(run_id)) is not None and _begin(run_id, member_id):
            pass
        if (why := _why_it_stops(run_id)) is not None:
            _stop(run_id, *why)
    _finish(run_id)


def _withdraw_held(run_id: int) -> None:
    """Jobs that wait for a node that is offline: a run tells so, and does not wait with them."""
    held = select(Job.id).join(RunMember, RunMember.job_id == Job.id).join(Node, Job.node_id == Node.id)
    is_held = (Job.state == JobState.QUEUED, Node.status == NodeStatus.OFFLINE)
    for job_id in db.session.scalars(held.where(RunMember.run_id == run_id, *is_held)).all():
        with unit_of_work() as session:
            if cancel_if_queued(session, job_id, "node_offline", NodeOffline.message):
                logger.info("job %s of run %s is withdrawn: its node is offline", job_id, run_id)


def _take_ended(run_id: int) -> None:
    rows = select(RunMember.id, RunMember.job_id, Job).outerjoin(Job, RunMember.job_id == Job.id)
    running = db.session.execute(rows.where(RunMember.run_id == run_id, RunMember.state == MemberState.RUNNING)).all()
    ended = [(row.id, *_came_to(row.Job)) for row in running if row.Job is None or row.Job.is_finished]
    for member_id, state, code, message in ended:
        _settle(member_id, MemberState.RUNNING, state, code, message)


def _came_to(job: Job | None) -> tuple[MemberState, str | None, str | None]:
    """A job that was done without a word of what it changed is taken to have changed something; one that was cancelled,
    to have changed nothing."""
    if job is None:
        return MemberState.FAILED, "not_found", "Its job was deleted before it was looked at."
    if job.state is JobState.SUCCEEDED:
        is_same = job.result is not None and job.result.get("changed") is False
        return MemberState.OK if is_same else MemberState.CHANGED, None, None
    if job.error_code in _node_codes():
        return MemberState.UNREACHABLE, job.error_code, job.error_message
    if job.state is not JobState.CANCELLED:
        return MemberState.FAILED, job.error_code, job.error_message
    is_changed = job.result is not None and job.result.get("changed") is True
    return MemberState.CHANGED if is_changed else MemberState.SKIPPED, job.error_code, job.error_message


def _node_codes() -> frozenset[str]:
    kinds: list[type[NodeError]] = [NodeError, *NodeError.__subclasses__()]
    return frozenset({kind.code for base in kinds for kind in (base, *base.__subclasses__())} | {NodeOffline.code})


def _why_it_stops(run_id: int) -> tuple[str, str] | None:
    run = db.session.get(Run, run_id, populate_existing=True)
    if run is None or run.is_finished:
        return None
    if run.cancel_requested_at is not None:
        return _CANCELLED
    is_over = run.max_failures is not None and _count(run_id, *FAILURES) >= run.max_failures
    return _STOPPED if is_over else None


def _stop(run_id: int, code: str, message: str) -> None:
    """Nothing further is begun. What runs goes on to its end, unless the run was cancelled."""
    values = {"state": MemberState.SKIPPED, "error_code": code, "error_message": message}
    waiting = update(RunMember).where(RunMember.run_id == run_id, RunMember.state == MemberState.WAITING)
    with unit_of_work() as session:
        session.execute(waiting.values(values))
    if code == "cancelled":
        _cancel_jobs(run_id)
        _take_ended(run_id)


def _cancel_jobs(run_id: int) -> None:
    rows = select(Job.id).join(RunMember, RunMember.job_id == Job.id).where(RunMember.run_id == run_id)
    is_going = (Job.state.in_(CHANGING_STATES), Job.cancel_requested_at.is_(None))
    for job_id in db.session.scalars(rows.where(*is_going)).all():
        try:
            jobs.request_cancel(job_id, SYSTEM)
        except WrongState:
            logger.info("job %s ended before it was cancelled", job_id)


def _next(run_id: int) -> int | None:
    """The first member that could be begun now; None: there is none, or no room."""
    run = db.session.get(Run, run_id, populate_existing=True)
    if run is None or run.is_finished or run.cancel_requested_at or not _has_room(run):
        return None
    busy = exists().where(Job.project_id == RunMember.project_id, Job.state.in_(CHANGING_STATES))
    free = select(RunMember.id).where(RunMember.run_id == run_id, RunMember.state == MemberState.WAITING)
    is_free = or_(RunMember.project_id.is_(None), ~busy)
    return db.session.scalar(free.where(is_free).order_by(RunMember.id).limit(1))


def _has_room(run: Run) -> bool:
    if run.max_failures is not None and _count(run.id, *FAILURES) >= run.max_failures:
        return False
    return _count(run.id, MemberState.RUNNING) < run.concurrency


def _begin(run_id: int, member_id: int) -> bool:
    """False: not now; whoever looks next tries again."""
    run, member = db.session.get_one(Run, run_id), db.session.get_one(RunMember, member_id)
    kind, actor = get_run_kind(run.kind), Actor(run.requested_by, Role.OPERATOR)
    target_id = member.project_id if kind.members == "project" else member.node_id
    try:
        job = kind.build(target_id or 0, dict(run.params))
    except BareboatError as error:
        _settle(member_id, MemberState.WAITING, _refused(error), error.code, error.message)
        return True
    try:
        return _queue(run_id, member_id, job, actor)
    except Throttled as error:
        logger.warning("run %s waits for room in the queue: %s", run_id, error.message)
    except IntegrityError:
        logger.info("member %s of run %s is busy, or was deleted, at this moment", member_id, run_id)
    return False


def _refused(error: BareboatError) -> MemberState:
    if isinstance(error, _UNREACHABLE):
        return MemberState.UNREACHABLE
    return MemberState.SKIPPED if isinstance(error, NodeCordoned) else MemberState.FAILED


def _queue(run_id: int, member_id: int, job: Job, actor: Actor) -> bool:
    """Member and job in one transaction, which only one holds at a time. Raises IntegrityError when the project is
    busy."""
    going = update(Run).where(Run.id == run_id, Run.state == RunState.RUNNING, Run.cancel_requested_at.is_(None))
    waiting = update(RunMember).where(RunMember.id == member_id, RunMember.state == MemberState.WAITING)
    with unit_of_work() as session:
        if not session.execute(going.values(moved_at=utcnow())).rowcount:
            return False
        if not _has_room(session.get_one(Run, run_id)):
            return False
        if not session.execute(waiting.values(state=MemberState.RUNNING)).rowcount:
            return True  # somebody else has begun this one
        jobs.add_queued(session, job, actor)
        session.execute(update(RunMember).where(RunMember.id == member_id).values(job_id=job.id))
    runtime().queue.nudge(job.id)
    return True


def _settle(member_id: int, before: MemberState, state: MemberState, code: str | None, message: str | None) -> None:
    still = update(RunMember).where(RunMember.id == member_id, RunMember.state == before)
    with unit_of_work() as session:
        session.execute(still.values(state=state, error_code=code, error_message=message))


def _finish(run_id: int) -> None:
    if _count(run_id, MemberState.WAITING, MemberState.RUNNING):
        return
    run = db.session.get(Run, run_id, populate_existing=True)
    if run is None or run.is_finished:
        return
    state = RunState.FAILED if _count(run_id, *FAILURES) else RunState.SUCCEEDED
    state = RunState.CANCELLED if run.cancel_requested_at else state
    actor = Actor(run.requested_by, Role.OPERATOR)
    going = update(Run).where(Run.id == run_id, Run.state == RunState.RUNNING)
    with unit_of_work() as session:
        if session.execute(going.values(state=state, finished_at=utcnow())).rowcount:
            session.add(event(actor, "run.end", f"run {run_id}", state.value))


def _count(run_id: int, *states: MemberState) -> int:
    counted = select(func.count()).select_from(RunMember)
    found: Any = db.session.scalar(counted.where(RunMember.run_id == run_id, RunMember.state.in_(states)))
    return int(found)
