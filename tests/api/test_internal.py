"""What a script on a node may report, with its node's token."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pytest_mock import MockerFixture

from app.models import ProjectStatus
from tests.support.application import client_with_token

Make = Callable[..., int]


@pytest.fixture
def reporter_of(app: Flask, admin: FlaskClient) -> Callable[[int], FlaskClient]:
    """A client with the token of this node."""
    return lambda node_id: client_with_token(app, admin.post(f"/api/v1/nodes/{node_id}/token").json["token"])


def report(client: FlaskClient, project_id: int, **values: Any) -> Any:
    return client.post(f"/api/v1/internal/projects/{project_id}/status", json={"status": "ACTIVE"} | values)


def test_a_node_reports_on_its_own_project(reporter_of: Any, make_node: Make, make_project: Make) -> None:
    node_id = make_node()
    answer = report(reporter_of(node_id), make_project(node_id), status="ERROR", message="migration failed")
    assert answer.status_code == 200
    assert answer.json["status"] == "ERROR"
    assert answer.json["error"] == {"code": "reported", "message": "migration failed"}


def test_another_nodes_project_does_not_exist_for_it(reporter_of: Any, make_node: Make, make_project: Make) -> None:
    first, second = make_node("a-1"), make_node("b-2")
    theirs, missing = report(reporter_of(first), make_project(second)), report(reporter_of(first), 999)
    assert (theirs.status_code, missing.status_code) == (404, 404)


def test_an_ended_token_reports_nothing(reporter_of: Any, make_node: Make, make_project: Make) -> None:
    node_id = make_node()
    old = reporter_of(node_id)
    reporter_of(node_id)
    assert report(old, make_project(node_id)).status_code == 403


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer ", "Bearer bbn_wrong", "Basic x", "Bearer \xff"])
def test_without_a_nodes_token_nothing_is_said(
    nobody: FlaskClient, make_node: Make, make_project: Make, header: str | None
) -> None:
    path = f"/api/v1/internal/projects/{make_project(make_node())}/status"
    answer = nobody.post(path, json={"status": "ACTIVE"}, headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer.json["error"]) == (403, "forbidden")


def test_an_admins_token_is_no_nodes_token(admin: FlaskClient, make_node: Make, make_project: Make) -> None:
    assert report(admin, make_project(make_node())).status_code == 403


def test_a_nodes_token_opens_nothing_else(reporter_of: Any, make_node: Make) -> None:
    assert reporter_of(make_node()).get("/api/v1/nodes").status_code == 401


def test_a_report_does_not_cross_a_job(reporter_of: Any, request_clone: Any, make_node: Make) -> None:
    node_id = make_node()
    project_id, _ = request_clone(node_id=node_id)
    answer = report(reporter_of(node_id), project_id)
    assert (answer.status_code, answer.json["error"]) == (409, "project_busy")


@pytest.mark.parametrize(
    "values", [{"status": "SYNCING"}, {"status": "x"}, {"message": "a\0"}, {"message": "x" * 2001}, {"nix": 1}]
)
def test_a_wrong_report_is_422(reporter_of: Any, make_node: Make, make_project: Make, values: dict[str, Any]) -> None:
    node_id = make_node()
    assert report(reporter_of(node_id), make_project(node_id), **values).status_code == 422


def test_a_report_does_not_cross_a_job_that_is_queued_at_the_same_moment(
    app: Flask, reporter_of: Any, operator: FlaskClient, make_node: Make, make_project: Make, mocker: MockerFixture
) -> None:
    """The look beforehand saw none; the update itself decides."""
    node_id = make_node()
    project_id = make_project(node_id)
    reporter = reporter_of(node_id)
    assert operator.post(f"/api/v1/projects/{project_id}/pull").status_code == 202
    mocker.patch("app.services.jobs.find_job_under_way", return_value=None)
    answer = report(reporter, project_id, status="ERROR", message="x")
    assert (answer.status_code, answer.json["error"]) == (409, "project_busy")
    assert operator.get(f"/api/v1/projects/{project_id}").json["error"] is None


@pytest.mark.parametrize("status", ["PENDING", "SYNCING", "DELETING"])
def test_only_active_and_error_may_be_left_by_a_report(
    app: Flask, reporter_of: Any, make_node: Make, make_project: Make, status: str
) -> None:
    node_id = make_node()
    project_id = make_project(node_id, status=ProjectStatus(status))
    answer = report(reporter_of(node_id), project_id)
    assert (answer.status_code, answer.json["error"]) == (409, "wrong_state")


@pytest.mark.parametrize("before", ["ACTIVE", "ERROR"])
@pytest.mark.parametrize("after", ["ACTIVE", "ERROR"])
def test_between_active_and_error_any_report_counts(
    admin: FlaskClient, reporter_of: Any, make_node: Make, make_project: Make, before: str, after: str
) -> None:
    node_id = make_node()
    project_id = make_project(node_id, status=ProjectStatus(before))
    assert report(reporter_of(node_id), project_id, status=after).json["status"] == after
    (noted,) = [row for row in admin.get("/api/v1/events").json if row["action"] == "project.report"]
    assert (noted["actor"], noted["outcome"]) == ("node web-1", after)


def test_a_project_that_is_not_cloned_is_its_clone_s(reporter_of: Any, make_node: Make, make_project: Make) -> None:
    node_id = make_node()
    answer = report(reporter_of(node_id), make_project(node_id, cloned_at=None, status=ProjectStatus.ERROR))
    assert (answer.status_code, answer.json["error"]) == (409, "wrong_state")
