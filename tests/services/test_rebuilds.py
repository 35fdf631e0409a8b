"""A planned rebuild: one new host key, once, within its time, and only the node's own."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import unit_of_work, utcnow
from app.errors import HostKeyMismatch
from app.models import Node
from app.services import sightings
from app.services.events import SYSTEM
from app.services.projects import request_pull
from app.ssh.pins import HostKeyLine, parse_host_key
from tests.support.application import host_key_line

Make = Callable[..., int]


def new_key() -> HostKeyLine:
    return parse_host_key(host_key_line())


def show(app: Flask, node_id: int, *keys: HostKeyLine, who: str = "web-1") -> set[int]:
    """The node shows these keys, one after the other; the answer to the last."""
    told: set[int] = set()
    for key in keys:
        error = HostKeyMismatch("another key", offered=str(key), who=f"{who} (deploy@192.0.2.1:22)")
        with app.app_context():
            told = sightings.store({node_id: sightings.missed(utcnow(), error)})
    return told


def pins(admin: FlaskClient, node_id: int) -> list[tuple[str, str]]:
    return [(key["public_key"], key["pinned_by"]) for key in admin.get(f"/api/v1/nodes/{node_id}/host-keys").json]


@pytest.fixture
def node_id(make_node: Make) -> int:
    return make_node()


@pytest.fixture
def expecting(admin: FlaskClient, node_id: int) -> int:
    answer = admin.post(f"/api/v1/nodes/{node_id}/expected-key", json={})
    assert answer.status_code == 200
    assert answer.json["expected_key_until"]
    return node_id


def test_the_first_new_key_takes_the_place_of_the_pins_and_both_are_in_the_audit_log(
    app: Flask, admin: FlaskClient, expecting: int
) -> None:
    old = admin.get(f"/api/v1/nodes/{expecting}/host-keys").json[0]["fingerprint"]
    key = new_key()
    assert show(app, expecting, key) == {expecting}
    assert pins(admin, expecting) == [(str(key), "admin")]
    node = admin.get(f"/api/v1/nodes/{expecting}").json
    assert (node["status"], node["status_reason"], node["expected_key_until"]) == ("UNKNOWN", None, None)
    told = next(event for event in admin.get("/api/v1/events").json if event["action"] == "node.rebuilt")
    assert told["detail"] == f"{key.type} {key.fingerprint} instead of ssh-ed25519 {old}; expected by admin"


def test_a_second_new_key_means_quarantine(app: Flask, admin: FlaskClient, expecting: int) -> None:
    first, second = new_key(), new_key()
    assert show(app, expecting, first, second) == set()
    assert pins(admin, expecting) == [(str(first), "admin")]
    shown = admin.get(f"/api/v1/nodes/{expecting}/quarantine").json
    assert [key["fingerprint"] for key in shown["offered"]] == [second.fingerprint]


def test_who_was_refused_for_the_key_that_is_pinned_meanwhile_brings_no_quarantine(
    app: Flask, admin: FlaskClient, expecting: int
) -> None:
    key = new_key()
    assert show(app, expecting, key, key) == {expecting}
    assert admin.get(f"/api/v1/nodes/{expecting}").json["status"] == "UNKNOWN"


def test_when_the_time_is_over_a_new_key_means_quarantine(app: Flask, admin: FlaskClient, expecting: int) -> None:
    with app.app_context(), unit_of_work() as session:
        session.get_one(Node, expecting).key_window_until = utcnow() - timedelta(seconds=1)
    assert admin.get(f"/api/v1/nodes/{expecting}").json["expected_key_until"] is None
    assert show(app, expecting, new_key()) == set()
    assert admin.get(f"/api/v1/nodes/{expecting}").json["status_reason"] == "host_key_mismatch"
    assert admin.post(f"/api/v1/nodes/{expecting}/expected-key", json={}).status_code == 409


def test_a_key_of_a_jump_host_is_not_the_one_that_is_expected(
    app: Flask, admin: FlaskClient, expecting: int, make_node: Make
) -> None:
    hop = make_node("hop")
    with app.app_context(), unit_of_work() as session:
        session.get_one(Node, expecting).jump_node_id = hop
    before = pins(admin, expecting)
    assert show(app, expecting, new_key(), who="hop") == set()
    assert pins(admin, expecting) == before


def test_jobs_that_were_held_go_on(
    app: Flask, admin: FlaskClient, expecting: int, make_project: Make, run_jobs: Callable[[], None]
) -> None:
    with app.app_context():
        request_pull(make_project(expecting), "ff-only", SYSTEM)
    show(app, expecting, new_key())
    assert admin.get("/api/v1/jobs").json[0]["waiting_for"] != "host_key_mismatch"


def test_it_is_taken_back_once_and_then_a_new_key_means_quarantine(
    app: Flask, admin: FlaskClient, expecting: int
) -> None:
    path = f"/api/v1/nodes/{expecting}/expected-key"
    assert admin.delete(path).status_code == 204
    refused = admin.delete(path)
    assert (refused.status_code, refused.json["error"]) == (409, "wrong_state")
    show(app, expecting, new_key())
    assert admin.get(f"/api/v1/nodes/{expecting}").json["status_reason"] == "host_key_mismatch"


def test_a_key_that_is_pinned_by_hand_closes_the_window(admin: FlaskClient, expecting: int) -> None:
    admin.post(f"/api/v1/nodes/{expecting}/host-keys", json={"public_key": host_key_line()})
    assert admin.get(f"/api/v1/nodes/{expecting}").json["expected_key_until"] is None


@pytest.mark.parametrize("hours", [0, 25, 1.5, "1", None])
def test_the_time_is_one_to_twenty_four_whole_hours(admin: FlaskClient, node_id: int, hours: object) -> None:
    refused = admin.post(f"/api/v1/nodes/{node_id}/expected-key", json={"hours": hours})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["hours"])


def test_a_node_without_a_pin_has_none_to_follow(admin: FlaskClient, make_node: Make) -> None:
    refused = admin.post(f"/api/v1/nodes/{make_node(pinned=False)}/expected-key", json={})
    assert (refused.status_code, refused.json["error"]) == (409, "host_key_unpinned")


def test_the_page_opens_shows_and_closes_the_window(person_of: Callable[[str], FlaskClient], node_id: int) -> None:
    person = person_of("admin")
    person.post(f"/nodes/{node_id}/expected-key", data={"hours": "2"})
    page = person.get(f"/nodes/{node_id}").text
    assert "One new host key is expected" in page
    assert "says admin" in page
    person.post(f"/nodes/{node_id}/expected-key/cancel")
    assert "expect one new host key" in person.get(f"/nodes/{node_id}").text
    person.post(f"/nodes/{node_id}/expected-key", data={"hours": "99"})
    assert "One new host key is expected" not in person.get(f"/nodes/{node_id}").text
