"""Entries whose files are not ours, or not to be reached: forgotten, without a word to the node."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from app.db import db, unit_of_work, utcnow
from app.errors import NodeOffline, WrongState
from app.models import Job, JobState, Node, NodeStatus, Project, ProjectStatus
from app.services import jobs, projects
from app.services.events import SYSTEM
from app.ssh.recording import RecordingNodes


@pytest.fixture
def project_id(app: Flask, make_node: Callable[..., int], make_project: Callable[..., int]) -> int:
    return make_project(make_node())


def set_node(app: Flask, status: NodeStatus) -> None:
    with app.app_context(), unit_of_work() as session:
        session.execute(update(Node).values(status=status))


@pytest.mark.parametrize("force", [False, True])
def test_what_was_never_cloned_is_forgotten_without_a_word_to_the_node(
    app: Flask,
    make_node: Callable[..., int],
    make_project: Callable[..., int],
    run_jobs: Callable[[], None],
    recording_nodes: RecordingNodes,
    force: bool,
) -> None:
    project_id = make_project(make_node(), status=ProjectStatus.ERROR, cloned_at=None)
    with app.app_context():
        job = projects.request_delete(project_id, force, SYSTEM)
        assert job.kind == "project.forget"
    run_jobs()
    with app.app_context():
        assert db.session.get(Project, project_id) is None
    assert recording_nodes.runs == []


def test_a_project_on_a_dead_node_can_be_forgotten_but_not_deleted(
    app: Flask, project_id: int, admin: FlaskClient, run_jobs: Callable[[], None]
) -> None:
    set_node(app, NodeStatus.OFFLINE)
    with app.app_context(), pytest.raises(NodeOffline):
        projects.request_delete(project_id, True, SYSTEM)
    answer = admin.delete(f"/api/v1/projects/{project_id}?forget=true")
    assert (answer.status_code, answer.json["kind"]) == (202, "project.forget")
    run_jobs()
    assert admin.get(f"/api/v1/projects/{project_id}").status_code == 404


def test_a_job_that_nobody_can_follow_can_be_given_up(app: Flask, project_id: int, admin: FlaskClient) -> None:
    with app.app_context():
        job_id = projects.request_pull(project_id, "ff-only", SYSTEM).id
        with pytest.raises(WrongState):
            jobs.abandon(job_id, SYSTEM)
        with unit_of_work() as session:
            later = utcnow() + timedelta(seconds=5)
            values = {"state": JobState.RUNNING, "owner": None, "lease_expires_at": later}
            session.execute(update(Job).where(Job.id == job_id).values(values))
    answer = admin.post(f"/api/v1/jobs/{job_id}/abandon")
    assert (answer.status_code, answer.json["state"]) == (200, "FAILED")
    assert answer.json["error"]["code"] == "stop_unconfirmed"
    assert admin.get(f"/api/v1/projects/{project_id}").json["status"] == "ERROR"
