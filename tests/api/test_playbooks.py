from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

Make = Callable[..., int]
PATH = "/api/v1/playbooks"
DEPLOY = """
description: Deploys.
inputs:
  ref: {type: string, required: true, pattern: "[a-z]+"}
  times: {type: integer, default: 2}
  hard: {type: boolean, default: false}
  where: {type: choice, choices: [here, there], default: here}
steps:
  - {name: go, run: [deploy, {input: ref}, {input: times}, {input: hard}, {input: where}, {project: path}]}
"""
LOOK = "description: Looks.\non: node\nsteps:\n  - {name: look, run: [ls, {node: projects_root}]}\n"


@pytest.fixture(autouse=True)
def folder(app: Flask, tmp_path: Path) -> Path:
    app.config["PLAYBOOKS_DIR"] = str(tmp_path)
    (tmp_path / "deploy.yml").write_text(DEPLOY)
    (tmp_path / "look.yml").write_text(LOOK)
    (tmp_path / "broken.yml").write_text("description: d\nsteps: []\n")
    return tmp_path


@pytest.fixture
def node_id(make_node: Make) -> int:
    return make_node()


@pytest.fixture
def project_id(make_project: Make, node_id: int) -> int:
    return make_project(node_id)


def test_playbooks_are_listed_the_broken_with_their_error(viewer: FlaskClient) -> None:
    broken, deploy, look = viewer.get(PATH).json
    assert broken == {
        "name": "broken",
        "description": None,
        "on": None,
        "error": "broken.yml:2: steps: write 1 to 50 steps",
    }
    assert (deploy["name"], deploy["on"], deploy["error"]) == ("deploy", "project", None)
    assert (look["name"], look["on"]) == ("look", "node")


def test_one_is_shown_with_inputs_and_steps(viewer: FlaskClient) -> None:
    shown = viewer.get(f"{PATH}/deploy").json
    assert list(shown["inputs"]) == ["ref", "times", "hard", "where"]
    assert shown["steps"][0]["run"][1] == {"input": "ref"}
    assert viewer.get(f"{PATH}/broken").json["error"] == "playbook_invalid"
    for name in ("none", "..%2Fconfig", "deploy.yml"):
        assert viewer.get(f"{PATH}/{name}").status_code == 404


def test_a_playbook_is_run_on_projects(operator: FlaskClient, project_id: int, folder: Path) -> None:
    answer = operator.post(f"{PATH}/deploy/runs", json={"project_ids": [project_id], "inputs": {"ref": "main"}})
    assert (answer.status_code, answer.json["kind"], answer.json["recap"]["running"]) == (202, "project.playbook", 1)
    (step,) = answer.json["params"]["steps"]
    assert step["argv"] == ["deploy", "main", "2", "false", "here", {"project": "path"}]
    (folder / "deploy.yml").unlink()
    (member,) = operator.get(f"{answer.headers['Location']}/members").json
    job = operator.get(f"/api/v1/jobs/{member['job_id']}").json
    assert (job["kind"], job["max_attempts"]) == ("project.playbook", 1)


def test_a_playbook_on_nodes_is_for_admins(operator: FlaskClient, admin: FlaskClient, node_id: int) -> None:
    assert operator.post(f"{PATH}/look/runs", json={"node_ids": [node_id]}).status_code == 403
    run = {"kind": "node.playbook", "params": {"name": "look"}, "node_ids": [node_id]}
    assert operator.post("/api/v1/runs", json=run).status_code == 403
    answer = admin.post(f"{PATH}/look/runs", json={"node_ids": [node_id]})
    assert (answer.status_code, answer.json["kind"]) == (202, "node.playbook")


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ({}, "ref"),
        ({"ref": "Main"}, "ref"),
        ({"ref": 1}, "ref"),
        ({"ref": "a", "times": "2"}, "times"),
        ({"ref": "a", "times": True}, "times"),
        ({"ref": "a", "hard": "yes"}, "hard"),
        ({"ref": "a", "where": "nowhere"}, "where"),
        ({"ref": "a", "shell": "sh"}, "shell"),
    ],
)
def test_a_wrong_input_is_422_by_name(
    operator: FlaskClient, project_id: int, inputs: dict[str, Any], field: str
) -> None:
    answer = operator.post(f"{PATH}/deploy/runs", json={"project_ids": [project_id], "inputs": inputs})
    assert (answer.status_code, list(answer.json["errors"]["inputs"])) == (422, [field])
    assert operator.get("/api/v1/jobs").json == []


