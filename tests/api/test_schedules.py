from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import unit_of_work
from app.jobs.queue import HeldQueue
from app.models import Node, NodeStatus, Schedule
from app.services import schedule_runs

Make = Callable[..., int]
PATH = "/api/v1/schedules"
FIELDS = [
    "id",
    "name",
    "project_id",
    "kind",
    "params",
    "cron",
    "timezone",
    "enabled",
    "overlap",
    "catch_up",
    "next_run_at",
    "last_run_at",
    "last_outcome",
    "last_job_id",
    "last_error",
    "created_by",
    "created_at",
]


@pytest.fixture
def project_id(make_node: Make, make_project: Make) -> int:
    return make_project(make_node())


@pytest.fixture
def schedule_id(operator: FlaskClient, project_id: int) -> int:
    answer = operator.post(PATH, json={"name": "nightly", "project_id": project_id, "cron": "30 4 * * *"})
    assert answer.json is not None
    return int(answer.json["id"])


def test_a_schedule_is_made_with_its_defaults(operator: FlaskClient, project_id: int) -> None:
    answer = operator.post(PATH, json={"name": "nightly", "project_id": project_id, "cron": "30 4 * * *"})
    assert (answer.status_code, list(answer.json)) == (201, FIELDS)
    assert answer.headers["Location"] == f"{PATH}/{answer.json['id']}"
    given = {"kind": "project.pull", "params": {"strategy": "ff-only"}, "timezone": "UTC", "enabled": True}
    assert given.items() <= answer.json.items()
    assert (answer.json["overlap"], answer.json["catch_up"], answer.json["created_by"]) == ("skip", "once", "operator")
    assert answer.json["next_run_at"].endswith("T04:30:00+00:00")
    assert operator.get(answer.headers["Location"]).json == answer.json


def test_all_fields_may_be_given(operator: FlaskClient, project_id: int) -> None:
    values = {
        "name": "Shop at noon",
        "project_id": project_id,
        "kind": "project.pull",
        "params": {"strategy": "reset"},
        "cron": "0 12 * * mon-fri",
        "timezone": "Europe/Berlin",
        "enabled": False,
        "overlap": "queue",
        "catch_up": "skip",
    }
    answer = operator.post(PATH, json=values)
    assert answer.status_code == 201
    assert values.items() <= answer.json.items()
    assert answer.json["next_run_at"] is None


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "x\ny"}, "name"),
        ({"name": ""}, "name"),
        ({"project_id": 77}, "project_id"),
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"kind": "project.delete"}, "kind"),
        ({"params": {"strategy": "x"}}, "params"),
        ({"overlap": "pause"}, "overlap"),
        ({"catch_up": "all"}, "catch_up"),
        ({"enabled": "yes"}, "enabled"),
        ({"next_run_at": "2027-01-01T00:00:00Z"}, "next_run_at"),
    ],
)
def test_a_wrong_value_is_422_by_field(
    operator: FlaskClient, project_id: int, values: dict[str, Any], field: str
) -> None:
    answer = operator.post(PATH, json={"name": "n", "project_id": project_id, "cron": "0 0 * * *"} | values)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])
    assert operator.get(PATH).json == []


COMMAND = {"kind": "project.command", "params": {"argv": ["make", "$(reboot)"], "timeout_seconds": 60}}


def test_a_command_is_scheduled_and_run_as_it_was_given(operator: FlaskClient, project_id: int) -> None:
    values = {"name": "make", "project_id": project_id, "cron": "0 4 * * *"} | COMMAND
    made = operator.post(PATH, json=values)
    assert values.items() <= made.json.items()
    job = operator.post(f"{made.headers['Location']}/run-now").json
    assert job["kind"] == "project.command"


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"strategy": "reset"},
        {"argv": []},
        {"argv": "make"},
        {"argv": [1]},
        {"argv": ["a\0b"]},
        {"argv": ["../x"]},
        {"argv": ["make"], "shell": True},
        {"argv": ["make"], "env": {"LD_PRELOAD": "x"}},
        {"argv": ["make"], "timeout_seconds": 0},
    ],
)
def test_a_wrong_command_is_422(operator: FlaskClient, project_id: int, params: dict[str, Any]) -> None:
    values = {"name": "make", "project_id": project_id, "cron": "0 4 * * *"} | COMMAND
    answer = operator.post(PATH, json=values | {"params": params})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["params"])
    schedule_id = operator.post(PATH, json=values).json["id"]
    assert operator.patch(f"{PATH}/{schedule_id}", json={"params": params}).status_code == 422


