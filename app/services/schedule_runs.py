"""Schedules come due: each due time is taken by one scheduler, and becomes a job or a word that says why not.

A due time is first a row, in the transaction that moves the schedule on; then the row's outcome and the job are stored
in one transaction too. So whoever is killed at any moment, a due time is neither lost nor run twice.
"""

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from flask import current_app
from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.exc import IntegrityError

from app.db import db, unit_of_work, utcnow
from app.errors import BareboatError, Invalid, Throttled, WrongState
from app.jobs.cron import next_due
from app.models import CHANGING_STATES, CatchUp, Job, Overlap, Role, RunOutcome, Schedule, ScheduledRun
from app.services import jobs
from app.services.changes_told import note_schedule
from app.services.events import Actor
from app.services.runtime import runtime
from app.services.schedule_kinds import get_kind
from app.services.schedules import note_last

MISSED_AFTER: Final = timedelta(seconds=60)
BATCH: Final = 100

logger = logging.getLogger(__name__)


def run_due_schedules() -> None:
    """Take what is due, then ask for the jobs of what was taken and waits. Called every few seconds, by anybody."""
    now = utcnow()
    _replan(now)
    for schedule_id, due_at in _due(now):
        _take(schedule_id, due_at, now)
    _clear_the_way()
    for run_id in _startable():
        _start(run_id)


def forget_old_runs() -> None:
    """The history is kept as long as that of jobs."""
    oldest = utcnow() - timedelta(days=current_app.config["JOB_HISTORY_DAYS"])
    is_over = ScheduledRun.outcome != RunOutcome.WAITING
    with unit_of_work() as session:
        session.execute(delete(ScheduledRun).where(is_over, ScheduledRun.created_at < oldest))


def _due(now: datetime) -> list[tuple[int, datetime]]:
    is_due = (Schedule.enabled, Schedule.next_run_at <= now)
    rows = select(Schedule.id, Schedule.next_run_at).where(*is_due).order_by(Schedule.next_run_at).limit(BATCH)
    return [(row.id, row.next_run_at) for row in db.session.execute(rows)]


def _take(schedule_id: int, due_at: datetime, now: datetime) -> None:
    """The next time counts from now, so missed ones are one, however many they are."""
    schedule = db.session.get(Schedule, schedule_id)
    if schedule is None:
        return
    following = _next(schedule, max(now, due_at))
    try:
        with unit_of_work() as session:
            if _move_on(session, schedule_id, due_at, following):
                _store_run(session, schedule, due_at, now)
    except IntegrityError:  # the clock was set back, and this very time has had its run
        with unit_of_work() as session:
            _move_on(session, schedule_id, due_at, following)


def _move_on(session: Any, schedule_id: int, due_at: datetime, following: datetime | None) -> bool:
    """False when somebody else has taken this due time, or the plan was changed."""
    is_still_due = (Schedule.id == schedule_id, Schedule.enabled, Schedule.next_run_at == due_at)
    moved = session.execute(update(Schedule).where(*is_still_due).values(next_run_at=following)).rowcount
    return bool(moved)


def _store_run(session: Any, schedule: Schedule, due_at: datetime, now: datetime) -> None:
    outcome = RunOutcome.WAITING
    if _waits(session, schedule.id):
        outcome = RunOutcome.SKIPPED_OVERLAP
    elif schedule.catch_up is CatchUp.SKIP and now - due_at > MISSED_AFTER:
        outcome = RunOutcome.SKIPPED_MISSED
    session.add(ScheduledRun(schedule_id=schedule.id, due_at=due_at, outcome=outcome))
    session.flush()
    if outcome is not RunOutcome.SKIPPED_OVERLAP:  # of two, the page tells of the one that is still to come
        note_last(session, schedule.id, outcome)


def _waits(session: Any, schedule_id: int) -> bool:
    found = select(ScheduledRun.id).filter_by(schedule_id=schedule_id, outcome=RunOutcome.WAITING).limit(1)
    return session.scalar(found) is not None


def _clear_the_way() -> None:
    """Where a run replaces, the earlier job of the same schedule is asked to stop; jobs of others are waited for."""
    rows = select(Job.id, Schedule.name).join(Schedule, Schedule.project_id == Job.project_id).join(ScheduledRun)
    rows = rows.where(Schedule.overlap == Overlap.REPLACE, ScheduledRun.outcome == RunOutcome.WAITING)
    rows = rows.where(Job.state.in_(CHANGING_STATES), Job.cancel_requested_at.is_(None))
    for job_id, name in db.session.execute(
        rows.where(Job.requested_by == _requester(Schedule.name)).limit(BATCH)
    ).all():
        try:
            jobs.request_cancel(job_id, Actor(_requester(name), Role.OPERATOR))
        except WrongState:  # it has ended meanwhile
            continue


