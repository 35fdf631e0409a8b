"""What is told of a change: once, in the transaction of the change, and truly at the end, however much it flaps."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from pytest_mock import MockerFixture
from sqlalchemy import select

from app.db import db, unit_of_work, utcnow
from app.errors import ActFailed, ConnectionRefused, HostKeyMismatch
from app.jobs.queue import HeldQueue
from app.models import Alert, Job, JobState, Node, NodeStatus, NotificationDelivery, Schedule
from app.secrets import Secret
from app.services import alerts, channels, jobs, projects, schedule_runs, schedules, sightings
from app.services.changes_told import note_node
from app.services.events import SYSTEM
from app.services.runtime import runtime
from app.services.sightings import Sighting
from app.ssh.recording import RecordingNodes

pytestmark = pytest.mark.usefixtures("app_context")
REFUSED, MISMATCH = ConnectionRefused("web-1 refuses connections"), HostKeyMismatch("another key", offered="x y")


@pytest.fixture
def channel_id(app_context: None) -> int:
    values = {"name": "ops", "kind": "json", "url": Secret("https://192.0.2.9/hook")}
    return channels.create_channel(values, SYSTEM)[0].id


@pytest.fixture
def node_id(channel_id: int, make_node: Callable[..., int], app: Flask) -> int:
    app.config["PROBE_FAILURES_BEFORE_OFFLINE"] = 1
    made = make_node()
    db.session.rollback()  # else the snapshot from before it is read
    return made


@pytest.fixture
def project_id(node_id: int, make_project: Callable[..., int]) -> int:
    made = make_project(node_id)
    db.session.rollback()
    return made


@pytest.fixture
def later(mocker: MockerFixture) -> Callable[[float], None]:
    """Set the clock of alerts so many seconds ahead."""

    def set_ahead(seconds: float) -> None:
        mocker.patch("app.services.alerts.utcnow", side_effect=lambda: utcnow() + timedelta(seconds=seconds))

    return set_ahead


def see(node_id: int, error: Any = None) -> None:
    seen = sightings.missed(utcnow(), error) if error else Sighting(utcnow(), facts={})
    sightings.store({node_id: seen})


def told() -> list[str]:
    db.session.rollback()
    return [row.event for row in db.session.scalars(select(NotificationDelivery).order_by(NotificationDelivery.id))]


def last_told() -> NotificationDelivery:
    return db.session.scalars(select(NotificationDelivery).order_by(NotificationDelivery.id.desc())).first()  # type: ignore[return-value]


def test_a_node_that_goes_and_comes_is_told_of_once_each(node_id: int) -> None:
    see(node_id)
    assert told() == []
    for _ in range(3):
        see(node_id, REFUSED)
    assert told() == ["node.offline"]
    assert last_told().text == "Node web-1 is offline: web-1 refuses connections"
    assert last_told().data["status_reason"] == "refused"
    see(node_id)
    see(node_id)
    assert told() == ["node.offline", "node.online"]


def test_another_host_key_is_a_quarantine_also_of_a_node_that_was_offline(node_id: int) -> None:
    see(node_id, REFUSED)
    see(node_id, MISMATCH)
    assert told() == ["node.offline", "node.quarantined"]


def test_a_node_that_flaps_is_told_of_twice_and_then_what_is_true(node_id: int, later: Callable[[float], None]) -> None:
    for _ in range(5):
        see(node_id, REFUSED)
        see(node_id)
    see(node_id, REFUSED)
    alerts.tell_due()
    assert told() == ["node.offline", "node.online"]
    later(301)
    alerts.tell_due()
    alerts.tell_due()
    assert told() == ["node.offline", "node.online", "node.offline"]


def test_a_node_that_flaps_back_is_not_told_of_again(node_id: int, later: Callable[[float], None]) -> None:
    for _ in range(3):
        see(node_id, REFUSED)
        see(node_id)
    later(301)
    alerts.tell_due()
    assert told() == ["node.offline", "node.online"]


def test_when_the_change_is_not_stored_nothing_is_told(node_id: int) -> None:
    def fail() -> None:
        with unit_of_work() as session:
            node = session.get_one(Node, node_id)
            node.status = NodeStatus.OFFLINE
            note_node(session, node)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert told() == []


def test_only_what_a_channel_wants_is_for_it_and_nothing_when_it_is_off(node_id: int, channel_id: int) -> None:
    channels.update_channel(channel_id, {"events": ["node.online"]}, SYSTEM)
    see(node_id, REFUSED)
    see(node_id)
    assert told() == ["node.online"]
    channels.update_channel(channel_id, {"events": ["node.quarantined"], "enabled": False}, SYSTEM)
    see(node_id, MISMATCH)
    assert told() == ["node.online"]


def end_pull(project_id: int, run_jobs: Callable[[], None], nodes: RecordingNodes, error: Any) -> None:
    nodes.answer(error)
    projects.request_pull(project_id, "ff-only", SYSTEM)
    run_jobs()
    db.session.rollback()


FAILURE = ActFailed("not_fast_forward", "The branch has diverged.\nhint: words of git")


def test_a_job_that_fails_again_and_again_is_told_of_once(
    project_id: int, run_jobs: Callable[[], None], recording_nodes: RecordingNodes
) -> None:
    for _ in range(3):
        end_pull(project_id, run_jobs, recording_nodes, FAILURE)
    assert told() == ["job.failed"]
    assert "project.pull of project shop on node web-1 failed (job 1): The branch has diverged." in last_told().text
    assert "words of git" not in str(last_told().data) + last_told().text


def succeed(job_id: int) -> None:
    """As the runner ends a job that was done."""
    with unit_of_work() as session:
        job = session.get_one(Job, job_id)
        job.state, job.finished_at = JobState.SUCCEEDED, utcnow()
        session.flush()
        runtime().registry.get(job.kind).on_ended(job)


def test_what_failed_and_works_again_is_told_of(
    project_id: int, run_jobs: Callable[[], None], recording_nodes: RecordingNodes
) -> None:
    end_pull(project_id, run_jobs, recording_nodes, FAILURE)
    for _ in range(2):
        succeed(projects.request_pull(project_id, "ff-only", SYSTEM).id)
    assert told() == ["job.failed", "job.recovered"]


def test_what_always_worked_and_what_was_cancelled_is_not_told_of(project_id: int) -> None:
    succeed(projects.request_pull(project_id, "ff-only", SYSTEM).id)
    jobs.request_cancel(projects.request_pull(project_id, "ff-only", SYSTEM).id, SYSTEM)
    assert told() == []


def test_a_schedule_is_told_of_once_a_change_not_once_a_run(
    project_id: int, run_jobs: Callable[[], None], recording_nodes: RecordingNodes, held_queue: HeldQueue
) -> None:
    schedules.create_schedule({"name": "nightly", "project_id": project_id, "cron": "0 4 * * *"}, SYSTEM)
    for _ in range(2):
        recording_nodes.answer(FAILURE)
        come_due()
        run_jobs()
    assert told() == ["schedule.failing"]
    assert last_told().text == "Schedule nightly of project shop is failing: The branch has diverged."
    come_due()
    succeed(held_queue.held[-1])
    assert told() == ["schedule.failing", "schedule.recovered"]


def test_a_schedule_whose_run_is_refused_is_failing_too(project_id: int, node_id: int) -> None:
    schedules.create_schedule({"name": "nightly", "project_id": project_id, "cron": "0 4 * * *"}, SYSTEM)
    see(node_id, REFUSED)
    for _ in range(2):
        come_due()
    assert told() == ["node.offline", "schedule.failing"]


def come_due() -> None:
    with unit_of_work() as session:
        session.scalars(select(Schedule)).one().next_run_at = utcnow() - timedelta(seconds=1)
    schedule_runs.run_due_schedules()


def test_a_channel_with_a_thousand_waiting_takes_no_more(node_id: int, channel_id: int, mocker: MockerFixture) -> None:
    mocker.patch.object(alerts, "MOST_WAITING", 1)
    see(node_id, REFUSED)
    see(node_id)
    assert told() == ["node.offline", "node.online"]
    assert (last_told().state, last_told().next_try_at) == ("FAILED", None)


def test_what_is_well_is_forgotten_and_what_is_not_is_kept_until_it_is(node_id: int, mocker: MockerFixture) -> None:
    see(node_id, REFUSED)
    mocker.patch("app.services.alerts.utcnow", side_effect=lambda: utcnow() + timedelta(days=100))
    alerts.forget_old()
    mocker.stopall()
    see(node_id)
    assert told() == ["node.offline", "node.online"]
    mocker.patch("app.services.alerts.utcnow", side_effect=lambda: utcnow() + timedelta(days=100))
    alerts.forget_old()
    assert db.session.scalars(select(Alert)).all() == []
