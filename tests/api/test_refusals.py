"""Refused requests are in the audit log, once a minute, and none becomes a flood or a fault."""

import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import db
from app.models import Event
from app.services import refusals
from tests.support.application import client_with_token
from tests.support.databases import only_on_sqlite

MISTYPED = "hunter2-in-a-wrong-field"


def noted(app: Flask) -> list[tuple[str, str, str]]:
    """Who, what, why; of refusals only."""
    with app.app_context():
        rows = db.session.query(Event).filter(Event.action.endswith(".refused")).order_by(Event.id)
        return [(row.actor, row.subject, row.detail.partition(":")[0]) for row in rows]


@pytest.mark.parametrize(
    ("method", "path", "body", "subject", "code"),
    [
        ("POST", "/nodes", {"name": MISTYPED, "hostname": "a b"}, "POST /api/v1/nodes", "invalid_value"),
        ("POST", "/nodes", {MISTYPED: MISTYPED}, "POST /api/v1/nodes", "invalid_value"),
        ("POST", "/ssh-keys", {"name": "fleet", "generate": "ed25519"}, "POST /api/v1/ssh-keys", "name_taken"),
        ("DELETE", "/ssh-keys/1", None, "DELETE /api/v1/ssh-keys/1", "key_in_use"),
        ("PATCH", "/nodes/99", {"name": "x"}, "PATCH /api/v1/nodes/99", "not_found"),
        ("POST", f"/hooks/{MISTYPED}", {}, "POST /api/v1/hooks/<string(maxlength=128):token>", "not_found"),
    ],
)
def test_what_would_have_changed_something_is_noted_without_what_was_sent(
    app: Flask,
    admin: FlaskClient,
    make_key: Callable[..., int],
    make_node: Callable[..., int],
    method: str,
    path: str,
    body: Any,
    subject: str,
    code: str,
) -> None:
    make_node(ssh_key_id=make_key("fleet"))
    answer = admin.open(f"/api/v1{path}", method=method, json=body)
    assert (400 <= answer.status_code < 500, answer.json["error"]) == (True, code)
    assert noted(app) == [("admin", subject, code)]
    assert MISTYPED not in admin.get("/api/v1/events/export").text


def test_a_wrong_token_is_noted_with_its_address(app: Flask) -> None:
    stranger = client_with_token(app, "bbt_wrong")
    assert stranger.delete("/api/v1/nodes/1").status_code == 401
    assert noted(app) == [(refusals.NOBODY, "DELETE /api/v1/nodes/1", "unauthenticated")]
    with app.app_context():
        assert db.session.query(Event).order_by(Event.id.desc()).first().address == "127.0.0.1"


def test_what_a_form_is_refused_is_noted_too(app: Flask, person_of: Callable[[str], FlaskClient]) -> None:
    person_of("admin").post("/keys/generate", data={"name": "", "kind": "ed25519"})
    person_of("admin").post("/jobs/7/cancel")
    assert ("admin", "POST /jobs/7/cancel", "not_found") in noted(app)
    assert len(noted(app)) == 2


def test_too_many_requests_are_noted(make_app: Callable[..., Flask]) -> None:
    app = make_app(RATELIMIT_ENABLED=True, HOOK_RATE_LIMIT="1 per minute")
    answers = [app.test_client().post("/api/v1/hooks/x").status_code for _ in range(3)]
    assert answers == [404, 429, 429]
    assert [code for _, _, code in noted(app)] == ["not_found", "throttled"]


def test_reading_is_not_noted_nor_an_address_that_is_none(app: Flask, admin: FlaskClient, nobody: FlaskClient) -> None:
    assert [admin.get("/api/v1/nodes/9").status_code, nobody.get("/api/v1/nodes").status_code] == [404, 401]
    assert [admin.post("/wp-login.php").status_code, admin.post("/api/v1/events").status_code] == [404, 405]
    assert noted(app) == []


def test_the_same_refusal_is_one_event_a_minute_and_then_the_rest_is_told(app: Flask, admin: FlaskClient) -> None:
    now = [0.0]
    app.extensions[refusals.EXTENSION] = refusals.Tally(lambda: now[0])
    for _ in range(12):
        admin.delete("/api/v1/nodes/9")
    assert noted(app) == [("admin", "DELETE /api/v1/nodes/9", "not_found")]
    now[0] = 61
    admin.delete("/api/v1/nodes/9")
    assert len(noted(app)) == 2
    told = [event for event in admin.get("/api/v1/events").json if event["action"] == "refusals.counted"]
    assert [event["detail"] for event in told] == ["11 more of admin DELETE /api/v1/nodes/9 not_found"]


def test_who_has_no_login_cannot_fill_the_log_however_many_addresses_there_are(app: Flask, nobody: FlaskClient) -> None:
    for address in range(100):
        for node_id in range(1, 10):
            nobody.delete(f"/api/v1/nodes/{node_id}", environ_base={"REMOTE_ADDR": f"2001:db8::{address:x}"})
    assert len(noted(app)) == refusals.WITHOUT_LOGIN
    tally = app.extensions[refusals.EXTENSION]
    assert len(tally._more) == refusals.WITHOUT_LOGIN, "what is kept in memory is bounded as well"
    client_with_token(app, "bbt_wrong").delete("/api/v1/keys/1")
    assert len(noted(app)) == refusals.WITHOUT_LOGIN


def test_one_address_leaves_room_for_others(app: Flask, nobody: FlaskClient) -> None:
    for node_id in range(1, 50):
        nobody.delete(f"/api/v1/nodes/{node_id}")
    nobody.delete("/api/v1/nodes/1", environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert len(noted(app)) == refusals.PER_ADDRESS + 1


@only_on_sqlite
def test_a_refusal_stays_one_while_another_holds_the_database(
    app: Flask, nobody: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with app.app_context():
        path = str(db.engine.url.database)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        begins = time.monotonic()
        answer = nobody.delete("/api/v1/nodes/9")
        waited = time.monotonic() - begins
    assert answer.status_code == 401
    assert 0.4 < waited < 10, "far less than the fifteen seconds that an act waits"
    assert "only in this log: (no login) 127.0.0.1 access.refused DELETE /api/v1/nodes/9" in caplog.text
    assert noted(app) == []


@only_on_sqlite
def test_a_refusal_stays_one_on_a_full_disk(app: Flask, admin: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    admin.get("/api/v1/nodes")
    with app.app_context():
        db.session.execute(db.text("CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(FAIL, 'full'); END"))
        db.session.commit()
    assert admin.delete("/api/v1/nodes/9").status_code == 404
    assert "only in this log" in caplog.text
