"""The audit log searched: by what, whom, when and with which words, however many events there are."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import unit_of_work, utcnow
from app.models import Role
from app.schemas.base import MAX_ID
from app.services import event_search
from app.services.events import SYSTEM, Actor, event

Make = Callable[..., int]
ADA = Actor("ada", Role.ADMIN, "192.0.2.7")
START = utcnow() - timedelta(hours=10)


@pytest.fixture
def told(app: Flask) -> None:
    """One event an hour, the first ten hours ago."""
    rows = [
        event(ADA, "user.login", "user ada"),
        event(ADA, "user.login", "user ada", "refused"),
        event(ADA, "project.pull", "project shop (job 1)", "requested", node_name="web-1"),
        event(ADA, "project.pull", "project shop (job 1)", "FAILED", "git_unreachable", node_name="web-1"),
        event(SYSTEM, "project.clone", "project shop (job 2)", "SUCCEEDED", node_name="web-2"),
        event(SYSTEM, "node.status", "node web-1", "OFFLINE", "timeout"),
        event(SYSTEM, "schedule.create", "schedule each of project x of project shop", detail="100 % sure"),
    ]
    for hours, row in enumerate(rows):
        row.at = START + timedelta(hours=hours)
    with app.app_context(), unit_of_work() as session:
        session.add_all(rows)


def found(admin: FlaskClient, **query: Any) -> list[int]:
    answer = admin.get("/api/v1/events", query_string={"until": (START + timedelta(hours=9)).isoformat()} | query)
    assert answer.status_code == 200, answer.json
    return [row["id"] - first_id(admin) for row in answer.json]


def first_id(admin: FlaskClient) -> int:
    return int(admin.get("/api/v1/events?action=user.login").json[-1]["id"])


def at(hours: float) -> str:
    return (START + timedelta(hours=hours)).isoformat()


@pytest.mark.parametrize(
    ("query", "which"),
    [
        ({}, [6, 5, 4, 3, 2, 1, 0]),
        ({"action": "project.pull"}, [3, 2]),
        ({"action": "project"}, [4, 3, 2]),
        ({"action": "proj"}, []),
        ({"outcome": "FAILED"}, [3]),
        ({"trouble": "true"}, [5, 3, 1]),
        ({"trouble": "false", "actor": "ada"}, [3, 2, 1, 0]),
        ({"node": "web-1"}, [5, 3, 2]),
        ({"node": "web-1", "trouble": "true"}, [5, 3]),
        ({"project": "shop"}, [6, 4, 3, 2]),
        ({"project": "x"}, []),
        ({"search": "UNREACH"}, [3]),
        ({"search": "192.0.2.7", "action": "user.login"}, [1, 0]),
        ({"search": "100 %"}, [6]),
        ({"search": "1__ %"}, []),
        ({"since": at(2), "until": at(4)}, [4, 3, 2]),
        ({"since": at(2.5), "actor": "ada"}, [3]),
        ({"project": "shop", "node": "web-2", "actor": "bareboat", "search": "job"}, [4]),
    ],
)
def test_events_are_found(told: None, admin: FlaskClient, query: dict[str, str], which: list[int]) -> None:
    assert found(admin, **query) == which


@pytest.mark.parametrize("query", [{}, {"actor": "ada"}, {"search": "a"}])
def test_pages_follow_each_other_by_the_id_of_the_last_one(
    told: None, admin: FlaskClient, query: dict[str, str]
) -> None:
    whole, walked, before = found(admin, **query), list[int](), None
    for _ in range(20):
        more = {"before": before} if before else {}
        asked = query | {"page_size": 2, "until": at(9)} | more
        answer = admin.get("/api/v1/events", query_string=asked)
        walked += [row["id"] - first_id(admin) for row in answer.json]
        before = json.loads(answer.headers["X-Pagination"]).get("next_before")
        if before is None:
            break
    assert walked == whole


def test_a_search_looks_through_so_many_and_says_where_to_go_on(
    told: None, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_search, "LOOKED", 3)
    monkeypatch.setattr(event_search, "_FIRST_LOOK", 1)
    answer = admin.get("/api/v1/events", query_string={"search": "user ada", "until": at(9)})
    position = json.loads(answer.headers["X-Pagination"])
    assert (answer.json, position["total_is_exact"]) == ([], False)
    assert position["next_before"] - first_id(admin) == 4
    assert found(admin, search="user ada", before=position["next_before"]) == [1]
    assert found(admin, search="user ada", before=first_id(admin) + 2) == [1, 0]


def test_what_jobs_do_is_found_by_their_node(
    admin: FlaskClient, request_clone: Callable[..., tuple[int, int]], run_jobs: Callable[[], None]
) -> None:
    request_clone("shop")
    run_jobs()
    rows = admin.get("/api/v1/events?node=web-1&project=shop").json
    assert [row["action"] for row in rows] == ["project.clone"] * 2


def test_a_cancelled_job_is_found_by_node_and_project(
    admin: FlaskClient, request_clone: Callable[..., tuple[int, int]]
) -> None:
    _, job_id = request_clone("shop")
    assert admin.post(f"/api/v1/jobs/{job_id}/cancel").status_code == 202
    assert admin.get("/api/v1/events?action=job.cancel&node=web-1&project=shop").json[0]["subject"] == f"job {job_id}"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=yesterday", "since"),
        ("since=0001-01-01T00:00:00%2B14:00", "since"),
        ("until=9999-12-31T23:59:59-14:00", "until"),
        ("trouble=yes", "trouble"),
        ("before=0", "before"),
        ("action=", "action"),
        ("level=3", "level"),
    ],
)
def test_a_filter_that_cannot_be_read_is_named(admin: FlaskClient, query: str, field: str) -> None:
    answer = admin.get(f"/api/v1/events?{query}")
    assert answer.status_code == 422
    assert field in answer.json["errors"]


@pytest.mark.parametrize("path", ["events?before", "events/export?after"])
def test_an_id_that_no_event_can_have_is_refused(admin: FlaskClient, path: str) -> None:
    answer = admin.get(f"/api/v1/{path}={MAX_ID + 1}")
    assert (answer.status_code, list(answer.json["errors"])) == (422, [path.partition("?")[2]])


def test_an_event_that_is_gone_has_no_elders(told: None, admin: FlaskClient) -> None:
    assert admin.get(f"/api/v1/events?before={MAX_ID}").json != []
    assert admin.get("/api/v1/events?before=1&actor=ada").json == []
