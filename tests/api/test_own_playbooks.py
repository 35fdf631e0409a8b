from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.errors import ConnectTimeout
from app.ssh.recording import RecordingNodes
from app.ssh.watch import Result

Make = Callable[..., int]
DEPLOY = b"""
description: Deploys.
inputs:
  ref: {type: string, required: true}
steps:
  - {name: go, run: [deploy, {input: ref}, {project: path}]}
"""
BROKEN = b"description: d\nsteps: []\n"


def told(**files: bytes) -> Result:
    """As the node's program answers."""
    return Result("exit", 0, b"".join(f"{name}.yml\0file\0".encode() + text + b"\0" for name, text in files.items()))


@pytest.fixture
def path(make_node: Make, make_project: Make) -> str:
    return f"/api/v1/projects/{make_project(make_node())}"


@pytest.fixture
def allowed(path: str, admin: FlaskClient) -> str:
    assert admin.patch(path, json={"allow_own_playbooks": True}).json["allow_own_playbooks"] is True
    return path


def test_only_admins_allow_them_and_it_is_noted(
    path: str, operator: FlaskClient, admin: FlaskClient, recording_nodes: RecordingNodes
) -> None:
    refused = operator.patch(path, json={"allow_own_playbooks": True})
    assert (refused.status_code, refused.json["error"]) == (403, "forbidden")
    assert operator.get(path).json["allow_own_playbooks"] is False
    for method, where in ((operator.get, ""), (operator.get, "/deploy"), (operator.post, "/deploy/runs")):
        answer = method(f"{path}/playbooks{where}")
        assert (answer.status_code, answer.json["error"]) == (409, "wrong_state")
        assert "an admin allows it on the project's page" in answer.json["message"]
    assert recording_nodes.runs == []
    assert admin.patch(path, json={"allow_own_playbooks": True}).status_code == 200
    (event,) = (event for event in admin.get("/api/v1/events").json if event["action"] == "project.update")
    assert "allow_own_playbooks" in event["detail"]


def test_they_are_listed_shown_and_run(
    allowed: str, viewer: FlaskClient, operator: FlaskClient, recording_nodes: RecordingNodes
) -> None:
    recording_nodes.answer(told(deploy=DEPLOY, broken=BROKEN))
    broken, deploy = viewer.get(f"{allowed}/playbooks").json
    assert broken["error"] == ".bareboat/broken.yml:2: steps: write 1 to 50 steps"
    assert (deploy["name"], deploy["description"], deploy["error"]) == ("deploy", "Deploys.", None)
    recording_nodes.answer(told(deploy=DEPLOY.replace(b"Deploys.", b'"\\e[31mDeploys."')))
    assert viewer.get(f"{allowed}/playbooks/deploy").json["description"] == "\\x1b[31mDeploys."
    recording_nodes.answer(told(deploy=DEPLOY))
    assert list(viewer.get(f"{allowed}/playbooks/deploy").json["inputs"]) == ["ref"]
    assert viewer.post(f"{allowed}/playbooks/deploy/runs", json={"inputs": {"ref": "a"}}).status_code == 403
    answer = operator.post(f"{allowed}/playbooks/deploy/runs", json={"inputs": {"ref": "; rm -rf ."}})
    assert (answer.status_code, answer.json["kind"], answer.json["size"]) == (202, "project.playbook", 1)
    assert answer.json["params"]["steps"][0]["argv"] == ["deploy", "; rm -rf .", {"project": "path"}]
    (member,) = operator.get(f"{answer.headers['Location']}/members").json
    assert member["state"] == "running"


