from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import unit_of_work, utcnow
from app.models import Job, JobState
from app.services import run_moves

Make = Callable[..., int]
PATH = "/api/v1/runs"
FIELDS = [
    "id",
    "kind",
    "params",
    "state",
    "concurrency",
    "max_failures",
    "size",
    "recap",
    "retry_of_id",
    "requested_by",
    "cancel_requested_at",
    "created_at",
    "finished_at",
]
NONE = {"waiting": 0, "running": 0, "ok": 0, "changed": 0, "failed": 0, "unreachable": 0, "skipped": 0}


@pytest.fixture
def project_ids(make_node: Make, make_project: Make) -> list[int]:
    node_id = make_node()
    return [make_project(node_id, f"p{number}") for number in range(3)]


@pytest.fixture
def end_jobs(app: Flask) -> Callable[..., None]:
    """All that is queued comes to this end."""

    def end(state: JobState, **values: Any) -> None:
        with app.app_context():
            with unit_of_work() as session:
                ended = {"state": state, "finished_at": utcnow()} | values
                session.query(Job).filter_by(state=JobState.QUEUED).update(ended)
            run_moves.advance_all()

    return end


def test_a_run_is_begun_followed_and_tried_again(
    operator: FlaskClient, viewer: FlaskClient, project_ids: list[int], end_jobs: Callable[..., None]
) -> None:
    body = {"kind": "project.pull", "project_ids": project_ids, "concurrency": 2}
    answer = operator.post(PATH, json=body)
    assert (answer.status_code, list(answer.json)) == (202, FIELDS)
    where = answer.headers["Location"]
    assert where == f"{PATH}/{answer.json['id']}"
    assert answer.json["recap"] == NONE | {"running": 2, "waiting": 1}
    assert (answer.json["params"], answer.json["requested_by"]) == ({"strategy": "ff-only"}, "operator")
    end_jobs(JobState.SUCCEEDED, result={"changed": False})
    end_jobs(JobState.FAILED, error_code="tree_dirty", error_message="dirty")
    shown = viewer.get(where).json
    assert (shown["state"], shown["recap"]) == ("FAILED", NONE | {"ok": 2, "failed": 1})
    again = operator.post(f"{where}/retry")
    assert (again.status_code, again.json["size"], again.json["retry_of_id"]) == (202, 1, shown["id"])
    listed = viewer.get(f"{PATH}?state=FAILED&sort=-id")
    assert [run["recap"]["failed"] for run in listed.json] == [1]


def test_the_members_are_paged_what_failed_first(
    operator: FlaskClient, project_ids: list[int], end_jobs: Callable[..., None]
) -> None:
    body = {"kind": "project.checkout", "params": {"ref": "main"}, "project_ids": project_ids, "concurrency": 1}
    where = operator.post(PATH, json=body).headers["Location"]
    end_jobs(JobState.SUCCEEDED)
    end_jobs(JobState.FAILED, error_code="ref_not_found", error_message="There is no such branch.")
    (failed,) = operator.get(f"{where}/members?page_size=1").json
    assert (failed["project_name"], failed["state"], failed["error"]["code"]) == ("p1", "failed", "ref_not_found")
    assert operator.get(f"/api/v1/jobs/{failed['job_id']}").json["project_id"] == failed["project_id"]
    (running,) = operator.get(f"{where}/members?state=running").json
    assert running["project_name"] == "p2"


def test_a_run_is_cancelled_once(operator: FlaskClient, project_ids: list[int]) -> None:
    where = operator.post(PATH, json={"kind": "project.pull", "project_ids": project_ids}).headers["Location"]
    answer = operator.post(f"{where}/cancel")
    assert (answer.status_code, answer.json["state"]) == (202, "CANCELLED")
    assert answer.json["recap"] == NONE | {"skipped": 3}
    assert operator.post(f"{where}/cancel").status_code == 409
    assert operator.post(f"{where}/retry").status_code == 409
    assert operator.post(f"{where}/retry", json={"skipped": True}).json["size"] == 3


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"kind": "project.delete"}, "kind"),
        ({"project_ids": []}, "project_ids"),
        ({"project_ids": [999]}, "project_ids"),
        ({"project_ids": ["1"]}, "project_ids"),
        ({"node_ids": [1]}, "project_ids"),
        ({"params": {"strategy": "force"}}, "params"),
        ({"params": {"argv": []}}, "params"),
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": 201}, "concurrency"),
        ({"max_failures": 0}, "max_failures"),
        ({"shell": True}, "shell"),
    ],
)
def test_a_wrong_value_is_422_by_field(
    operator: FlaskClient, project_ids: list[int], values: dict[str, Any], field: str
) -> None:
    answer = operator.post(PATH, json={"kind": "project.pull", "project_ids": project_ids} | values)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])
    assert operator.get(PATH).json == []


def test_a_run_that_is_not_there_is_404(operator: FlaskClient) -> None:
    for path in ("", "/members"):
        assert operator.get(f"{PATH}/99{path}").status_code == 404
    assert operator.post(f"{PATH}/99/retry").status_code == 404
