from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pytest_mock import MockerFixture

from app.db import unit_of_work, utcnow
from app.errors import ConnectTimeout
from app.jobs import claims
from app.jobs.runner import Runner
from app.services.nodes import get_node
from app.services.runtime import Runtime
from app.ssh.pins import parse_host_key
from tests.support.application import host_key_line

Make = Callable[..., int]


@pytest.fixture
def offered(mocker: MockerFixture) -> Any:
    key = parse_host_key(host_key_line())
    mocker.patch("app.services.hostkeys.scan", return_value=(key,))
    return key


def test_a_scan_answers_what_is_offered_and_pins_nothing(admin: FlaskClient, make_node: Make, offered: Any) -> None:
    node_id = make_node(pinned=False)
    answer = admin.post(f"/api/v1/nodes/{node_id}/scan")
    assert answer.status_code == 200
    assert answer.json == [{"type": offered.type, "fingerprint": offered.fingerprint, "public_key": str(offered)}]
    assert admin.get(f"/api/v1/nodes/{node_id}/host-keys").json == []


def test_a_scanned_key_is_pinned_by_its_fingerprint(admin: FlaskClient, make_node: Make, offered: Any) -> None:
    path = f"/api/v1/nodes/{make_node(pinned=False)}"
    admin.post(f"{path}/scan")
    answer = admin.post(f"{path}/host-keys", json={"fingerprint": offered.fingerprint})
    assert answer.status_code == 201
    assert list(answer.json) == ["id", "type", "fingerprint", "public_key", "pinned_by", "pinned_at"]
    assert (answer.json["public_key"], answer.json["pinned_by"]) == (str(offered), "admin")
    assert admin.get(f"{path}/host-keys").json == [answer.json]


def test_what_a_scan_shows_may_be_pinned_as_it_is(admin: FlaskClient, make_node: Make, offered: Any) -> None:
    path = f"/api/v1/nodes/{make_node(pinned=False)}"
    shown = admin.post(f"{path}/scan").json[0]["public_key"]
    assert admin.post(f"{path}/host-keys", json={"public_key": f"{shown} root@web-1\n"}).status_code == 201


def test_a_fingerprint_that_was_not_offered_is_refused(admin: FlaskClient, make_node: Make, offered: Any) -> None:
    path = f"/api/v1/nodes/{make_node(pinned=False)}"
    admin.post(f"{path}/scan")
    answer = admin.post(f"{path}/host-keys", json={"fingerprint": "SHA256:" + "A" * 43})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["fingerprint"])


def test_a_fingerprint_needs_a_scan_first(admin: FlaskClient, make_node: Make) -> None:
    path = f"/api/v1/nodes/{make_node(pinned=False)}"
    answer = admin.post(f"{path}/host-keys", json={"fingerprint": "SHA256:" + "A" * 43})
    assert (answer.status_code, answer.json["error"]) == (409, "wrong_state")


@pytest.mark.parametrize("text", ["ssh-ed25519", "ssh-ed25519 AAAA", "ssh-dss AAAA", "x y z", "ssh-ed25519  AAAA"])
def test_what_is_no_host_key_is_refused_by_field(admin: FlaskClient, make_node: Make, text: str) -> None:
    answer = admin.post(f"/api/v1/nodes/{make_node(pinned=False)}/host-keys", json={"public_key": text})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["public_key"])


def test_a_known_hosts_text_pins_what_it_has_for_the_node(admin: FlaskClient, make_node: Make) -> None:
    path = f"/api/v1/nodes/{make_node(pinned=False)}"
    good, revoked = host_key_line(), host_key_line()
    text = f"192.0.2.1 {good}\nother.example {host_key_line()}\n@revoked 192.0.2.1 {revoked}\n"
    answer = admin.post(f"{path}/host-keys/import", json={"known_hosts": text})
    assert answer.status_code == 200
    assert [pin["public_key"] for pin in answer.json["pinned"]] == [good]
    assert [line["line"] for line in answer.json["refused"]] == [3]


def test_a_pin_may_be_taken_back(admin: FlaskClient, make_node: Make) -> None:
    path = f"/api/v1/nodes/{make_node()}/host-keys"
    pin_id = admin.get(path).json[0]["id"]
    assert admin.delete(f"{path}/{pin_id}").status_code == 204
    assert admin.get(path).json == []
    assert admin.delete(f"{path}/{pin_id}").status_code == 404


def test_a_pin_of_another_node_is_not_found(admin: FlaskClient, make_node: Make) -> None:
    first, second = make_node("a-1"), make_node("b-2")
    pin_id = admin.get(f"/api/v1/nodes/{first}/host-keys").json[0]["id"]
    assert admin.delete(f"/api/v1/nodes/{second}/host-keys/{pin_id}").status_code == 404


def test_a_node_that_does_not_answer_a_scan_is_504(admin: FlaskClient, make_node: Make, mocker: MockerFixture) -> None:
    mocker.patch("app.services.hostkeys.scan", side_effect=ConnectTimeout("192.0.2.1:22 did not answer in 10 s."))
    answer = admin.post(f"/api/v1/nodes/{make_node(pinned=False)}/scan")
    assert (answer.status_code, answer.json["error"]) == (504, "timeout")


def test_a_job_under_way_is_not_followed_by_a_key_that_is_unpinned(
    app: Flask, admin: FlaskClient, make_node: Make, request_clone: Callable[..., tuple[int, int]], runtime: Runtime
) -> None:
    """Its runner has the old pins in memory, and would connect again with them, for as long as the job takes."""
    node_id = make_node()
    _, job_id = request_clone(node_id=node_id)
    with app.app_context():
        with unit_of_work() as session:
            job = claims.claim(session, job_id, "elsewhere:1:aa", utcnow() + timedelta(hours=1), claims.Most(9, 9))
            assert job is not None
        key_id = get_node(node_id).host_keys[0].id
    assert admin.delete(f"/api/v1/nodes/{node_id}/host-keys/{key_id}").status_code == 204
    assert Runner(app, runtime.registry).run_next()
    job = admin.get(f"/api/v1/jobs/{job_id}").json
    assert (job["state"], job["error"]["code"]) == ("FAILED", "host_key_unpinned")
    assert runtime.nodes.runs == []  # type: ignore[attr-defined]
