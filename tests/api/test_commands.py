from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.commands.base import Command
from app.errors import ConnectionRefused
from app.jobs.queue import HeldQueue
from app.ssh.recording import RecordingNodes
from app.ssh.target import Target
from app.ssh.watch import Result

Make = Callable[..., int]
SHA = "0a1beaa3c9d1f0b5a2e4d6c8b7a9f8e7d6c5b4a3"
HEAD = f"{SHA}\0Mend the cart\0Ada\x002026-01-02T03:04:05+00:00\0".encode()
MOVED = "f" * 40


def is_git(target: Target, command: Command) -> bool:
    return bool(command.refusals)


def is_users(target: Target, command: Command) -> bool:
    return not command.refusals


@pytest.fixture
def path(make_node: Make, make_project: Make, recording_nodes: RecordingNodes) -> str:
    recording_nodes.answer(Result("exit", 0, HEAD), is_git)
    return f"/api/v1/projects/{make_project(make_node())}/commands"


def test_a_command_is_queued_run_and_its_log_told(
    operator: FlaskClient, path: str, recording_nodes: RecordingNodes, run_jobs: Callable[[], None]
) -> None:
    recording_nodes.answer(Result("exit", 0, b"1 passed\n"), is_users)
    asked = {"argv": ["pytest", "-q", "$(x)"], "cwd": "web", "env": {"CI": "1"}, "timeout_seconds": 60}
    answer = operator.post(path, json=asked)
    assert (answer.status_code, answer.json["kind"], answer.json["max_attempts"]) == (202, "project.command", 1)
    assert answer.headers["Location"] == f"/api/v1/jobs/{answer.json['id']}"
    run_jobs()
    job = operator.get(answer.headers["Location"]).json
    assert (job["state"], job["exit_status"], job["error"]) == ("SUCCEEDED", 0, None)
    ran = next(command for target, command in recording_nodes.runs if is_users(target, command))
    assert (ran.arguments[2:], dict(ran.environment), ran.timeout_seconds) == (
        ("pytest", "-q", "$(x)"),
        {"CI": "1"},
        60,
    )
    log = operator.get(f"{answer.headers['Location']}/log").text.splitlines()
    assert log[1:] == [f"at {SHA} Mend the cart", "in web: $ pytest -q '$(x)'", "1 passed"]


def test_a_failure_has_its_exit_status_and_leaves_the_project_active(
    operator: FlaskClient, path: str, recording_nodes: RecordingNodes, run_jobs: Callable[[], None]
) -> None:
    recording_nodes.answer(Result("exit", 3, b"1 failed"), is_users)
    job_id = operator.post(path, json={"argv": ["pytest"]}).json["id"]
    run_jobs()
    job = operator.get(f"/api/v1/jobs/{job_id}").json
    assert (job["state"], job["exit_status"], job["error"]["code"]) == ("FAILED", 3, "command_failed")
    assert "1 failed" in job["error"]["message"]
    assert operator.get(path.removesuffix("/commands")).json["status"] == "ACTIVE"


@pytest.mark.parametrize(("error", "status"), [(None, "ACTIVE"), ("tree_dirty", "ERROR")])
def test_a_command_neither_breaks_nor_mends_a_project(
    operator: FlaskClient,
    make_node: Make,
    make_project: Make,
    run_jobs: Callable[[], None],
    recording_nodes: RecordingNodes,
    error: str | None,
    status: str,
) -> None:
    recording_nodes.answer(Result("exit", 0, HEAD), is_git)
    path = f"/api/v1/projects/{make_project(make_node(), status=status, error_code=error)}"
    operator.post(f"{path}/commands", json={"argv": ["true"]})
    run_jobs()
    assert operator.get(path).json["status"] == status


@pytest.mark.parametrize("reason", ["output_limit", "path_escape", "folder_missing", "disk_full"])
def test_what_keeps_a_command_from_its_end_is_named_and_not_tried_again(
    operator: FlaskClient,
    path: str,
    recording_nodes: RecordingNodes,
    run_jobs: Callable[[], None],
    held_queue: HeldQueue,
    reason: str,
) -> None:
    recording_nodes.answer(Result(reason, None), is_users)
    job_id = operator.post(path, json={"argv": ["pytest"]}).json["id"]
    run_jobs()
    job = operator.get(f"/api/v1/jobs/{job_id}").json
    assert (job["state"], job["error"]["code"], job["attempt"]) == ("FAILED", reason, 1)
    assert held_queue.held == []