@pytest.mark.parametrize(
    ("name", "answer", "inputs", "status"),
    [
        ("deploy", told(deploy=DEPLOY), {}, 422),
        ("deploy", told(deploy=DEPLOY), {"ref": "a", "sh": "b"}, 422),
        ("broken", told(broken=BROKEN), {}, 422),
        ("none", told(), {}, 404),
        ("none", Result("folder_missing"), {}, 404),
        ("..", told(deploy=DEPLOY), {}, 404),
        ("deploy", Result("path_escape"), {}, 502),
        ("deploy", Result("exit", 0, b"nonsense"), {}, 422),
        ("deploy", ConnectTimeout(), {}, 504),
    ],
)
def test_what_cannot_be_run_is_refused_and_nothing_is_stored(
    allowed: str, operator: FlaskClient, recording_nodes: RecordingNodes,
    name: str, answer: Any, inputs: dict[str, Any], status: int,
) -> None:  # fmt: skip
    recording_nodes.answer(answer)
    assert operator.post(f"{allowed}/playbooks/{name}/runs", json={"inputs": inputs}).status_code == status
    assert operator.get("/api/v1/runs").json == operator.get("/api/v1/jobs").json == []


@pytest.mark.parametrize("owner", ["1", True, None, -1, 2**31, 2**70, [], 99])
def test_an_owner_that_is_none_is_refused(path: str, operator: FlaskClient, owner: Any) -> None:
    params = {"name": "deploy", "project_id": owner, "inputs": {}}
    run = {"kind": "project.playbook", "params": params, "project_ids": [1]}
    assert operator.post("/api/v1/runs", json=run).status_code == (404 if owner == 99 else 422)


SCHEDULE = {"name": "n", "project_id": 1, "cron": "0 4 * * *", "kind": "project.playbook"}
SCHEDULED = {"name": "deploy", "project_id": 1, "inputs": {"ref": "main"}}


def test_one_is_scheduled_as_it_is_judged_now_and_its_job_comes_without_steps(
    allowed: str, operator: FlaskClient, recording_nodes: RecordingNodes
) -> None:
    recording_nodes.answer(told(deploy=DEPLOY))
    made = operator.post("/api/v1/schedules", json=SCHEDULE | {"params": SCHEDULED})
    assert (made.status_code, made.json["params"]) == (201, SCHEDULED)
    asked = len(recording_nodes.runs)
    job = operator.post("/api/v1/schedules/1/run-now")
    assert (job.status_code, job.json["kind"], len(recording_nodes.runs)) == (202, "project.playbook", asked)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"inputs": {}}, 422),
        ({"inputs": {"ref": "x", "more": 1}}, 422),
        ({"inputs": [1]}, 422),
        ({"name": "broken"}, 422),
        ({"name": "none"}, 422),
        ({"name": "../deploy"}, 422),
        ({"name": 7}, 422),
        ({"project_id": 2}, 422),
        ({"project_id": None}, 422),
        ({"steps": []}, 422),
    ],
)
def test_a_schedule_that_could_not_run_is_refused_and_not_stored(
    allowed: str, operator: FlaskClient, recording_nodes: RecordingNodes, change: dict[str, Any], status: int
) -> None:
    name = change.get("name", "deploy")
    recording_nodes.answer(
        told(**({name: BROKEN if name == "broken" else DEPLOY} if name in ("deploy", "broken") else {}))
    )
    answer = operator.post("/api/v1/schedules", json=SCHEDULE | {"params": SCHEDULED | change})
    assert (answer.status_code, "params" in answer.json["errors"]) == (status, True)
    assert operator.get("/api/v1/schedules").json == []


def test_where_they_are_not_allowed_none_is_scheduled_and_none_is_asked_for(
    allowed: str, admin: FlaskClient, operator: FlaskClient, recording_nodes: RecordingNodes
) -> None:
    recording_nodes.answer(told(deploy=DEPLOY))
    assert operator.post("/api/v1/schedules", json=SCHEDULE | {"params": SCHEDULED}).status_code == 201
    admin.patch(allowed, json={"allow_own_playbooks": False})
    for answer in (
        operator.post("/api/v1/schedules/1/run-now"),
        operator.post("/api/v1/schedules", json=SCHEDULE | {"name": "m", "params": SCHEDULED}),
    ):
        assert (answer.status_code, answer.json["error"]) == (409, "wrong_state")