def test_a_playbook_is_for_its_own_kind_of_members(
    operator: FlaskClient, admin: FlaskClient, project_id: int, node_id: int
) -> None:
    wrong = operator.post(f"{PATH}/deploy/runs", json={"node_ids": [node_id], "inputs": {"ref": "a"}})
    assert (wrong.status_code, list(wrong.json["errors"])) == (422, ["project_ids"])
    run = {"kind": "project.playbook", "params": {"name": "look"}, "project_ids": [project_id]}
    assert admin.post("/api/v1/runs", json=run).status_code == 422


def test_steps_are_never_taken_from_a_request(operator: FlaskClient, project_id: int) -> None:
    params = {"name": "deploy", "inputs": {"ref": "a"}, "steps": []}
    run = {"kind": "project.playbook", "params": params, "project_ids": [project_id]}
    assert list(operator.post("/api/v1/runs", json=run).json["errors"]) == ["params"]


def test_the_rules_of_commands_hold_for_every_step(
    app: Flask, operator: FlaskClient, project_id: int, folder: Path
) -> None:
    (folder / "out.yml").write_text("description: d\nsteps:\n  - {name: a, run: [cat, /etc/passwd]}\n")
    where = operator.post(f"{PATH}/out/runs", json={"project_ids": [project_id]}).headers["Location"]
    (member,) = operator.get(f"{where}/members").json
    assert (member["state"], member["error"]["code"]) == ("failed", "path_unsafe")
    assert "Step 1 (a)" in member["error"]["message"]
    app.config["ALLOWED_COMMANDS"] = ["true"]
    body = {"project_ids": [project_id], "inputs": {"ref": "a"}}
    where = operator.post(f"{PATH}/deploy/runs", json=body).headers["Location"]
    (member,) = operator.get(f"{where}/members").json
    assert member["error"]["code"] == "command_not_allowed"


def test_a_playbook_is_scheduled(operator: FlaskClient, project_id: int) -> None:
    values = {"name": "n", "project_id": project_id, "cron": "0 4 * * *", "kind": "project.playbook"}
    made = operator.post("/api/v1/schedules", json=values | {"params": {"name": "deploy", "inputs": {"ref": "a"}}})
    assert made.json["params"]["inputs"] == {"ref": "a", "times": 2, "hard": False, "where": "here"}
    assert operator.post(f"{made.headers['Location']}/run-now").json["kind"] == "project.playbook"
    for params in ({}, {"name": "none"}, {"name": "deploy"}):
        answer = operator.post("/api/v1/schedules", json=values | {"name": "o", "params": params})
        assert (answer.status_code, "params" in answer.json["errors"]) == (422, True), params
    assert answer.json["errors"]["inputs"] == {"ref": ["This input is required."]}


def test_a_playbook_on_nodes_is_scheduled_by_nobody(operator: FlaskClient, admin: FlaskClient, project_id: int) -> None:
    values = {"name": "n", "project_id": project_id, "cron": "0 4 * * *", "kind": "project.playbook"}
    for client in (operator, admin):
        answer = client.post("/api/v1/schedules", json=values | {"params": {"name": "look"}})
        assert answer.status_code == 422
        assert answer.json["errors"]["params"] == ["The playbook look is for nodes; choose one for projects."]
    answer = admin.post("/api/v1/schedules", json=values | {"kind": "node.playbook", "params": {"name": "look"}})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["kind"])


def test_a_playbook_whose_steps_may_not_run_is_not_scheduled(
    app: Flask, operator: FlaskClient, project_id: int, folder: Path
) -> None:
    (folder / "out.yml").write_text("description: d\nsteps:\n  - {name: a, run: [cat, /etc/passwd]}\n")
    values = {"name": "n", "project_id": project_id, "cron": "0 4 * * *", "kind": "project.playbook"}
    answer = operator.post("/api/v1/schedules", json=values | {"params": {"name": "out"}})
    assert (answer.status_code, "Step 1 (a)" in answer.json["errors"]["params"][0]) == (422, True)
    app.config["ALLOWED_COMMANDS"] = ["true"]
    params = {"name": "deploy", "inputs": {"ref": "a"}}
    assert operator.post("/api/v1/schedules", json=values | {"params": params}).json["error"] == "command_not_allowed"
