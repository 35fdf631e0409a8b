"""Acts on nodes are for admins: also when they are asked for again, or stopped, by somebody who may do so to others."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import unit_of_work, utcnow
from app.models import Job, JobState, Run, RunState

Make = Callable[..., int]
KINDS = ("node.playbook", "node.rotate_key")


@pytest.fixture
def make_job(app: Flask, make_node: Make) -> Make:
    """The id of a job on a node itself, as an admin has asked for it."""
    node_id = make_node()

    def make(kind: str, state: JobState) -> int:
        steps = [{"name": "a step", "argv": ["true"]}]
        job = Job(kind=kind, node_id=node_id, node_name="web-1", params={"steps": steps}, max_attempts=1)
        job.state, job.requested_by = state, "admin"
        job.finished_at = utcnow() if state is JobState.FAILED else None
        with app.app_context(), unit_of_work() as session:
            session.add(job)
            session.flush()
            return job.id

    return make


@pytest.fixture
def run_id(app: Flask) -> int:
    run = Run(kind="node.playbook", params={}, size=1, requested_by="admin", concurrency=1, state=RunState.RUNNING)
    with app.app_context(), unit_of_work() as session:
        session.add(run)
        session.flush()
        return run.id


@pytest.mark.parametrize("kind", KINDS)
def test_an_operator_does_not_repeat_what_an_admin_did_to_a_node(
    operator: FlaskClient, admin: FlaskClient, make_job: Make, kind: str
) -> None:
    path = f"/api/v1/jobs/{make_job(kind, JobState.FAILED)}/retry"
    answer = operator.post(path)
    assert (answer.status_code, answer.json["error"]) == (403, "forbidden")
    assert admin.get("/api/v1/jobs?state=QUEUED").json == []
    assert admin.post(path).status_code == 202


@pytest.mark.parametrize("kind", KINDS)
def test_an_operator_does_not_stop_what_an_admin_does_to_a_node(
    operator: FlaskClient, admin: FlaskClient, make_job: Make, kind: str
) -> None:
    path = f"/api/v1/jobs/{make_job(kind, JobState.QUEUED)}"
    assert operator.post(f"{path}/cancel").status_code == 403
    assert operator.post("/api/v1/jobs/cancel", json={}).json == {"cancelled": 0}
    assert admin.get(path).json["state"] == "QUEUED"
    assert admin.post("/api/v1/jobs/cancel", json={}).json == {"cancelled": 1}


def test_nor_the_run_that_it_is_of(operator: FlaskClient, admin: FlaskClient, run_id: int) -> None:
    assert operator.post(f"/api/v1/runs/{run_id}/cancel").status_code == 403
    assert operator.post(f"/api/v1/runs/{run_id}/retry").status_code in (403, 409)
    assert admin.get(f"/api/v1/runs/{run_id}").json["state"] == "RUNNING"
    assert admin.post(f"/api/v1/runs/{run_id}/cancel").status_code == 202
