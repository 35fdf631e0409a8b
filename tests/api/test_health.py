from collections.abc import Callable
from datetime import datetime, timedelta

from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from pytest_mock import MockerFixture
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from app.db import db, unit_of_work, utcnow
from app.models import Job, Node, NodeStatus


def test_the_process_is_up(nobody: FlaskClient) -> None:
    answer = nobody.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_ready_with_a_database(nobody: FlaskClient) -> None:
    answer = nobody.get("/readyz")
    assert (answer.status_code, answer.json) == (200, {"status": "ready", "checks": {"database": "ok"}})


def test_not_ready_without_a_database(nobody: FlaskClient, mocker: MockerFixture) -> None:
    mocker.patch.object(db.session, "execute", side_effect=OperationalError("", {}, Exception("secret")))
    answer = nobody.get("/readyz")
    assert (answer.status_code, answer.json["checks"]) == (503, {"database": "failed"})
    assert "secret" not in answer.text


def test_not_ready_while_the_scheduler_should_run_and_does_not(make_app: Callable[..., Flask]) -> None:
    answer = make_app(SCHEDULER_ENABLED=True).test_client().get("/readyz")
    assert (answer.status_code, answer.json["checks"]) == (503, {"database": "ok", "scheduler": "failed"})


def test_metrics_count_by_state_without_a_name(
    nobody: FlaskClient, make_node: Callable[..., int], make_project: Callable[..., int]
) -> None:
    make_project(make_node("secret-name"), "secret-project")
    text, counts = metrics(nobody)
    assert counts["bareboat_nodes", "ONLINE"] == 1
    assert counts["bareboat_nodes", "OFFLINE"] == 0
    assert counts["bareboat_projects", "ACTIVE"] == 1
    assert counts["bareboat_jobs", "QUEUED"] == 0
    assert counts["bareboat_notifications", "FAILED"] == 0
    assert counts[("process_open_fds",)] > 0
    assert "secret" not in text


def test_metrics_tell_how_late_the_scheduler_and_the_runners_are(
    nobody: FlaskClient, app: Flask, make_node: Callable[..., int]
) -> None:
    ids = {name: make_node(name) for name in ("on", "off", "cordoned")}
    made, late = utcnow() - timedelta(seconds=5000), utcnow() - timedelta(seconds=1000)
    put = {"on": {}, "off": {"status": NodeStatus.OFFLINE}, "cordoned": {"cordoned": True, "next_probe_at": made}}
    with app.app_context(), unit_of_work() as session:
        for name, values in put.items():
            row = {"next_probe_at": utcnow() + timedelta(days=1)} | values
            session.execute(update(Node).where(Node.id == ids[name]).values(row))
        for name, due in (("off", None), ("on", utcnow() + timedelta(days=1))):
            session.add(job_of(ids[name], made, due))
    assert delays(nobody) == {"job": 0, "probe": 0, "schedule": 0, "notification": 0}
    with app.app_context(), unit_of_work() as session:
        session.add(job_of(ids["on"], made, late))
        session.execute(update(Node).where(Node.id == ids["off"]).values(next_probe_at=late))
    assert delays(nobody) == {"job": 1000, "probe": 1000, "schedule": 0, "notification": 0}


def job_of(node_id: int, created_at: datetime, run_after: datetime | None) -> Job:
    return Job(kind="test.work", node_id=node_id, requested_by="test", created_at=created_at, run_after=run_after)


def delays(client: FlaskClient) -> dict[str, int]:
    """To ten seconds, rounded down."""
    found = {of[0]: value for (name, *of), value in metrics(client)[1].items() if name == "bareboat_delay_seconds"}
    return {of: int(value // 10 * 10) for of, value in found.items()}


def metrics(client: FlaskClient) -> tuple[str, dict[tuple[str, ...], float]]:
    text = client.get("/metrics").text
    families = list(text_string_to_metric_families(text))
    return text, {
        (sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples
    }