def test_a_program_that_is_not_allowed_is_403(app: Flask, operator: FlaskClient, project_id: int) -> None:
    app.config["ALLOWED_COMMANDS"] = ["true"]
    answer = operator.post(PATH, json={"name": "make", "project_id": project_id, "cron": "0 4 * * *"} | COMMAND)
    assert (answer.status_code, answer.json["error"]) == (403, "command_not_allowed")


def test_a_name_is_taken_once(operator: FlaskClient, project_id: int, schedule_id: int) -> None:
    other = {"name": "nightly", "project_id": project_id, "cron": "0 0 * * *"}
    answer = operator.post(PATH, json=other)
    assert (answer.status_code, answer.json["error"]) == (409, "name_taken")
    operator.post(PATH, json=other | {"name": "second"})
    assert operator.patch(f"{PATH}/{schedule_id}", json={"name": "second"}).status_code == 409


def test_a_schedule_is_turned_off_and_on(operator: FlaskClient, schedule_id: int) -> None:
    off = operator.patch(f"{PATH}/{schedule_id}", json={"enabled": False}).json
    assert (off["enabled"], off["next_run_at"]) == (False, None)
    on = operator.patch(f"{PATH}/{schedule_id}", json={"enabled": True}).json
    assert on["next_run_at"].endswith("T04:30:00+00:00")


@pytest.mark.parametrize(
    "values", [{}, {"cron": "x"}, {"timezone": "x"}, {"params": {"x": 1}}, {"project_id": 1}, {"kind": "project.pull"}]
)
def test_a_wrong_change_is_422(operator: FlaskClient, schedule_id: int, values: dict[str, Any]) -> None:
    assert operator.patch(f"{PATH}/{schedule_id}", json=values).status_code == 422


def test_a_deleted_schedule_is_gone(operator: FlaskClient, schedule_id: int) -> None:
    assert operator.delete(f"{PATH}/{schedule_id}").status_code == 204
    assert operator.get(f"{PATH}/{schedule_id}").status_code == 404


def test_run_now_answers_the_job(operator: FlaskClient, schedule_id: int, held_queue: HeldQueue) -> None:
    answer = operator.post(f"{PATH}/{schedule_id}/run-now")
    assert (answer.status_code, answer.json["kind"], answer.json["requested_by"]) == (202, "project.pull", "operator")
    assert answer.headers["Location"] == f"/api/v1/jobs/{answer.json['id']}"
    assert held_queue.held == [answer.json["id"]]
    (run,) = operator.get(f"{PATH}/{schedule_id}/runs").json
    assert (run["outcome"], run["job_id"]) == ("queued", answer.json["id"])


def test_run_now_is_refused_as_the_pull_itself(app: Flask, operator: FlaskClient, schedule_id: int) -> None:
    with app.app_context(), unit_of_work() as session:
        session.query(Node).one().status = NodeStatus.OFFLINE
    answer = operator.post(f"{PATH}/{schedule_id}/run-now")
    assert (answer.status_code, answer.json["error"]) == (409, "node_offline")


def test_what_came_due_is_told_with_its_outcome(app: Flask, operator: FlaskClient, schedule_id: int) -> None:
    with app.app_context():
        with unit_of_work() as session:
            session.query(Node).one().status = NodeStatus.OFFLINE
            schedule = session.get_one(Schedule, schedule_id)
            schedule.next_run_at = schedule.created_at
        schedule_runs.run_due_schedules()
    shown = operator.get(f"{PATH}/{schedule_id}").json
    assert (shown["last_outcome"], shown["last_error"]["code"], shown["last_job_id"]) == (
        "refused",
        "node_offline",
        None,
    )
    (run,) = operator.get(f"{PATH}/{schedule_id}/runs").json
    assert (run["outcome"], run["error"]["code"], run["due_at"]) == ("refused", "node_offline", shown["created_at"])


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["nightly", "off"]),
        ("?enabled=false", ["off"]),
        ("?sort=-name", ["off", "nightly"]),
        ("?page=2&page_size=1", ["off"]),
        ("?project_id=99", []),
    ],
)
def test_schedules_are_filtered_sorted_and_paged(
    operator: FlaskClient, project_id: int, schedule_id: int, query: str, names: list[str]
) -> None:
    operator.post(PATH, json={"name": "off", "project_id": project_id, "cron": "0 0 * * *", "enabled": False})
    assert [row["name"] for row in operator.get(f"{PATH}{query}").json] == names


def test_each_act_is_noted(operator: FlaskClient, admin: FlaskClient, schedule_id: int) -> None:
    operator.patch(f"{PATH}/{schedule_id}", json={"enabled": False})
    operator.delete(f"{PATH}/{schedule_id}")
    noted = [row["action"] for row in admin.get("/api/v1/events").json if row["action"].startswith("schedule.")]
    assert noted == ["schedule.delete", "schedule.update", "schedule.create"]
