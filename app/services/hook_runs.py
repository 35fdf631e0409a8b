"""Runs that hooks of project sets want: one for all members, never two at a time of one set.

A push is answered by pulls that *start* after it. A run of which no job has begun will start them all, so a push joins
it; while one goes on, some member may have fetched already, so the wish stays, once, and becomes a run when that ended.
"""

import logging
from typing import Any, Final

from sqlalchemy import exists, or_, select
from sqlalchemy.exc import IntegrityError

from app.db import db, unit_of_work
from app.errors import BareboatError, WrongState
from app.models import Hook, HookOutcome, Job, JobState, ProjectSet, Run, RunMember, RunState
from app.services import run_moves, runs
from app.services.hook_wishes import actor_of, end_wish, note, settle
from app.services.project_sets import member_ids
from app.services.runs import DEFAULT_CONCURRENCY, RunOptions

STRATEGY: Final = "ff-only"
BATCH: Final = 100

logger = logging.getLogger(__name__)


def startable() -> list[int]:
    """Hooks whose set no hook pulls just now, the longest waiting first."""
    rows = select(Hook.id).where(Hook.pull_wanted_at.is_not(None), Hook.set_id.is_not(None))
    rows = rows.where(Hook.set_id.not_in(select(Hook.set_id).where(Hook.run_id.in_(_going()))))
    return list(db.session.scalars(rows.order_by(Hook.pull_wanted_at).limit(BATCH)))


def start(hook: Hook) -> None:
    """Begin the run that this hook wants, join one of which nothing has begun, or leave it wanted."""
    hook_id, set_id = hook.id, hook.set_id or 0
    try:
        run_id = _store(hook_id, set_id, _prepare(hook))
    except BareboatError as error:
        settle(hook_id, HookOutcome.REFUSED, error.message)
    except IntegrityError:
        logger.info("a member of set %s was deleted at this moment; hook %s looks again", set_id, hook_id)
    else:
        if run_id is not None:
            run_moves.advance(run_id)


def _prepare(hook: Hook) -> runs.Prepared:
    if not (members := member_ids(hook.set_id or 0)):
        raise WrongState("This set has no nodes yet; add some first.")
    options = RunOptions(hook.concurrency or DEFAULT_CONCURRENCY, hook.max_failures)
    return runs.prepare("project.pull", {"strategy": STRATEGY}, members, options, actor_of(hook.id))


def _store(hook_id: int, set_id: int, run: runs.Prepared) -> int | None:
    """The run, and the end of the wish, in one transaction, which only one hook of a set holds at a time."""
    with unit_of_work() as session:
        session.scalar(select(ProjectSet.id).filter_by(id=set_id).with_for_update())
        if (going := _run_of(session, set_id)) is not None:
            if _is_to_begin(session, going) and end_wish(session, hook_id):
                note(session, hook_id, HookOutcome.JOINED, run_id=going)
            return None
        if not end_wish(session, hook_id):
            return None
        run_id = runs.add(session, run, actor_of(hook_id))
        session.get_one(Hook, hook_id).run_id = run_id
        note(session, hook_id, HookOutcome.QUEUED, run_id=run_id)
        return run_id


def _going() -> Any:
    return select(Run.id).where(Run.state == RunState.RUNNING)


def _run_of(session: Any, set_id: int) -> int | None:
    """The run under way that a hook of this set has asked for."""
    asked = select(Hook.run_id).where(Hook.set_id == set_id, Hook.run_id.in_(_going()))
    run_id: int | None = session.scalar(asked.limit(1))
    return run_id


def _is_to_begin(session: Any, run_id: int) -> bool:
    """Its row is held meanwhile, so that it neither ends nor is cancelled before we are noted."""
    whole = select(Run.id).where(Run.id == run_id, Run.state == RunState.RUNNING, Run.cancel_requested_at.is_(None))
    if session.scalar(whole.with_for_update()) is None:
        return False
    job = select(RunMember.id).join(Job, RunMember.job_id == Job.id).where(RunMember.run_id == run_id)
    begun = job.where(or_(Job.state != JobState.QUEUED, Job.started_at.is_not(None)))
    return not session.scalar(select(exists(begun)))
