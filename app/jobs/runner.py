"""Runner: claims a job, has it performed, and finishes it; each step is one guarded update.

A job is claimed by moving its row from QUEUED to RUNNING: when no row moves, somebody else has it, or it was
cancelled. It is finished the same way, and only by the owner of its lease.
"""

import logging
import os
import secrets
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import select, update

from app.db import db, release, unit_of_work, utcnow
from app.errors import ACT_FAILURES, ActCancelled, ActFailed, ActTimedOut, BareboatError
from app.jobs.context import JobContext, JobOrder
from app.jobs.registry import Registry
from app.models import Event, Job, JobState

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended. `code` and `message` are for a failure."""

    state: JobState
    code: str | None = None
    message: str | None = None
    exit_status: int | None = None


class Runner:
    """One per process; `owner` names the process in the rows that it has claimed."""

    def __init__(self, app: Flask, registry: Registry) -> None:
        self._app = app
        self._registry = registry
        self.owner = f"{socket.gethostname()[:30]}:{os.getpid()}:{secrets.token_hex(4)}"

    def run(self, job_id: int) -> bool:
        """Run the job to its end. False when it was not there to be claimed."""
        with self._app.app_context():
            order = self._claim(job_id)
            if order is None:
                return False
            logger.info("job %s (%s) started", order.job_id, order.kind)
            outcome = self._perform(order)
            self._finish(order.job_id, outcome, Job.owner == self.owner)
            return True

    def renew_leases(self) -> None:
        """Say that this process is alive: its running jobs are not to be taken over."""
        mine = update(Job).where(Job.owner == self.owner, Job.state == JobState.RUNNING)
        with self._app.app_context(), unit_of_work() as session:
            session.execute(mine.values(lease_expires_at=self._lease_end()))

    def end_lost_jobs(self) -> None:
        """Jobs whose runner has died end as `interrupted`."""
        with self._app.app_context():
            is_lost = Job.lease_expires_at < utcnow()
            lost = db.session.scalars(select(Job.id).where(Job.state == JobState.RUNNING, is_lost)).all()
            release()
            for job_id in lost:
                self._finish(job_id, Outcome(JobState.FAILED, "interrupted", ACT_FAILURES["interrupted"]), is_lost)

    def waiting(self, limit: int) -> list[int]:
        """Ids of queued jobs, the oldest first."""
        with self._app.app_context():
            queued = select(Job.id).where(Job.state == JobState.QUEUED).order_by(Job.id).limit(limit)
            return list(db.session.scalars(queued))

    def _claim(self, job_id: int) -> JobOrder | None:
        claim = update(Job).where(Job.id == job_id, Job.state == JobState.QUEUED)
        values = {
            "state": JobState.RUNNING,
            "owner": self.owner,
            "lease_expires_at": self._lease_end(),
            "attempt": Job.attempt + 1,
            "started_at": utcnow(),
        }
        with unit_of_work() as session:
            if not session.execute(claim.values(values)).rowcount:
                return None
            job = session.get(Job, job_id)
            self._registry.get(job.kind).on_started(job)
            return JobOrder(job.id, job.kind, job.project_id, job.node_id, dict(job.params), job.requested_by)

    def _perform(self, order: JobOrder) -> Outcome:
        context = JobContext(order, self.owner, self._app.config["JOB_LOG_LIMIT_BYTES"])
        try:
            self._registry.get(order.kind).perform(context)
            outcome = Outcome(JobState.SUCCEEDED)
        except BareboatError as error:
            outcome = _outcome_of(error)
            context.say(f"{outcome.state.value}: {error.message}")
        except Exception:
            logger.exception("job %s (%s) failed by a fault of ours", order.job_id, order.kind)
            outcome = Outcome(JobState.FAILED, "internal_error", ACT_FAILURES["internal_error"])
        finally:
            release()
        context.flush()
        return outcome

    def _finish(self, job_id: int, outcome: Outcome, holds: Any) -> None:
        """`holds` is the condition under which the job is still ours to finish."""
        finish = update(Job).where(Job.id == job_id, Job.state == JobState.RUNNING, holds)
        with unit_of_work() as session:
            if not session.execute(finish.values(_final_values(outcome))).rowcount:
                logger.warning("job %s was finished by somebody else; our outcome was %s", job_id, outcome.state)
                return
            job = session.get(Job, job_id)
            session.add(_event(job, outcome))
            self._registry.get(job.kind).on_ended(job)
        logger.info("job %s ended %s %s", job_id, outcome.state.value, outcome.code or "")

    def _lease_end(self) -> datetime:
        return utcnow() + timedelta(seconds=self._app.config["JOB_LEASE_SECONDS"])


def _outcome_of(error: BareboatError) -> Outcome:
    states: dict[type, JobState] = {ActCancelled: JobState.CANCELLED, ActTimedOut: JobState.TIMED_OUT}
    exit_status = error.exit_status if isinstance(error, ActFailed) else None
    return Outcome(states.get(type(error), JobState.FAILED), error.code, error.message, exit_status)


def _final_values(outcome: Outcome) -> dict[str, Any]:
    values: dict[str, Any] = {
        "state": outcome.state,
        "error_code": outcome.code,
        "error_message": outcome.message,
        "exit_status": outcome.exit_status,
        "finished_at": utcnow(),
        "lease_expires_at": None,
    }
    if outcome.state is JobState.SUCCEEDED:
        values |= {"phase": "done", "percent": 100, "detail": None}
    return values


def _event(job: Job, outcome: Outcome) -> Event:
    subject = f"project {job.project_name}" if job.project_name else f"node {job.node_name}"
    return Event(
        actor=job.requested_by,
        action=job.kind,
        subject=f"{subject} (job {job.id})",
        outcome=outcome.state.value,
        detail=outcome.code,
    )
