"""The log of a job: pieces of bytes, exact at any cut, bounded, gone when its job is."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from app.db import db, unit_of_work, utcnow
from app.errors import LeaseLost
from app.jobs.journal import FLUSH_BYTES, Journal, log_size, read_log
from app.models import Job, JobLogChunk, JobState
from app.services import background
from tests.support.large import asked

pytestmark = pytest.mark.usefixtures("app_context")


@pytest.fixture
def job_id(request_clone: Callable[..., tuple[int, int]]) -> int:
    return request_clone()[1]


def test_what_is_over_the_limit_is_dropped_behind_a_visible_mark(job_id: int) -> None:
    journal = Journal(job_id, 10)
    for piece in (b"1234", b"56789abc", b"def"):
        journal.write(piece)
    journal.flush()
    log = read_log(job_id, 0, 1000)
    assert log == b"123456789a\n[the log ends here: limit of 10 bytes reached]\n"
    later = Journal(job_id, 10)
    later.write(b"more")
    later.flush()
    assert read_log(job_id, 0, 1000) == log, "whoever takes the job up goes on where it ended"


def test_the_last_append_costs_what_the_first_one_did(app: Flask, job_id: int) -> None:
    journal = Journal(job_id, 10**9)
    costs = []
    for _ in range(50):
        with asked(app) as statements:
            journal.write(b"x" * FLUSH_BYTES)
            journal.flush()
        costs.append([(words, len(str(values)) // FLUSH_BYTES) for words, values in statements])
    assert costs[-1] == costs[0]
    assert log_size(job_id) == 50 * FLUSH_BYTES


def test_bytes_and_the_place_they_stand_for_are_stored_together(job_id: int) -> None:
    journal = Journal(job_id, 1000)
    journal.write(b"\xff\x00half")
    journal.take(6)
    assert (log_size(job_id), place(job_id)) == (0, 0), "neither is there before the other"
    journal.flush()
    assert (log_size(job_id), place(job_id)) == (6, 6)


def test_a_runner_that_has_lost_the_job_writes_nothing_between_the_lines_of_its_successor(job_id: int) -> None:
    own(job_id, "first:1:a")
    stood_still, successor = Journal(job_id, 1000, "first:1:a"), Journal(job_id, 1000, "second:1:b")
    stood_still.write(b"late")
    stood_still.take(4)
    own(job_id, "second:1:b")
    with pytest.raises(LeaseLost):
        stood_still.flush()
    successor.write(b"in time")
    successor.flush()
    assert (read_log(job_id, 0, 1000), place(job_id)) == (b"in time", 0)


def own(job_id: int, owner: str) -> None:
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job_id).values(owner=owner))


def place(job_id: int) -> int | None:
    db.session.rollback()
    return db.session.scalar(select(Job.log_offset).where(Job.id == job_id))


@pytest.mark.parametrize(("age_days", "is_kept"), [(89, True), (91, False)])
def test_a_log_goes_with_its_job_when_that_is_old(job_id: int, age_days: int, is_kept: bool) -> None:
    journal = Journal(job_id, 1000)
    journal.write(b"words")
    journal.flush()
    with unit_of_work() as session:
        ended = {"state": JobState.FAILED, "finished_at": utcnow() - timedelta(days=age_days)}
        session.execute(update(Job).where(Job.id == job_id).values(ended))
    background.clear_history()
    assert db.session.scalar(select(func.count()).select_from(JobLogChunk)) == is_kept
