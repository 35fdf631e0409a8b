"""On a real PostgreSQL, with many at once: one chain of events, and nothing sealed under an old master key."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from app.db import db
from app.models.sealed import sealed_columns
from app.services import audit, events, keys, sealing
from app.services.events import SYSTEM
from app.services.startup import ensure_own_master_key
from tests.support.application import upgraded

pytestmark = [pytest.mark.amqp, pytest.mark.slow]

AT_ONCE = 8


@pytest.fixture
def web(postgres: Callable[[], str], bare_app: Callable[..., Flask]) -> Iterator[Flask]:
    with upgraded(bare_app(SQLALCHEMY_DATABASE_URI=postgres())) as app:
        ensure_own_master_key()
        yield app


def test_writers_at_the_same_time_make_one_chain(web: Flask) -> None:
    def write(number: int) -> None:
        with web.app_context():
            for _ in range(10):
                events.record(SYSTEM, "test.act", f"writer {number}", "ok")
            db.session.remove()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(write, range(AT_ONCE)))
    found = audit.verify_events()
    assert (found.fault, found.count) == (None, 10 * AT_ONCE)


def test_what_is_sealed_during_a_rotation_is_under_the_new_key_after_it(web: Flask) -> None:
    def seal(number: int) -> None:
        with web.app_context():
            for each in range(5):
                keys.generate_key(f"key-{number}-{each}", "ed25519", SYSTEM)
            db.session.remove()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        sealed = [threads.submit(seal, number) for number in range(AT_ONCE)]
        sealing.rotate(SYSTEM)
        for each in sealed:
            each.result()
    report = sealing.verify()
    assert (report.count, report.unreadable) == (5 * AT_ONCE, [])
    (column,) = [column for column in sealed_columns() if str(column) == "ssh_key.private_key_sealed"]
    assert len({text.split(":")[1] for text in db.session.scalars(db.select(column.column))}) == 1
