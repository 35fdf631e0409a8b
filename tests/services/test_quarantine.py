"""Quarantine of a node whose host key has changed: what is shown, and the one act that ends it."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import unit_of_work, utcnow
from app.errors import HostKeyMismatch
from app.models import Node
from app.services import sightings
from app.services.events import SYSTEM
from app.services.nodes import get_node
from app.services.projects import request_pull
from app.ssh.pins import HostKeyLine, parse_host_key
from tests.support.application import host_key_line

Make = Callable[..., int]


@pytest.fixture
def offered() -> HostKeyLine:
    return parse_host_key(host_key_line())


@pytest.fixture
def node_id(app: Flask, make_node: Make, make_project: Make, offered: HostKeyLine) -> int:
    """In quarantine, with a job that waits."""
    node_id = make_node()
    with app.app_context():
        request_pull(make_project(node_id), "ff-only", SYSTEM)
    mismatch(app, node_id, offered, "web-1")
    return node_id


def mismatch(app: Flask, node_id: int, offered: HostKeyLine, who: str) -> None:
    error = HostKeyMismatch("another key", offered=str(offered), who=f"{who} (deploy@192.0.2.1:22)")
    with app.app_context():
        sightings.store({node_id: sightings.missed(utcnow(), error)})


def test_a_quarantine_shows_both_keys_since_when_what_is_held_and_how_to_compare(
    viewer: FlaskClient, node_id: int, offered: HostKeyLine
) -> None:
    shown = viewer.get(f"/api/v1/nodes/{node_id}/quarantine").json
    assert [key["fingerprint"] for key in shown["offered"]] == [offered.fingerprint]
    assert [key["fingerprint"] for key in shown["pinned"]] != [offered.fingerprint]
    assert shown["commands"] == ["ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"]
    assert shown["since"]
    assert [(job["kind"], job["state"]) for job in shown["held_jobs"]] == [("project.pull", "QUEUED")]


def test_a_held_job_says_what_it_waits_for_and_goes_on_after_the_approval(
    app: Flask, admin: FlaskClient, node_id: int, offered: HostKeyLine, run_jobs: Callable[[], None]
) -> None:
    run_jobs()
    job = admin.get("/api/v1/jobs").json[0]
    assert (job["state"], job["waiting_for"]) == ("QUEUED", "host_key_mismatch")
    answer = admin.post(f"/api/v1/nodes/{node_id}/host-keys/approve", json={"fingerprint": offered.fingerprint})
    assert answer.status_code == 200
    assert admin.get(f"/api/v1/jobs/{job['id']}").json["waiting_for"] != "host_key_mismatch"
    with app.app_context():
        assert [key.public_key for key in get_node(node_id).host_keys] == [str(offered)]
    newest = admin.get("/api/v1/events?page_size=1").json[0]
    assert newest["action"] == "node.approve"
    assert "instead of" in newest["detail"]


def test_only_the_key_that_was_shown_is_approved(
    app: Flask, admin: FlaskClient, node_id: int, offered: HostKeyLine
) -> None:
    seen = offered.fingerprint
    mismatch(app, node_id, parse_host_key(host_key_line()), "web-1")
    refused = admin.post(f"/api/v1/nodes/{node_id}/host-keys/approve", json={"fingerprint": seen})
    assert refused.status_code == 422
    assert "fingerprint" in refused.json["errors"]
    assert admin.get(f"/api/v1/nodes/{node_id}").json["status_reason"] == "host_key_mismatch"


def test_without_a_quarantine_there_is_nothing_to_approve(admin: FlaskClient, make_node: Make) -> None:
    path = f"/api/v1/nodes/{make_node()}"
    answer = admin.post(f"{path}/host-keys/approve", json={"fingerprint": "SHA256:" + "a" * 43})
    assert (answer.status_code, admin.get(f"{path}/quarantine").status_code) == (409, 409)


def test_operators_do_not_approve(operator: FlaskClient, node_id: int, offered: HostKeyLine) -> None:
    path = f"/api/v1/nodes/{node_id}/host-keys/approve"
    assert operator.post(path, json={"fingerprint": offered.fingerprint}).status_code == 403


def test_the_page_approves_what_it_has_shown(
    person_of: Callable[[str], FlaskClient], node_id: int, offered: HostKeyLine
) -> None:
    person = person_of("admin")
    page = person.get(f"/nodes/{node_id}").text
    assert f'name="fingerprint" value="{offered.fingerprint}"' in page.replace("&#43;", "+")
    person.post(f"/nodes/{node_id}/approve", data={"fingerprint": offered.fingerprint})
    assert "Quarantine" not in person.get(f"/nodes/{node_id}").text


def test_a_jump_host_with_a_wrong_key_is_not_taken_for_the_node_behind_it(
    app: Flask, admin: FlaskClient, make_node: Make, offered: HostKeyLine
) -> None:
    hop = make_node("hop")
    inner = make_node("inner")
    with app.app_context(), unit_of_work() as session:
        session.get_one(Node, inner).jump_node_id = hop
    mismatch(app, inner, offered, "hop")
    assert admin.get(f"/api/v1/nodes/{inner}/quarantine").json["offered"] == []
    approved = admin.post(f"/api/v1/nodes/{inner}/host-keys/approve", json={"fingerprint": offered.fingerprint})
    assert approved.status_code == 409
