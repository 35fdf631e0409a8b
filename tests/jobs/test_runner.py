"""Claiming, performing, letting go and finishing, with kinds of work made for the test."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from app.db import db, unit_of_work, utcnow
from app.errors import (
    ActCancelled,
    ActFailed,
    ActTimedOut,
    BareboatError,
    ConnectionLost,
    ConnectionRefused,
    HostKeyMismatch,
    NodeError,
    ShuttingDown,
)
from app.jobs import claims
from app.jobs.context import JobContext
from app.jobs.journal import read_log
from app.jobs.registry import JobKind, Registry
from app.jobs.runner import Runner
from app.models import Event, Job, JobState, Node, NodeStatus
from tests.support.databases import only_on_sqlite, sqlite_file


@dataclass
class Work:
    """A kind of job whose next outcomes are scripted; it counts what happens."""

    outcomes: list[BaseException | None] = field(default_factory=list)
    performed: list[int] = field(default_factory=list)
    cleaned: list[str] = field(default_factory=list)

    def perform(self, context: JobContext) -> None:
        self.performed.append(context.order.job_id)
        context.log(b"working\n")
        if self.outcomes and (error := self.outcomes.pop(0)) is not None:
            raise error

    def kind(self, *, is_repeatable: bool = True) -> JobKind:
        return JobKind(
            "test.work",
            self.perform,
            clean_up=lambda order: self.cleaned.append(order.key),
            is_repeatable=is_repeatable,
        )


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def runner(app: Flask, work: Work) -> Runner:
    return Runner(app, Registry(work.kind()))


@pytest.fixture
def queued(app: Flask, make_node: Callable[..., int]) -> Callable[..., int]:
    """The id of a new queued job on a node of its own, or on the one given."""

    def add(**values: object) -> int:
        node_id = values.pop("node_id", None) or make_node(f"n{len(names)}")
        names.append(node_id)
        with app.app_context(), unit_of_work() as session:
            job = Job(kind="test.work", node_id=node_id, requested_by="test", **({"max_attempts": 3} | values))
            session.add(job)
            session.flush()
            return job.id

    names: list[object] = []
    return add


@pytest.fixture
def look(app: Flask) -> Callable[[int], Job]:
    def get(job_id: int) -> Job:
        with app.app_context():
            job = db.session.get_one(Job, job_id)
            db.session.expunge(job)
            return job

    return get


def make_due(app: Flask, job_id: int) -> None:
    past = utcnow() - timedelta(seconds=1)
    with app.app_context(), unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job_id, Job.run_after.is_not(None)).values(run_after=past))
        lease = update(Job).where(Job.id == job_id, Job.lease_expires_at.is_not(None))
        session.execute(lease.values(lease_expires_at=past))


def test_a_job_runs_once_however_often_it_is_delivered(
    runner: Runner, work: Work, queued: Callable[..., int], look: Callable[[int], Job]
) -> None:
    job_id = queued()
    start = threading.Barrier(8)

    def deliver() -> None:
        start.wait()
        runner.run(job_id)

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (work.performed, look(job_id).state) == ([job_id], JobState.SUCCEEDED)


def test_a_success_is_stored_with_log_event_and_full_progress(
    app: Flask, runner: Runner, work: Work, queued: Callable[..., int], look: Callable[[int], Job]
) -> None:
    job_id = queued()
    runner.run(job_id)
    job = look(job_id)
    assert (job.state, job.percent, job.owner, job.waiting_for) == (JobState.SUCCEEDED, 100, claims.OWNER, None)
    with app.app_context():
        assert read_log(job_id, 0, 100) == b"working\n"
        assert db.session.scalars(select(Event.outcome).where(Event.action == "test.work")).all() == ["SUCCEEDED"]
    assert work.cleaned == [job.process_key]


OUTCOMES = [
    (ActFailed("tree_dirty"), JobState.FAILED, "tree_dirty"),
    (ActCancelled(), JobState.CANCELLED, "cancelled"),
    (ActTimedOut(), JobState.TIMED_OUT, "timed_out"),
    (HostKeyMismatch(), JobState.FAILED, "host_key_mismatch"),
    (RuntimeError("a bug"), JobState.FAILED, "internal_error"),
]


@pytest.mark.parametrize(("error", "state", "code"), OUTCOMES)
def test_a_failure_that_repeating_does_not_mend_is_final_at_once(
    runner: Runner,
    work: Work,
    queued: Callable[..., int],
    look: Callable[[int], Job],
    error: BaseException,
    state: JobState,
    code: str,
) -> None:
    work.outcomes = [error]
    job_id = queued()
    runner.run(job_id)
    job = look(job_id)
    assert (job.state, job.error_code, job.attempt) == (state, code, 1)


@pytest.mark.parametrize("error", [ConnectionRefused(), ActFailed("git_remote_error"), ActFailed("process_lost")])
def test_a_failure_that_may_pass_is_tried_again_later_with_cause_and_time_shown(
    app: Flask,
    runner: Runner,
    work: Work,
    queued: Callable[..., int],
    look: Callable[[int], Job],
    error: BareboatError,
) -> None:
    work.outcomes = [error]
    job_id = queued()
    runner.run(job_id)
    job = look(job_id)
    assert (job.state, job.error_code, job.attempt) == (JobState.QUEUED, error.code, 1)
    assert job.run_after is not None
    assert job.run_after > utcnow()
    assert not runner.run(job_id), "not before its time"
    make_due(app, job_id)
    runner.run(job_id)
    job = look(job_id)
    assert (job.state, job.error_code, job.attempt) == (JobState.SUCCEEDED, None, 2)


def test_attempts_come_to_an_end(
    app: Flask, runner: Runner, work: Work, queued: Callable[..., int], look: Callable[[int], Job]
) -> None:
    work.outcomes = [ConnectionRefused() for _ in range(5)]
    job_id = queued(max_attempts=2)
    for _ in range(4):
        runner.run(job_id)
        make_due(app, job_id)
    job = look(job_id)
    assert (job.state, job.attempt, len(work.performed)) == (JobState.FAILED, 2, 2)


def test_what_must_not_be_repeated_is_not(
    app: Flask, work: Work, queued: Callable[..., int], look: Callable[[int], Job]
) -> None:
    work.outcomes = [ConnectionRefused()]
    job_id = queued()
    Runner(app, Registry(work.kind(is_repeatable=False))).run(job_id)
    assert look(job_id).state is JobState.FAILED


@pytest.mark.parametrize("error", [ConnectionRefused(), HostKeyMismatch()])
def test_a_node_that_let_nobody_in_is_not_asked_to_clear_away_what_cannot_be_there(
    runner: Runner, work: Work, queued: Callable[..., int], error: BareboatError
) -> None:
    work.outcomes = [error]
    assert runner.run(queued())
    assert work.cleaned == []


@pytest.mark.parametrize("error", [ConnectionLost(), ShuttingDown()])
def test_a_job_whose_node_is_away_stays_running_and_is_taken_up_in_the_same_attempt(
    app: Flask,
    runner: Runner,
    work: Work,
    queued: Callable[..., int],
    look: Callable[[int], Job],
    error: BareboatError,
) -> None:
    work.outcomes = [error]
    job_id = queued()
    runner.run(job_id)
    before = look(job_id)
    assert (before.state, before.owner, work.cleaned) == (JobState.RUNNING, None, [])
    make_due(app, job_id)
    assert runner.run_next()
    job = look(job_id)
    assert (job.state, job.attempt, job.process_key) == (JobState.SUCCEEDED, 1, before.process_key)


@pytest.mark.parametrize("error", [ConnectionRefused(), HostKeyMismatch()])
def test_a_job_with_a_process_on_its_node_never_ends_because_the_node_cannot_be_reached(
    app: Flask, queued: Callable[..., int], look: Callable[[int], Job], error: BareboatError
) -> None:
    def perform(context: JobContext) -> None:
        context.attached()
        raise error

    job_id = queued()
    Runner(app, Registry(JobKind("test.work", perform))).run(job_id)
    assert (look(job_id).state, look(job_id).owner) == (JobState.RUNNING, None)


def test_a_job_whose_outcome_cannot_be_stored_is_left_for_the_next_runner(
    app: Flask, runner: Runner, work: Work, queued: Callable[..., int], look: Callable[[int], Job]
) -> None:
    """A database that is locked for long, or whose disk is full, must not make a job end as something it is not."""
    work.outcomes = [OperationalError("UPDATE job", {}, Exception("database or disk is full"))]
    job_id = queued()
    runner.run(job_id)
    assert look(job_id).state is JobState.RUNNING
    lease = look(job_id).lease_expires_at
    runner.renew_leases()
    assert look(job_id).lease_expires_at == lease, "nobody is busy with it"
    make_due(app, job_id)
    assert runner.run_next()
    assert (look(job_id).state, look(job_id).attempt) == (JobState.SUCCEEDED, 1)


@only_on_sqlite
def test_a_database_that_is_locked_for_a_while_only_delays(
    app: Flask, runner: Runner, work: Work, queued: Callable[..., int], look: Callable[[int], Job]
) -> None:
    job_id = queued()
    file = sqlite_file(app.config["SQLALCHEMY_DATABASE_URI"])
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        thread = threading.Thread(target=runner.run, args=[job_id])
        thread.start()
        thread.join(1)
        assert thread.is_alive()
        assert look(job_id).state is JobState.QUEUED
        other.execute("COMMIT")
    thread.join(90)
    assert look(job_id).state is JobState.SUCCEEDED


def test_a_running_job_of_a_live_owner_is_left_alone(
    app: Flask, runner: Runner, work: Work, queued: Callable[..., int]
) -> None:
    job_id = queued()
    with app.app_context(), unit_of_work() as session:
        later = utcnow() + timedelta(seconds=60)
        values = {"state": JobState.RUNNING, "owner": "elsewhere:1:a", "lease_expires_at": later}
        session.execute(update(Job).where(Job.id == job_id).values(values))
    assert not runner.run(job_id)
    assert work.performed == []


def test_jobs_of_dead_processes_of_this_machine_are_taken_up_at_once(
    app: Flask, runner: Runner, work: Work, queued: Callable[..., int], look: Callable[[int], Job]
) -> None:
    job_id = queued()
    host, pid, _ = claims.OWNER.split(":")
    with app.app_context(), unit_of_work() as session:
        later = utcnow() + timedelta(seconds=60)
        values = {"state": JobState.RUNNING, "owner": f"{host}:{pid}:former", "lease_expires_at": later}
        session.execute(update(Job).where(Job.id == job_id).values(values))
    runner.abandon_dead()
    assert runner.run_next()
    assert look(job_id).state is JobState.SUCCEEDED


@pytest.mark.parametrize("ending", [None, ConnectionLost(), ShuttingDown(), NodeError(), ActFailed("git_failed")])
def test_a_job_taken_by_another_is_not_finished_by_us(
    app: Flask, queued: Callable[..., int], look: Callable[[int], Job], ending: BareboatError | None
) -> None:
    def perform(context: JobContext) -> None:
        with unit_of_work() as session:
            session.execute(update(Job).where(Job.id == context.order.job_id).values(owner="elsewhere:1:a"))
        context.say("too late")
        if ending is not None:
            raise ending

    job_id = queued()
    Runner(app, Registry(JobKind("test.work", perform))).run(job_id)
    assert (look(job_id).state, look(job_id).owner) == (JobState.RUNNING, "elsewhere:1:a")
    with app.app_context():
        assert read_log(job_id, 0, 1000) == b""


def test_a_job_whose_lease_ran_out_is_left_to_the_thread_of_ours_that_still_has_it(
    app: Flask, queued: Callable[..., int], look: Callable[[int], Job]
) -> None:
    others: list[bool] = []

    def perform(context: JobContext) -> None:
        make_due(app, context.order.job_id)
        other = threading.Thread(target=lambda: others.append(runner.run_next()))
        other.start()
        other.join(90)

    job_id = queued()
    runner = Runner(app, Registry(JobKind("test.work", perform)))
    runner.run(job_id)
    assert others == [False]
    assert look(job_id).state is JobState.SUCCEEDED


def test_jobs_of_an_offline_node_wait_and_say_so(
    app: Flask, runner: Runner, work: Work, queued: Callable[..., int], make_node: Callable[..., int]
) -> None:
    job_id = queued(node_id=make_node("away", status=NodeStatus.OFFLINE))
    assert not runner.run_next()
    with app.app_context():
        job = db.session.get_one(Job, job_id)
        assert job.waiting_for == "node_offline"
        with unit_of_work() as session:
            session.execute(update(Node).where(Node.id == job.node_id).values(status=NodeStatus.ONLINE))
    assert runner.run_next()


def test_a_node_gets_no_more_jobs_at_once_than_its_limit(
    make_app: Callable[..., Flask], app: Flask, queued: Callable[..., int], make_node: Callable[..., int]
) -> None:
    app.config["MAX_JOBS_PER_NODE"] = 2
    node_id = make_node("busy")
    ids = [queued(node_id=node_id) for _ in range(3)]
    started: list[int] = []
    gate = threading.Event()
    both = threading.Semaphore(0)

    def perform(context: JobContext) -> None:
        started.append(context.order.job_id)
        both.release()
        gate.wait(90)

    runner = Runner(app, Registry(JobKind("test.work", perform)))
    threads = [threading.Thread(target=runner.run, args=[job_id]) for job_id in ids[:2]]
    for thread in threads:
        thread.start()
    both.acquire(timeout=90)
    both.acquire(timeout=90)
    assert not runner.run(ids[2])
    gate.set()
    for thread in threads:
        thread.join()
    app.config["MAX_JOBS_PER_NODE"] = 4
    assert sorted(started) == ids[:2]
    assert runner.run(ids[2])
