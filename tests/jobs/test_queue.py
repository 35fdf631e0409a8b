"""Which job comes next: limits, turns, what the jobs of a quarantined node wait for, clearing the queue."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.db import db, unit_of_work
from app.jobs import claims
from app.jobs.runner import Runner
from app.models import Event, Job, JobState, Node, NodeStatus, ProjectStatus
from app.services import hostkeys, jobs, queue
from app.services.events import SYSTEM
from app.services.runtime import Runtime
from tests.support.application import GIT_URL, host_key_line

JOBS = "/api/v1/jobs"
MOST = claims.Most(per_node=4, in_all=100)


@pytest.fixture
def clones(
    app: Flask, request_clone: Callable[..., tuple[int, int]], make_node: Callable[..., int]
) -> Callable[..., list[int]]:
    """The ids of jobs that clone these projects to one node."""

    def ask(*names: str, node: str = "web-1") -> list[int]:
        node_id = make_node(node)
        return [request_clone(name, node_id=node_id)[1] for name in names]

    return ask


def change(app: Flask, job_ids: list[int], **values: object) -> None:
    with app.app_context(), unit_of_work() as session:
        session.execute(update(Job).where(Job.id.in_(job_ids)).values(values))


def next_ones(app: Flask, most: claims.Most = MOST) -> list[int]:
    with app.app_context():
        return claims.candidates(most)


def test_who_has_the_fewest_jobs_running_comes_next(app: Flask, clones: Callable[..., list[int]]) -> None:
    first, *others, single = clones("a", "b", "c", "d")
    change(app, [first, *others], requested_by="many")
    assert next_ones(app) == [first, *others, single], "where nobody has any, the oldest"
    change(app, [first], state=JobState.RUNNING, owner="elsewhere:1:a")
    assert next_ones(app) == [single, *others]


def test_no_more_jobs_run_in_all_than_the_limit(app: Flask, runtime: Runtime, clones: Callable[..., list[int]]) -> None:
    running, waiting = clones("a", "b")
    change(app, [running], state=JobState.RUNNING, owner="elsewhere:1:a")
    app.config["MAX_JOBS"] = 1
    assert next_ones(app, claims.Most.of(app.config)) == []
    assert not Runner(app, runtime.registry).run(waiting)
    change(app, [running], owner=None)
    assert next_ones(app, claims.Most.of(app.config)) == [waiting], "one that was let go is not counted"


def test_a_waiting_job_has_a_place_in_the_queue(
    app: Flask, viewer: FlaskClient, clones: Callable[..., list[int]]
) -> None:
    away, first, second = *clones("x", node="away"), *clones("a", "b")
    with app.app_context(), unit_of_work() as session:
        session.execute(update(Node).where(Node.name == "away").values(status=NodeStatus.OFFLINE))
    places = [viewer.get(f"{JOBS}/{job_id}").json["queue_position"] for job_id in (away, first, second)]
    assert places == [None, 0, 1]
    change(app, [first], state=JobState.RUNNING, owner="elsewhere:1:a")
    assert viewer.get(f"{JOBS}/{first}").json["queue_position"] is None


@pytest.mark.parametrize("reason", ["host_key_mismatch", "host_key_unpinned", "auth_failed"])
def test_jobs_of_a_quarantined_node_wait_and_say_for_what(
    app: Flask, viewer: FlaskClient, clones: Callable[..., list[int]], reason: str
) -> None:
    (job_id,) = clones("shop")
    with app.app_context(), unit_of_work() as session:
        session.execute(update(Node).values(status=NodeStatus.OFFLINE, status_reason=reason))
    assert next_ones(app) == []
    job = viewer.get(f"{JOBS}/{job_id}").json
    assert (job["state"], job["waiting_for"]) == ("QUEUED", reason)


def test_an_approved_host_key_lets_the_held_jobs_start(app: Flask, clones: Callable[..., list[int]]) -> None:
    (job_id,) = clones("shop")
    with app.app_context():
        with unit_of_work() as session:
            session.execute(update(Node).values(status=NodeStatus.OFFLINE, status_reason="host_key_mismatch"))
        assert jobs.get_job(job_id).waiting_for == "host_key_mismatch"
        hostkeys.pin_public_key(db.session.scalars(select(Node.id)).one(), host_key_line(), SYSTEM)
        assert jobs.get_job(job_id).waiting_for == "runner"
    assert next_ones(app) == [job_id]


def test_all_that_wait_are_cancelled_and_what_runs_goes_on(
    app: Flask, operator: FlaskClient, clones: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "AT_ONCE", 2)
    running, *waiting = clones("a", "b", "c", "d")
    change(app, [running], state=JobState.RUNNING, owner="elsewhere:1:a")
    answer = operator.post(f"{JOBS}/cancel", json={})
    assert (answer.status_code, answer.json) == (200, {"cancelled": 3})
    with app.app_context():
        assert [jobs.get_job(job_id).state for job_id in waiting] == [JobState.CANCELLED] * 3
        assert jobs.get_job(running).state is JobState.RUNNING
        assert jobs.get_job(waiting[0]).project.status is ProjectStatus.ERROR
        assert jobs.cancelled_by(waiting[0]) == "operator"
        asked = select(Event.subject).where(Event.action == "job.cancel").order_by(Event.subject)
        assert list(db.session.scalars(asked)) == [f"job {job_id}" for job_id in waiting]


def test_only_what_fits_is_cancelled(app: Flask, operator: FlaskClient, clones: Callable[..., list[int]]) -> None:
    (mine,), (other,) = clones("a", node="n1"), clones("b", node="n2")
    with app.app_context():
        node_id = jobs.get_job(mine).node_id
    assert operator.post(f"{JOBS}/cancel", json={"node_id": node_id, "kind": "project.pull"}).json == {"cancelled": 0}
    assert operator.post(f"{JOBS}/cancel", json={"node_id": node_id}).json == {"cancelled": 1}
    with app.app_context():
        assert [jobs.get_job(job_id).state for job_id in (mine, other)] == [JobState.CANCELLED, JobState.QUEUED]


@pytest.mark.parametrize("body", [{"node_id": "1"}, {"node_id": 0}, {"state": "RUNNING"}, {"kind": ""}])
def test_what_to_cancel_must_be_said_rightly(operator: FlaskClient, body: dict[str, object]) -> None:
    answer = operator.post(f"{JOBS}/cancel", json=body)
    assert (answer.status_code, list(answer.json["errors"])) == (422, list(body))


def test_a_viewer_clears_no_queue(viewer: FlaskClient, clones: Callable[..., list[int]]) -> None:
    clones("a")
    assert viewer.post(f"{JOBS}/cancel", json={}).status_code == 403


def test_a_full_queue_says_when_to_come_again(app: Flask, operator: FlaskClient, make_node: Callable[..., int]) -> None:
    app.config["MAX_QUEUED_JOBS"] = 0
    body = {"name": "shop", "git_url": GIT_URL, "node_id": make_node()}
    answer = operator.post("/api/v1/projects/clone", json=body)
    assert (answer.status_code, answer.json["error"]) == (429, "throttled")
    assert int(answer.headers["Retry-After"]) > 0
    assert operator.get("/api/v1/projects").json == []
