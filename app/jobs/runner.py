"""Runner: claims a job, has it performed, and finishes it; each step is one guarded update (see claims.py).

A job ends here only when its outcome is known. When the node is away, or we stop, it stays RUNNING without an owner:
its process goes on, and whoever claims the job next attaches to it.
"""

import logging
import random
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from flask import Flask
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from app.db import db, release, unit_of_work, utcnow
from app.errors import (
    ACT_FAILURES,
    ActCancelled,
    ActFailed,
    ActTimedOut,
    AuthFailed,
    BareboatError,
    ConnectionLost,
    HostKeyMismatch,
    HostKeyUnpinned,
    LeaseLost,
    NodeError,
    NodeOffline,
    ShuttingDown,
)
from app.jobs import claims
from app.jobs.context import JobContext, JobOrder
from app.jobs.registry import JobKind, Registry
from app.models import Event, Job, JobState

logger = logging.getLogger(__name__)

FIRST_RETRY_SECONDS: Final = 2.0
LONGEST_RETRY_SECONDS: Final = 300.0
AWAY_SECONDS: Final = 5.0
_HELD: Final = {error.code: error for error in (NodeOffline, HostKeyMismatch, HostKeyUnpinned, AuthFailed)}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended. `code`, `message` and maybe `details` are for a failure."""

    state: JobState
    code: str | None = None
    message: str | None = None
    exit_status: int | None = None
    details: dict[str, Any] | None = None


class Runner:
    """Runs jobs of one application; any number of threads may use it."""

    def __init__(self, app: Flask, registry: Registry, owner: str = claims.OWNER) -> None:
        self._app = app
        self._registry = registry
        self._owner = owner
        self._active: set[int] = set()  # which of our threads are at, from before the claim on
        self._lock = threading.Lock()

    def run(self, job_id: int) -> bool:
        """Run this job as far as it goes. False: it is not there to be claimed, or a thread of ours still has it."""
        with self._lock:
            if job_id in self._active:
                return False
            self._active.add(job_id)
        try:
            return self._run(job_id)
        finally:
            self._active.discard(job_id)

    def run_next(self) -> bool:
        """Run the first job that may start or be taken up. False when there is none."""
        with self._app.app_context():
            found = claims.candidates(claims.Most.of(self._app.config))
        return any(self.run(job_id) for job_id in found)

    def renew_leases(self) -> None:
        """Say that the jobs that threads of this runner are busy with are not to be taken over."""
        with self._app.app_context():
            claims.renew(self._owner, sorted(self._active), self._lease_end())

    def abandon_dead(self) -> None:
        """At start: jobs of dead processes of this machine need not wait for their leases to end."""
        with self._app.app_context():
            claims.abandon_dead()

    def count_claimable(self) -> int:
        """How many jobs could start now (20 at most are counted)."""
        with self._app.app_context():
            return len(claims.candidates(claims.Most.of(self._app.config)))

    def fail_held(self) -> None:
        """With JOB_OFFLINE_POLICY `fail`: queued jobs of nodes that are offline end, instead of waiting for them."""
        if self._app.config["JOB_OFFLINE_POLICY"] != "fail":
            return
        with self._app.app_context():
            for job_id, (node, code) in claims.held().items():
                words = f"{_HELD[code].message} It is {node}: mend that, then retry (JOB_OFFLINE_POLICY is `fail`)."
                self._end_queued(job_id, Outcome(JobState.FAILED, code, words))

    def _run(self, job_id: int) -> bool:
        with self._app.app_context():
            order = self._claim(job_id)
            if order is None:
                return False
            logger.info("job %s (%s) attempt %s", order.job_id, order.kind, order.attempt)
            try:
                self._perform(order, self._registry.get(order.kind))
                self._registry.ended(job_id)
            except LeaseLost:
                logger.warning("job %s was taken up by another runner", order.job_id)
            except OperationalError as error:
                # Locked for long, or its disk is full: nothing true could be stored. When the lease is over, the job is
                # taken up again, and its process on the node says how it ended.
                logger.error("job %s is left for later, the database does not take its outcome: %s", job_id, error.orig)
            return True

    def _end_queued(self, job_id: int, outcome: Outcome) -> None:
        queued = update(Job).where(Job.id == job_id, Job.state == JobState.QUEUED)
        with unit_of_work() as session:
            if session.execute(queued.values(_final_values(outcome))).rowcount:
                job = session.get(Job, job_id, populate_existing=True)
                session.add(_event(job, outcome))
                self._registry.get(job.kind).on_ended(job)

    def _claim(self, job_id: int) -> JobOrder | None:
        most = claims.Most.of(self._app.config)
        with unit_of_work() as session:
            job = claims.claim(session, job_id, self._owner, self._lease_end(), most)
            if job is None:
                return None
            self._registry.get(job.kind).on_started(job)
            return _order_of(job)

    def _perform(self, order: JobOrder, kind: JobKind) -> None:
        context = JobContext(order, self._owner, self._app.config["JOB_LOG_LIMIT_BYTES"])
        try:
            kind.perform(context)
            self._finish(context, kind, Outcome(JobState.SUCCEEDED))
        except (LeaseLost, OperationalError):
            raise
        except NodeError as error:
            if context.has_process or isinstance(error, ShuttingDown | ConnectionLost):
                self._let_go(context, error)
            else:
                context.was_refused = True
                self._fail(context, kind, error)
        except BareboatError as error:
            self._fail(context, kind, error)
        except Exception:
            logger.exception("job %s (%s) failed by a fault of ours", order.job_id, order.kind)
            self._finish(context, kind, Outcome(JobState.FAILED, "internal_error", ACT_FAILURES["internal_error"]))
        finally:
            db.session.remove()

    def _let_go(self, context: JobContext, error: NodeError) -> None:
        """What runs on the node goes on, whatever keeps us from it. A node that is away frees our thread for others."""
        release()
        context.flush()
        seconds = 0.0 if isinstance(error, ShuttingDown) else AWAY_SECONDS
        claims.park(context.order.job_id, self._owner, seconds, error.message)
        logger.info("job %s goes on without us: %s", context.order.job_id, error.code)

    def _fail(self, context: JobContext, kind: JobKind, error: BareboatError) -> None:
        order, outcome = context.order, _outcome_of(error)
        context.say(f"{outcome.state.value}: {error.message.partition(chr(10))[0]}")  # the details are in the log
        if error.retryable and kind.is_repeatable and order.attempt < order.max_attempts:
            self._try_again_later(context, kind, outcome)
        else:
            self._finish(context, kind, outcome)

    def _try_again_later(self, context: JobContext, kind: JobKind, outcome: Outcome) -> None:
        order, seconds = context.order, _pause_after(context.order.attempt)
        context.say(f"Attempt {order.attempt} of {order.max_attempts}; the next one in {seconds:.0f} s.")
        context.flush()
        values = {"state": JobState.QUEUED, "owner": None, "run_after": utcnow() + timedelta(seconds=seconds)}
        self._move(order, kind, values | {"error_code": outcome.code, "error_message": outcome.message})
        self._clean_up(context, kind)

    def _finish(self, context: JobContext, kind: JobKind, outcome: Outcome) -> None:
        release()
        context.flush()
        if self._move(context.order, kind, _final_values(outcome), outcome):
            logger.info("job %s ended %s %s", context.order.job_id, outcome.state.value, outcome.code or "")
            self._clean_up(context, kind)

    def _move(self, order: JobOrder, kind: JobKind, values: dict[str, Any], outcome: Outcome | None = None) -> bool:
        """The guarded update with which a running job leaves us, and what follows from it in the same transaction."""
        mine = update(Job).where(Job.id == order.job_id, Job.state == JobState.RUNNING, Job.owner == self._owner)
        with unit_of_work() as session:
            if not session.execute(mine.values(values)).rowcount:
                logger.warning("job %s is not ours any more; our outcome was %s", order.job_id, values["state"])
                return False
            job = session.get(Job, order.job_id, populate_existing=True)
            if outcome is None:
                kind.on_queued(job)
            else:
                session.add(_event(job, outcome))
                kind.on_ended(job)
        return True

    def _clean_up(self, context: JobContext, kind: JobKind) -> None:
        """The outcome is stored, so a failure here costs nothing but remains, which a later clean-up finds."""
        order = context.order
        if context.was_refused:
            return
        try:
            kind.clean_up(order)
        except BareboatError as error:
            logger.warning("remains of job %s stay on its node for now: %s", order.job_id, error.message)

    def _lease_end(self) -> datetime:
        return utcnow() + timedelta(seconds=self._app.config["JOB_LEASE_SECONDS"])


def _order_of(job: Job) -> JobOrder:
    return JobOrder(
        job_id=job.id,
        key=job.process_key,
        kind=job.kind,
        project_id=job.project_id,
        project_name=job.project_name,
        node_id=job.node_id,
        params=dict(job.params),
        requested_by=job.requested_by,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        is_attached=job.is_attached,
        log_offset=job.log_offset,
    )


def _pause_after(attempt: int) -> float:
    """Doubling, spread by half, so that jobs that failed together do not come back together."""
    pause = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** (attempt - 1))
    return pause * random.uniform(0.5, 1.5)  # noqa: S311 - spreading load, no secret


def _outcome_of(error: BareboatError) -> Outcome:
    states: dict[type, JobState] = {ActCancelled: JobState.CANCELLED, ActTimedOut: JobState.TIMED_OUT}
    exit_status = error.exit_status if isinstance(error, ActFailed) else None
    details = error.details if isinstance(error, ActFailed) else None
    return Outcome(states.get(type(error), JobState.FAILED), error.code, error.message, exit_status, details)


def _final_values(outcome: Outcome) -> dict[str, Any]:
    values: dict[str, Any] = {
        "state": outcome.state,
        "error_code": outcome.code,
        "error_message": outcome.message,
        "error_details": outcome.details,
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
        node_name=job.node_name,
        project_name=job.project_name,
    )