def _startable() -> list[int]:
    """Those that are to be queued wait for their project; a batch is never filled by them."""
    under_way = exists().where(Job.project_id == Schedule.project_id, Job.state.in_(CHANGING_STATES))
    rows = select(ScheduledRun.id).join(Schedule).where(ScheduledRun.outcome == RunOutcome.WAITING)
    rows = rows.where(or_(Schedule.overlap == Overlap.SKIP, ~under_way))
    return list(db.session.scalars(rows.order_by(ScheduledRun.id).limit(BATCH)))


def _start(run_id: int) -> None:
    run = db.session.get(ScheduledRun, run_id)
    if run is None:
        return
    schedule_id, overlap, actor = run.schedule_id, run.schedule.overlap, _actor(run.schedule)
    try:
        job = get_kind(run.schedule.kind).build(run.schedule.project_id, dict(run.schedule.params))
    except BareboatError as error:
        logger.warning("schedule %s was refused: %s", schedule_id, error.code)
        _settle(run_id, schedule_id, RunOutcome.REFUSED, code=error.code, message=error.message)
        return
    try:
        _queue(run_id, schedule_id, job, actor)
    except Throttled as error:
        logger.warning("schedule %s waits for room in the queue: %s", schedule_id, error.message)
    except IntegrityError:  # another job is changing the project; the database has decided
        if overlap is Overlap.SKIP:
            _settle(run_id, schedule_id, RunOutcome.SKIPPED_OVERLAP)


def _queue(run_id: int, schedule_id: int, job: Job, actor: Actor) -> None:
    """Job and outcome in one transaction. Raises IntegrityError when the project is busy."""
    with unit_of_work() as session:
        if not _end_waiting(session, run_id, RunOutcome.QUEUED):
            return
        jobs.add_queued(session, job, actor)
        session.execute(update(ScheduledRun).where(ScheduledRun.id == run_id).values(job_id=job.id))
        note_last(session, schedule_id, RunOutcome.QUEUED, job_id=job.id)
    runtime().queue.nudge(job.id)


def _settle(run_id: int, schedule_id: int, outcome: RunOutcome, **why: str) -> None:
    """`why`: `code` and `message`."""
    with unit_of_work() as session:
        if _end_waiting(session, run_id, outcome, why.get("code"), why.get("message")):
            note_last(session, schedule_id, outcome, **why)
            if outcome is RunOutcome.REFUSED:
                note_schedule(session, session.get_one(Schedule, schedule_id), (why["code"], why["message"]))


def _end_waiting(
    session: Any, run_id: int, outcome: RunOutcome, code: str | None = None, message: str | None = None
) -> bool:
    """False when another scheduler was quicker."""
    is_waiting = (ScheduledRun.id == run_id, ScheduledRun.outcome == RunOutcome.WAITING)
    values = {"outcome": outcome, "error_code": code, "error_message": message}
    return bool(session.execute(update(ScheduledRun).where(*is_waiting).values(values)).rowcount)


def _replan(now: datetime) -> None:
    """A run in the future means that the clock was set back: the next one is not to wait until it is there again."""
    ahead = select(Schedule).where(Schedule.enabled, Schedule.last_run_at > now + MISSED_AFTER).limit(BATCH)
    for schedule in db.session.scalars(ahead).all():
        planned, following = schedule.next_run_at, _next(schedule, now)
        if planned is not None and following is not None and following < planned:
            with unit_of_work() as session:
                _move_on(session, schedule.id, planned, following)


def _next(schedule: Schedule, after: datetime) -> datetime | None:
    """None ends it: a zone that the machine does not know any more is for an admin to mend."""
    try:
        return next_due(schedule.cron, schedule.timezone, after)
    except Invalid as error:
        logger.warning("schedule %s is never due again: %s", schedule.id, error.message)
        return None


def _actor(schedule: Schedule) -> Actor:
    return Actor(_requester(schedule.name), Role.OPERATOR)


def _requester(name: Any) -> Any:
    """A name, or the column of names."""
    return "schedule " + name
