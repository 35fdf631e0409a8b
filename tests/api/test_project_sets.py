from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import unit_of_work, utcnow
from app.models import Job, JobState, Project, ProjectStatus
from app.services import run_moves

SETS = "/api/v1/project-sets"
URL = "https://git.example.com/shop/web.git"
Make = Callable[..., int]


@pytest.fixture
def node_ids(make_node: Make) -> list[int]:
    return [make_node(f"n{number}") for number in range(3)]


@pytest.fixture
def set_id(app: Flask, operator: FlaskClient, node_ids: list[int]) -> int:
    """Cloned to two of three nodes."""
    answer = operator.post(SETS, json={"name": "shop", "git_url": URL, "branch": "main", "node_ids": node_ids[:2]})
    assert (answer.status_code, answer.json["size"], answer.json["run_id"]) == (201, 2, 1)
    assert answer.headers["Location"].endswith(f"{SETS}/1")
    with app.app_context():
        with unit_of_work() as session:
            session.query(Job).update({"state": JobState.SUCCEEDED, "finished_at": utcnow()})
            there = {"head": "a" * 40, "cloned_at": utcnow(), "last_synced_at": utcnow()}
            session.query(Project).update(there | {"status": ProjectStatus.ACTIVE})
        run_moves.advance_all()
    return int(answer.json["id"])


def test_a_set_is_made_listed_shown_changed_and_deleted(operator: FlaskClient, set_id: int) -> None:
    assert [(one["name"], one["size"]) for one in operator.get(SETS).json] == [("shop", 2)]
    assert operator.get(f"{SETS}/{set_id}").json["git_url"] == URL
    assert operator.patch(f"{SETS}/{set_id}", json={"branch": "next"}).json["branch"] == "next"
    assert operator.get("/api/v1/projects/1").json["set_id"] == set_id
    assert operator.delete(f"{SETS}/{set_id}").status_code == 204
    assert operator.get(f"{SETS}/{set_id}").status_code == 404
    assert operator.get("/api/v1/projects/1").json["set_id"] is None


def test_nodes_are_added_and_taken_out(operator: FlaskClient, set_id: int, node_ids: list[int]) -> None:
    added = operator.post(f"{SETS}/{set_id}/nodes", json={"node_ids": node_ids, "concurrency": 1})
    assert (added.status_code, added.json["size"], added.json["run_id"]) == (200, 3, 2)
    out = operator.delete(f"{SETS}/{set_id}/nodes/{node_ids[0]}")
    assert (out.status_code, out.json) == (200, {"project_id": 1, "job_id": None})
    assert operator.delete(f"{SETS}/{set_id}/nodes/{node_ids[0]}").status_code == 404
    gone = operator.delete(f"{SETS}/{set_id}/nodes/{node_ids[1]}?delete=true").json
    assert operator.get(f"/api/v1/jobs/{gone['job_id']}").json["kind"] == "project.delete"
    back = operator.post(f"{SETS}/{set_id}/nodes", json={"node_ids": node_ids[:1]})
    assert (back.json["run_id"], back.json["size"]) == (None, 3)


def test_all_are_pulled_as_a_run(operator: FlaskClient, set_id: int) -> None:
    answer = operator.post(f"{SETS}/{set_id}/pull", json={"strategy": "reset", "concurrency": 1, "max_failures": 1})
    assert (answer.status_code, answer.json["kind"], answer.json["size"]) == (202, "project.pull", 2)
    assert answer.headers["Location"].endswith("/api/v1/runs/2")
    assert answer.json["recap"]["running"] == 1
    for number, strategy in enumerate(("ff-only", "stash", "rebase", "backup"), 3):
        run = operator.post(f"{SETS}/{set_id}/pull", json={"strategy": strategy}).json
        assert (run["id"], run["params"]) == (number, {"strategy": strategy})
    assert operator.post(f"{SETS}/{set_id}/pull", json={"strategy": "force"}).status_code == 422


def test_the_grid_tells_how_each_stands(app: Flask, viewer: FlaskClient, set_id: int) -> None:
    with app.app_context(), unit_of_work() as session:
        session.get_one(Project, 1).head = "b" * 40
        session.get_one(Project, 1).last_synced_at = utcnow()
    drift = viewer.get(f"{SETS}/{set_id}/drift").json
    assert [(one["node_name"], one["flags"], one["ahead"]) for one in drift["members"]] == [
        ("n1", ["behind"], None),
        ("n0", [], None),
    ]
    assert (drift["reference"]["head"], drift["counts"]["behind"], drift["is_live"]) == ("b" * 40, 1, False)
    live = viewer.get(f"{SETS}/{set_id}/drift?live=true").json
    assert (live["is_live"], {one["is_live"] for one in live["members"]}) == (True, {False})
    assert all(one["problem"] for one in live["members"])


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "a/b"}, "name"),
        ({"git_url": "x"}, "git_url"),
        ({"branch": "a..b"}, "branch"),
        ({"node_ids": [99]}, "node_ids"),
        ({"node_ids": ["1"]}, "node_ids"),
        ({"concurrency": 0}, "concurrency"),
        ({"more": 1}, "more"),
    ],
)
def test_a_wrong_set_is_refused_by_field(operator: FlaskClient, values: dict[str, object], field: str) -> None:
    answer = operator.post(SETS, json={"name": "shop", "git_url": URL} | values)
    assert (answer.status_code, field in answer.json["errors"]) == (422, True)
    assert operator.get(SETS).json == []


def test_what_is_in_the_way_is_a_conflict(operator: FlaskClient, set_id: int) -> None:
    taken = operator.post(SETS, json={"name": "Shop", "git_url": URL})
    assert (taken.status_code, taken.json["error"]) == (409, "name_taken")
    assert operator.delete(f"{SETS}/{set_id}/nodes/1?force=true").status_code == 422
    assert operator.post(SETS, json={"name": "none", "git_url": URL}).json["run_id"] is None
    empty = operator.post(f"{SETS}/2/pull")
    assert (empty.status_code, empty.json["error"]) == (409, "wrong_state")
