"""A machine that stands still for longer than a lease: two runners have the same job, and one outcome is told."""

import threading
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import update

from app.db import db, unit_of_work, utcnow
from app.jobs.context import JobContext
from app.jobs.journal import read_log
from app.jobs.registry import JobKind, Registry
from app.jobs.runner import Runner
from app.models import Job, JobState


class Standstill:
    """A kind of job: the first to perform it writes a line, and stands still; its lease runs out, and `other` is let at
    the job. Then the first goes on writing, while the other, if it has the job, waits with its line until that is over.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.other = Runner(app, Registry())
        self.took_it: list[bool] = []
        self.is_taken = threading.Event()
        self.is_first_over = threading.Event()
        self.thread = threading.Thread(target=self._take_up, daemon=True)
        self._job_id = 0

    def perform(self, context: JobContext) -> None:
        if self._job_id:
            self.is_taken.set()
            assert self.is_first_over.wait(90)
            context.say("second")
            return
        self._job_id = context.order.job_id
        context.say("first")
        context.flush()
        with unit_of_work() as session:
            session.execute(update(Job).where(Job.id == self._job_id).values(lease_expires_at=utcnow()))
        self.thread.start()
        assert self.is_taken.wait(90)
        context.say("first again")
        context.taken(12)
        context.flush()

    def _take_up(self) -> None:
        self.took_it.append(self.other.run(self._job_id))
        self.is_taken.set()


@pytest.fixture
def job_id(app: Flask, make_node: Callable[..., int]) -> int:
    node_id = make_node("n")
    with app.app_context(), unit_of_work() as session:
        job = Job(kind="test.work", node_id=node_id, requested_by="test")
        session.add(job)
        session.flush()
        return job.id


def perform_it(app: Flask, job_id: int, owner_of_other: str | None) -> tuple[list[bool], Job, bytes]:
    work = Standstill(app)
    registry = Registry(JobKind("test.work", work.perform))
    first = Runner(app, registry)
    work.other = first if owner_of_other is None else Runner(app, registry, owner_of_other)
    assert first.run(job_id)
    work.is_first_over.set()
    work.thread.join(90)
    with app.app_context():
        job = db.session.get_one(Job, job_id)
        db.session.expunge(job)
        return work.took_it, job, read_log(job_id, 0, 1000)


def test_the_runner_that_took_the_job_up_writes_on_and_the_one_that_stood_still_writes_nothing(
    app: Flask, job_id: int
) -> None:
    took_it, job, log = perform_it(app, job_id, "elsewhere:1:a")
    assert (took_it, job.state, job.error_code) == ([True], JobState.SUCCEEDED, None)
    assert (job.owner, job.attempt, job.log_offset, log) == ("elsewhere:1:a", 1, 0, b"first\nsecond\n")


def test_of_threads_of_one_runner_the_one_that_stood_still_keeps_the_job(app: Flask, job_id: int) -> None:
    took_it, job, log = perform_it(app, job_id, None)
    assert (took_it, job.state, job.error_code) == ([False], JobState.SUCCEEDED, None)
    assert (job.attempt, job.log_offset, log) == (1, 12, b"first\nfirst again\n")
