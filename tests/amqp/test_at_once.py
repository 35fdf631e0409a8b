"""On a real PostgreSQL, with many at once: limits that are counted hold, and threads do not wait for a connection."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from app.db import db, unit_of_work, utcnow
from app.jobs import claims
from app.models import Job, JobState
from app.services import keys, nodes
from app.services.events import SYSTEM
from tests.support.application import upgraded

pytestmark = [pytest.mark.amqp, pytest.mark.slow]

AT_ONCE = 24


@pytest.fixture
def web(postgres: Callable[[], str], bare_app: Callable[..., Flask]) -> Iterator[Flask]:
    with upgraded(bare_app(SQLALCHEMY_DATABASE_URI=postgres())) as app:
        yield app


def at_once(app: Flask, act: Callable[[int], object]) -> None:
    """Each in a thread with a connection of its own, let loose at the same moment; all of them within a minute."""
    start = threading.Barrier(AT_ONCE)

    def run(number: int) -> None:
        with app.app_context():
            start.wait(60)
            act(number)
            db.session.remove()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(run, range(AT_ONCE)))


def test_however_many_runners_claim_at_once_a_node_has_no_more_jobs_than_its_limit(web: Flask) -> None:
    key = keys.generate_key("fleet", "ed25519", SYSTEM)
    values = {"name": "web-1", "hostname": "192.0.2.1", "ssh_user": "deploy", "projects_root": "/data/projects"}
    node_id = nodes.create_node(values | {"ssh_key_id": key.id}, SYSTEM).id
    with unit_of_work() as session:
        rows = [Job(kind="test.work", node_id=node_id, requested_by="test") for _ in range(AT_ONCE)]
        session.add_all(rows)
        session.flush()
        job_ids = [row.id for row in rows]

    def claim(number: int) -> None:
        with unit_of_work() as session:
            claims.claim(session, job_ids[number], f"runner {number}", utcnow(), claims.Most(2, 100))

    at_once(web, claim)
    assert db.session.scalar(select(func.count()).where(Job.state == JobState.RUNNING)) == 2


def test_as_many_threads_as_there_are_get_a_connection_at_once(web: Flask) -> None:
    all_have_one = threading.Barrier(AT_ONCE)

    def ask(number: int) -> None:
        db.session.execute(text("SELECT 1"))
        all_have_one.wait(60)

    at_once(web, ask)


def test_a_connection_that_the_server_has_ended_is_noticed_before_it_is_used(web: Flask) -> None:
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with db.engine.connect() as admin:
        db.session.execute(text("SELECT 1"))
        db.session.rollback()
        assert admin.scalar(text(f"SELECT count(pg_terminate_backend(pid)) {others}"))
        assert db.session.scalar(select(func.count()).select_from(Job)) == 0
