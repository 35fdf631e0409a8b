from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import unit_of_work, utcnow
from app.errors import ConnectionRefused
from app.models import Node
from app.services import nodes
from app.ssh.recording import RecordingNodes

NODE: dict[str, Any] = {"name": "web-1", "hostname": "web-1.example.com", "ssh_user": "deploy"}
FIELDS = [
    "id",
    "name",
    "hostname",
    "ssh_port",
    "ssh_user",
    "ssh_key_id",
    "projects_root",
    "status",
    "status_reason",
    "last_seen_at",
    "latency_ms",
    "facts",
    "labels",
    "cordoned",
    "editor_url",
    "created_at",
]


def test_a_new_node_has_the_fields_of_the_contract_and_its_address(admin: FlaskClient) -> None:
    answer = admin.post("/api/v1/nodes", json=NODE)
    assert answer.status_code == 201
    assert set(FIELDS) <= set(answer.json)
    assert answer.headers["Location"] == f"/api/v1/nodes/{answer.json['id']}"
    assert admin.get(answer.headers["Location"]).json == answer.json


def test_a_new_node_is_unknown_and_takes_the_defaults(admin: FlaskClient) -> None:
    node = admin.post("/api/v1/nodes", json=NODE).json
    assert (node["status"], node["ssh_port"], node["projects_root"]) == ("UNKNOWN", 22, "/data/projects")
    assert (node["labels"], node["cordoned"], node["ssh_key_id"]) == ({}, False, None)


def test_times_carry_their_zone(admin: FlaskClient) -> None:
    created_at = datetime.fromisoformat(admin.post("/api/v1/nodes", json=NODE).json["created_at"])
    assert created_at.tzinfo is not None


def test_all_fields_of_a_node_may_be_given(admin: FlaskClient, make_key: Callable[..., int]) -> None:
    values = NODE | {
        "ssh_port": 2222,
        "ssh_key_id": make_key(),
        "projects_root": "/srv/p",
        "labels": {"site": "berlin"},
        "cordoned": True,
        "editor_url": "https://code.example.com/",
    }
    node = admin.post("/api/v1/nodes", json=values).json
    assert {name: node[name] for name in values} == values


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"ssh_key_id": 77}, "ssh_key_id"),
        ({"name": "x;reboot"}, "name"),
        ({"hostname": "-oProxyCommand=id"}, "hostname"),
        ({"ssh_user": "root\n"}, "ssh_user"),
        ({"ssh_user": "$(id)"}, "ssh_user"),
        ({"projects_root": "/"}, "projects_root"),
        ({"projects_root": "/data/../etc"}, "projects_root"),
        ({"ssh_port": "22"}, "ssh_port"),
    ],
)
def test_a_wrong_value_is_422_and_nothing_is_stored(admin: FlaskClient, values: dict[str, Any], field: str) -> None:
    answer = admin.post("/api/v1/nodes", json=NODE | values)
    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]
    assert admin.get("/api/v1/nodes").json == []


def test_a_name_is_taken_once(admin: FlaskClient) -> None:
    admin.post("/api/v1/nodes", json=NODE)
    answer = admin.post("/api/v1/nodes", json=NODE)
    assert (answer.status_code, answer.json["error"], list(answer.json["errors"])) == (409, "name_taken", ["name"])


def test_a_change_touches_only_what_is_given(admin: FlaskClient, make_node: Callable[..., int]) -> None:
    node_id = make_node(labels={"site": "berlin"})
    answer = admin.patch(f"/api/v1/nodes/{node_id}", json={"cordoned": True})
    assert answer.status_code == 200
    assert (answer.json["cordoned"], answer.json["labels"], answer.json["name"]) == (True, {"site": "berlin"}, "web-1")


@pytest.mark.parametrize("values", [{}, {"ssh_port": 0}, {"nix": 1}, {"name": None}, {"hostname": "a b"}])
def test_a_wrong_change_is_422(admin: FlaskClient, make_node: Callable[..., int], values: dict[str, Any]) -> None:
    assert admin.patch(f"/api/v1/nodes/{make_node()}", json=values).status_code == 422


def test_a_changed_address_ends_pooled_connections(
    admin: FlaskClient, make_node: Callable[..., int], recording_nodes: RecordingNodes
) -> None:
    node_id = make_node()
    recording_nodes.forgotten.clear()
    assert admin.patch(f"/api/v1/nodes/{node_id}", json={"hostname": "192.0.2.9"}).json["status"] == "UNKNOWN"
    assert [target.hostname for target in recording_nodes.forgotten] == ["192.0.2.1"]


