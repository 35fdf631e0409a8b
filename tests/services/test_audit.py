"""The audit log's chain: whatever is changed, taken away or added by hand is found."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.db import db, unit_of_work, utcnow
from app.models import Event, Role, User
from app.services import audit, events
from app.services.events import SYSTEM

pytestmark = pytest.mark.usefixtures("app_context")


@pytest.fixture
def chained() -> None:
    for number in range(5):
        events.record(SYSTEM, "test.act", f"thing {number}", "ok", "é" if number % 2 else None)


def by_hand(statement: str) -> None:
    with unit_of_work() as session:
        session.execute(text(statement))


def test_each_event_carries_the_hash_of_the_one_before_it(chained: None) -> None:
    rows = list(db.session.query(Event).order_by(Event.id))
    assert [row.previous_hash for row in rows[1:]] == [row.hash for row in rows[:-1]]
    assert audit.verify_events().fault is None
    assert audit.verify_events().count == 5


@pytest.mark.parametrize(
    "statement",
    [
        "update event set actor = 'somebody else' where id = 3",
        "update event set at = '2001-01-01 00:00:00.000000' where id = 3",
        "update event set detail = null where id = 4",
        "update event set address = '192.0.2.1' where id = 1",
        "delete from event where id = 1",
        "delete from event where id = 3",
        "delete from event where id = 5",
        "delete from event",
        "update event set previous_hash = hash where id = 2",
        "update event_chain set head_id = 4, head_hash = (select hash from event where id = 3)",
    ],
)
def test_what_was_changed_by_hand_is_found(chained: None, statement: str) -> None:
    by_hand(statement)
    assert audit.verify_events().fault


def test_a_whole_new_chain_is_found_by_a_hash_that_was_noted(chained: None) -> None:
    noted = audit.verify_events()
    by_hand("delete from event")
    by_hand("delete from event_chain")
    db.session.expire_all()
    for number in range(9):
        events.record(SYSTEM, "test.act", f"another thing {number}", "ok")
    assert audit.verify_events().fault is None
    assert audit.verify_events((noted.head_id, noted.head_hash)).fault
    assert audit.verify_events((99, noted.head_hash)).fault


def test_the_product_itself_can_neither_change_nor_remove_an_event(chained: None) -> None:
    with pytest.raises(RuntimeError, match="only ever added"), unit_of_work() as session:
        session.get_one(Event, 2).outcome = "refused"
    with pytest.raises(RuntimeError, match="only ever added"), unit_of_work() as session:
        session.delete(session.get_one(Event, 2))
    assert audit.verify_events().fault is None


def test_an_act_that_is_rolled_back_leaves_no_event_and_no_gap(chained: None) -> None:
    with pytest.raises(IntegrityError), unit_of_work() as session:
        session.add_all([events.event(SYSTEM, "test.act", "nothing"), User(name="admin", role=Role.ADMIN)])
    events.record(SYSTEM, "test.act", "the next", "ok")
    found = audit.verify_events()
    assert (found.fault, found.count, found.head_id) == (None, 6, 6)


def test_writers_at_the_same_time_make_one_chain(app: Flask) -> None:
    def write(number: int) -> None:
        with app.app_context():
            for _ in range(10):
                events.record(SYSTEM, "test.act", f"writer {number}", "ok")
            db.session.remove()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))
    found = audit.verify_events()
    assert (found.fault, found.count) == (None, 80)


def test_what_is_old_is_gone_and_its_last_hash_stays(app: Flask) -> None:
    app.config["EVENT_HISTORY_DAYS"] = 30
    for days in (90, 60, 10):
        with unit_of_work() as session:
            at = utcnow() - timedelta(days=days)
            session.add(Event(actor="a", action="test.act", subject=f"{days}", outcome="ok", at=at))
    last = db.session.get_one(Event, 2).hash
    audit.forget_old_events()
    assert [row.subject for row in db.session.query(Event).order_by(Event.id)] == ["10", "events up to 2"]
    assert audit.get_chain().anchor_hash == last
    assert audit.verify_events().fault is None
    by_hand("delete from event where id = 3")
    assert audit.verify_events().fault


def test_the_export_verifies_by_itself(chained: None) -> None:
    previous = "0" * 64
    for line in map(json.dumps, audit.export_events()):
        fields = json.loads(line)
        digest = fields.pop("hash")
        assert fields["previous_hash"] == previous
        plain = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        assert hashlib.sha256(plain.encode()).hexdigest() == digest
        previous = digest
