"""Jobs of a node that is away: held, or failed where the settings say so; and what their page says meanwhile."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from app.db import unit_of_work
from app.jobs.runner import Runner
from app.models import JobState, Node, NodeStatus, ProjectStatus
from app.services import jobs
from app.services.events import SYSTEM
from app.services.runtime import Runtime


@pytest.fixture
def held(app: Flask, request_clone: Callable[..., tuple[int, int]]) -> int:
    """The id of a queued clone whose node has gone offline since."""
    _, job_id = request_clone()
    with app.app_context(), unit_of_work() as session:
        session.execute(update(Node).values(status=NodeStatus.OFFLINE))
    return job_id


def test_a_held_job_says_so_over_rest(operator: FlaskClient, held: int) -> None:
    job = operator.get(f"/api/v1/jobs/{held}").json
    assert (job["state"], job["waiting_for"]) == ("QUEUED", "node_offline")


def test_a_held_job_can_be_cancelled_at_once(app: Flask, held: int) -> None:
    with app.app_context():
        job = jobs.request_cancel(held, SYSTEM)
        assert (job.state, job.project.status) == (JobState.CANCELLED, ProjectStatus.ERROR)


def test_a_held_job_fails_where_the_policy_says_so(
    app: Flask, runtime: Runtime, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = Runner(app, runtime.registry)
    runner.fail_held()
    with app.app_context():
        assert jobs.get_job(held).state is JobState.QUEUED
    monkeypatch.setitem(app.config, "JOB_OFFLINE_POLICY", "fail")
    runner.fail_held()
    with app.app_context():
        job = jobs.get_job(held)
        assert (job.state, job.error_code, job.project.status) == (JobState.FAILED, "node_offline", ProjectStatus.ERROR)


@pytest.mark.parametrize("reason", ["host_key_mismatch", "host_key_unpinned", "auth_failed"])
def test_a_job_that_fails_so_says_what_its_node_waits_for(
    app: Flask, runtime: Runtime, held: int, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    monkeypatch.setitem(app.config, "JOB_OFFLINE_POLICY", "fail")
    with app.app_context(), unit_of_work() as session:
        session.execute(update(Node).values(status_reason=reason))
    Runner(app, runtime.registry).fail_held()
    with app.app_context():
        job = jobs.get_job(held)
        assert (job.error_code, job.project.error_code) == (reason, reason)
        assert "web-1" in (job.error_message or "")
        assert "retry" in (job.error_message or "")
