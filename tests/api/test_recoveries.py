"""Recoveries over REST and pages: listed, gone back to, offered after a refusal."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import unit_of_work, utcnow
from app.models import Recovery


@pytest.fixture
def recovery(app: Flask, make_node: Callable[..., int], make_project: Callable[..., int]) -> int:
    project_id = make_project(make_node(), error_code="not_fast_forward", error_message="It has diverged.")
    with app.app_context(), unit_of_work() as session:
        values = {"act": "reset", "head": "a" * 40, "branch": "main", "requested_by": "otto"}
        row = Recovery(project_id=project_id, key="job-7-1-abcdef01", keep_until=utcnow() + timedelta(days=1), **values)
        session.add(row)
        session.flush()
        return row.id


def test_recoveries_are_listed(viewer: FlaskClient, recovery: int) -> None:
    (row,) = viewer.get("/api/v1/projects/1/recoveries").json
    assert (row["act"], row["ref"]) == ("reset", "refs/bareboat/recovery/job-7-1-abcdef01")


def test_an_undo_is_a_job_and_asked_twice_the_same(operator: FlaskClient, recovery: int) -> None:
    first = operator.post(f"/api/v1/projects/1/recoveries/{recovery}/restore")
    assert (first.status_code, first.json["kind"]) == (202, "project.undo")
    assert operator.post(f"/api/v1/projects/1/recoveries/{recovery}/restore").json["id"] == first.json["id"]


def test_a_recovery_of_another_project_is_not_found(
    operator: FlaskClient, recovery: int, make_project: Callable[..., int]
) -> None:
    other = make_project(1, "other")
    assert operator.post(f"/api/v1/projects/{other}/recoveries/{recovery}/restore").status_code == 404


def test_the_page_offers_what_can_give_way_and_the_way_back(
    person_of: Callable[[str], FlaskClient], recovery: int
) -> None:
    person = person_of("operator")
    page = person.get("/projects/1").text
    assert all(f'value="{strategy}"' in page for strategy in ("stash", "rebase", "backup"))
    assert 'href="/projects/1/recoveries"' in page
    assert f"/projects/1/recoveries/{recovery}/restore" in person.get("/projects/1/recoveries").text
    assert "can be undone too" in person.get(f"/projects/1/recoveries/{recovery}/restore").text
    assert person.post(f"/projects/1/recoveries/{recovery}/restore").status_code == 303
