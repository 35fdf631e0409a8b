from collections.abc import Callable

from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from pytest_mock import MockerFixture
from sqlalchemy.exc import OperationalError

from app.db import db


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
    text = nobody.get("/metrics").text
    counts = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert counts["bareboat_nodes", "ONLINE"] == 1
    assert counts["bareboat_nodes", "OFFLINE"] == 0
    assert counts["bareboat_projects", "ACTIVE"] == 1
    assert counts["bareboat_jobs", "QUEUED"] == 0
    assert "secret" not in text
