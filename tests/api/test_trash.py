"""The trash over REST, pages and the command line's service: listed, asked for, refused."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import unit_of_work, utcnow
from app.models import TrashEntry


@pytest.fixture
def entry(app: Flask, make_node: Callable[..., int]) -> int:
    node_id = make_node()
    values = {"name": "shop", "git_url": "https://git.example.com/shop.git", "deleted_by": "otto", "node_id": node_id}
    with app.app_context(), unit_of_work() as session:
        row = TrashEntry(key="job-7-0-abcdef01", keep_until=utcnow() + timedelta(days=1), submodules=False, **values)
        session.add(row)
        session.flush()
        return row.id


def test_the_trash_is_listed(viewer: FlaskClient, entry: int) -> None:
    (row,) = viewer.get("/api/v1/trash?node_id=1").json
    assert (row["name"], row["deleted_by"], row["key"]) == ("shop", "otto", "job-7-0-abcdef01")
    assert viewer.get(f"/api/v1/trash/{entry}").json == row
    assert viewer.get("/api/v1/trash?node_id=2").json == []


def test_a_restore_makes_project_and_job_and_asked_twice_answers_the_first(operator: FlaskClient, entry: int) -> None:
    first = operator.post(f"/api/v1/trash/{entry}/restore")
    assert (first.status_code, first.json["kind"]) == (202, "project.restore")
    assert operator.get(f"/api/v1/projects/{first.json['project_id']}").json["status"] == "PENDING"
    assert operator.post(f"/api/v1/trash/{entry}/restore").json["id"] == first.json["id"]
    assert operator.delete(f"/api/v1/trash/{entry}").json["error"] == "wrong_state"


def test_a_cancelled_restore_leaves_the_trash_as_it_was(operator: FlaskClient, entry: int) -> None:
    job = operator.post(f"/api/v1/trash/{entry}/restore").json
    operator.post(f"/api/v1/jobs/{job['id']}/cancel")
    assert operator.get(f"/api/v1/projects/{job['project_id']}").status_code == 404
    assert operator.delete(f"/api/v1/trash/{entry}").status_code == 202


def test_a_taken_name_is_refused(operator: FlaskClient, entry: int, make_project: Callable[..., int]) -> None:
    make_project(1, "SHOP")
    answer = operator.post(f"/api/v1/trash/{entry}/restore")
    assert (answer.status_code, answer.json["error"]) == (409, "name_taken")


def test_an_offline_node_is_no_place_for_a_restore(
    app: Flask, operator: FlaskClient, entry: int, make_node: Callable[..., int]
) -> None:
    with app.app_context(), unit_of_work() as session:
        session.get_one(TrashEntry, entry).node.status = "OFFLINE"
    answer = operator.post(f"/api/v1/trash/{entry}/restore")
    assert (answer.status_code, answer.json["error"]) == (409, "node_offline")
    assert operator.get("/api/v1/projects").json == []


def test_the_page_restores_and_asks_before_it_removes(person_of: Callable[[str], FlaskClient], entry: int) -> None:
    person = person_of("operator")
    assert "Restore" in person.get("/trash").text
    assert "Nothing brings it back" in person.get(f"/trash/{entry}/delete").text
    assert person.post(f"/trash/{entry}/delete").status_code == 303