def test_a_deleted_node_is_gone(admin: FlaskClient, make_node: Callable[..., int]) -> None:
    node_id = make_node()
    answer = admin.delete(f"/api/v1/nodes/{node_id}")
    assert (answer.status_code, answer.data) == (204, b"")
    assert admin.get(f"/api/v1/nodes/{node_id}").status_code == 404


def test_a_node_with_projects_stays(
    admin: FlaskClient, make_node: Callable[..., int], make_project: Callable[..., int]
) -> None:
    node_id = make_node()
    make_project(node_id)
    answer = admin.delete(f"/api/v1/nodes/{node_id}")
    assert (answer.status_code, answer.json["error"]) == (409, "node_in_use")
    moved = admin.patch(f"/api/v1/nodes/{node_id}", json={"projects_root": "/srv/p"})
    assert (moved.status_code, list(moved.json["errors"])) == (409, ["projects_root"])


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["a-1", "b-2", "c-3"]),
        ("status=ONLINE", ["a-1", "c-3"]),
        ("status=OFFLINE", ["b-2"]),
        ("cordoned=true", ["c-3"]),
        ("search=B-", ["b-2"]),
        ("search=%25", []),
        ("search=192.0.2", ["a-1", "b-2", "c-3"]),
        ("sort=-name", ["c-3", "b-2", "a-1"]),
        ("sort=status&page_size=1", ["b-2"]),
        ("page=2&page_size=2", ["c-3"]),
        ("page=9", []),
    ],
)
def test_nodes_are_filtered_sorted_and_paged(
    viewer: FlaskClient, make_node: Callable[..., int], query: str, names: list[str]
) -> None:
    key_id = make_node("a-1")
    for name, fields in {"b-2": {"status": "OFFLINE"}, "c-3": {"cordoned": True}}.items():
        make_node(name, ssh_key_id=key_id, **fields)
    assert [node["name"] for node in viewer.get(f"/api/v1/nodes?{query}").json] == names


def test_a_probe_now_tells_what_it_saw(
    operator: FlaskClient, make_node: Callable[..., int], recording_nodes: RecordingNodes
) -> None:
    node_id = make_node()
    recording_nodes.answer(ConnectionRefused("Node web-1 refuses connections."))
    answer = operator.post(f"/api/v1/nodes/{node_id}/probe")
    assert answer.status_code == 200
    assert (answer.json["ok"], answer.json["status_reason"], answer.json["node_id"]) == (False, "refused", node_id)
    history = operator.get(f"/api/v1/nodes/{node_id}/probes")
    assert history.json == [answer.json]


def unmark(app: Flask, node_id: int) -> None:
    """As after a probe of a node to which something was cloned before."""
    with app.app_context(), unit_of_work() as session:
        node = session.get_one(Node, node_id)
        node.root_marked_at, node.status_reason, node.status_detail = utcnow(), "root_unmarked", "No mark."


def test_a_root_is_accepted_once_and_then_expects_no_mark(
    app: Flask, admin: FlaskClient, make_node: Callable[..., int]
) -> None:
    node_id = make_node()
    unmark(app, node_id)
    accepted = admin.post(f"/api/v1/nodes/{node_id}/accept-root")
    assert (accepted.status_code, accepted.json["status_reason"], accepted.json["status_detail"]) == (200, None, None)
    assert admin.get("/api/v1/events").json[0]["action"] == "node.accept_root"
    again = admin.post(f"/api/v1/nodes/{node_id}/accept-root")
    assert (again.status_code, again.json["error"]) == (409, "wrong_state")


def test_another_root_has_no_mark_yet(app: Flask, admin: FlaskClient, make_node: Callable[..., int]) -> None:
    node_id = make_node()
    unmark(app, node_id)
    admin.patch(f"/api/v1/nodes/{node_id}", json={"projects_root": "/data/projects"})
    assert expects_mark(app, node_id)
    admin.patch(f"/api/v1/nodes/{node_id}", json={"projects_root": "/srv/projects"})
    assert not expects_mark(app, node_id)


def expects_mark(app: Flask, node_id: int) -> bool:
    with app.app_context():
        return nodes.get_node(node_id).root_marked_at is not None


def test_the_probes_of_no_node_are_404(viewer: FlaskClient) -> None:
    assert viewer.get("/api/v1/nodes/7/probes").status_code == 404


def test_a_node_token_is_new_each_time_and_shown_once(admin: FlaskClient, make_node: Callable[..., int]) -> None:
    node_id = make_node()
    first, second = (admin.post(f"/api/v1/nodes/{node_id}/token").json["token"] for _ in range(2))
    assert first.startswith("bbn_")
    assert first != second
    assert second not in admin.get(f"/api/v1/nodes/{node_id}").text + admin.get("/api/v1/events").text
