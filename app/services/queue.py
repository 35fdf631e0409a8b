"""The queue as people see it: who comes before a job, and clearing what waits. How it is worked off: `jobs/claims`."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, select, update

from app.db import db, release, unit_of_work, utcnow
from app.errors import ACT_FAILURES
from app.jobs.claims import is_away
from app.models import Job, JobState
from app.services.events import Actor, event_of_job
from app.services.runtime import runtime

AT_ONCE: Final = 100  # rows in one write transaction: others get their turn in between


@dataclass(frozen=True, slots=True)
class PlacedJob:
    """A job, with what is asked of the database only where one job is shown."""

    job: Job
    queue_position: int | None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.job, name)


def placed(job: Job) -> PlacedJob:
    return PlacedJob(job, queue_position(job))


def queue_position(job: Job) -> int | None:
    """How many jobs that wait for a runner were asked for before this one; None when it does not wait for one.

    Those of nodes that are away are passed over. It starts no later than after these, and sooner where the nodes of
    others are full, or where their requesters have more running.
    """
    if job.waiting_for != "runner" or job.state is not JobState.QUEUED:
        return None
    before = select(func.count()).select_from(Job).where(Job.state == JobState.QUEUED, Job.id < job.id, ~is_away())
    return db.session.scalar(before) or 0


def count_queued(filters: dict[str, Any]) -> int:
    """`filters`: equal values of `kind`, `project_id`, `node_id`."""
    queued = select(func.count()).select_from(Job).filter_by(**filters).where(Job.state == JobState.QUEUED)
    return db.session.scalar(queued) or 0


def request_cancel_queued(filters: dict[str, Any], actor: Actor) -> int:
    """Cancel all that wait now, fit, and are of kinds that the actor may ask for; returns how many. What runs goes on,
    also what starts at this moment."""
    is_ours = Job.kind.not_in(runtime().registry.names_above(actor.role))
    last = db.session.scalar(select(func.max(Job.id))) or 0
    release()
    count = 0
    while found := _waiting(filters, and_(Job.id <= last, is_ours)):
        with unit_of_work() as session:
            cancelled = [job for job in found if cancel_if_queued(session, job.id)]
            session.add_all(event_of_job(actor, "job.cancel", job) for job in cancelled)
        count += len(cancelled)
    return count


def cancel_if_queued(
    session: Any, job_id: int, code: str = "cancelled", message: str = ACT_FAILURES["cancelled_before_start"]
) -> bool:
    """Within the caller's transaction; true when the job was still waiting and is now cancelled."""
    is_queued = update(Job).where(Job.id == job_id, Job.state == JobState.QUEUED)
    values = {
        "state": JobState.CANCELLED,
        "error_code": code,
        "error_message": message,
        "finished_at": utcnow(),
        "cancel_requested_at": utcnow(),
    }
    if not session.execute(is_queued.values(values)).rowcount:
        return False
    job = session.get(Job, job_id, populate_existing=True)
    if job.attempt and code == "cancelled":
        job.error_message = ACT_FAILURES["cancelled_between_attempts"]
    runtime().registry.get(job.kind).on_ended(job)
    return True


def _waiting(filters: dict[str, Any], condition: ColumnElement[bool]) -> list[Any]:
    """`id node_name project_name` of some. The last come first: the first ones are about to start anyhow."""
    rows = select(Job.id, Job.node_name, Job.project_name).filter_by(**filters)
    rows = rows.where(Job.state == JobState.QUEUED, condition)
    found = list(db.session.execute(rows.order_by(Job.id.desc()).limit(AT_ONCE)))
    release()
    return found