def test_a_command_for_a_commit_does_not_run_at_another(
    operator: FlaskClient, path: str, recording_nodes: RecordingNodes, run_jobs: Callable[[], None]
) -> None:
    job_id = operator.post(path, json={"argv": ["true"], "commit": MOVED}).json["id"]
    run_jobs()
    assert operator.get(f"/api/v1/jobs/{job_id}").json["error"]["code"] == "commit_moved"
    assert [command for target, command in recording_nodes.runs if is_users(target, command)] == []


def test_a_preview_is_what_would_run_and_runs_nothing(operator: FlaskClient, path: str, held_queue: HeldQueue) -> None:
    answer = operator.post(f"{path}/preview", json={"argv": ["git", "gc"], "cwd": "web", "env": {"A": "b"}})
    assert answer.status_code == 200
    shown = dict(answer.json)
    head = shown.pop("head")
    assert shown == {
        "argv": ["git", "gc"],
        "cwd": "web",
        "env": {"A": "b"},
        "timeout_seconds": 3600,
        "node": "web-1",
        "user": "deploy",
        "path": "/data/projects/shop/web",
        "why_unknown": None,
    }
    assert (head["sha"], head["subject"]) == (SHA, "Mend the cart")
    assert (operator.get("/api/v1/jobs").json, held_queue.held) == ([], [])


def test_a_preview_of_a_node_that_does_not_answer_says_so(
    operator: FlaskClient, path: str, recording_nodes: RecordingNodes
) -> None:
    recording_nodes.answer(ConnectionRefused())
    answer = operator.post(f"{path}/preview", json={"argv": ["true"]})
    assert (answer.status_code, answer.json["error"]) == (502, "refused")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"argv": []}, "argv"),
        ({"argv": "git gc"}, "argv"),
        ({"argv": ["x"] * 257}, "argv"),
        ({"argv": [""]}, "argv"),
        ({"argv": ["/bin/sh"]}, "argv"),
        ({"argv": ["cat", "/etc/passwd"]}, "argv"),
        ({"argv": ["cat", "a\0"]}, "argv"),
        ({"argv": ["cat", 1]}, "argv"),
        ({"cwd": "../x"}, "cwd"),
        ({"cwd": "/tmp"}, "cwd"),
        ({"env": {"PATH": "/tmp"}}, "env"),
        ({"env": {"LD_PRELOAD": "x"}}, "env"),
        ({"env": {"A": 1}}, "env"),
        ({"env": ["A=1"]}, "env"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": 3601}, "timeout_seconds"),
        ({"timeout_seconds": "60"}, "timeout_seconds"),
        ({"commit": "HEAD"}, "commit"),
        ({"shell": True}, "shell"),
    ],
)
@pytest.mark.parametrize("act", ["", "/preview"])
def test_a_wrong_value_is_422_before_anything_is_said(
    operator: FlaskClient, path: str, recording_nodes: RecordingNodes, values: dict[str, Any], field: str, act: str
) -> None:
    answer = operator.post(path + act, json={"argv": ["true"]} | values)
    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]
    assert (operator.get("/api/v1/jobs").json, recording_nodes.runs) == ([], [])


def test_a_program_that_is_not_allowed_is_403(app: Flask, operator: FlaskClient, path: str) -> None:
    app.config["ALLOWED_COMMANDS"] = ["git"]
    answer = operator.post(path, json={"argv": ["sh"]})
    assert (answer.status_code, answer.json["error"], list(answer.json["errors"])) == (
        403,
        "command_not_allowed",
        ["argv"],
    )
    assert operator.post(path, json={"argv": ["git"]}).status_code == 202


def test_the_same_command_twice_is_one_job_and_another_is_in_the_way(operator: FlaskClient, path: str) -> None:
    first, same, other = (operator.post(path, json={"argv": [word]}) for word in ("a", "a", "b"))
    assert (same.status_code, same.json["id"]) == (202, first.json["id"])
    assert (other.status_code, other.json["error"]) == (409, "project_busy")


def test_only_what_is_on_its_node_runs_commands(
    operator: FlaskClient, request_clone: Callable[..., tuple[int, int]]
) -> None:
    project_id, _ = request_clone()
    answer = operator.post(f"/api/v1/projects/{project_id}/commands", json={"argv": ["true"]})
    assert (answer.status_code, answer.json["error"]) == (409, "wrong_state")


def test_viewers_run_nothing(viewer: FlaskClient, path: str) -> None:
    assert viewer.post(path, json={"argv": ["true"]}).status_code == 403
    assert viewer.post(f"{path}/preview", json={"argv": ["true"]}).status_code == 403
