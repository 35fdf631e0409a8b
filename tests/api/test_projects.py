from collections.abc import Callable
from threading import BoundedSemaphore
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pytest_mock import MockerFixture

from app.errors import ConnectionRefused
from app.jobs.queue import HeldQueue
from app.services.worker_client import WorkerClient
from app.ssh.recording import RecordingNodes
from tests.support.application import GIT_URL

Make = Callable[..., int]
FIELDS = [
    "id",
    "name",
    "git_url",
    "branch",
    "node_id",
    "path",
    "status",
    "error",
    "head",
    "last_synced_at",
    "created_at",
    "git_credential_id",
]
PATH = "/api/v1/projects"


def clone(node_id: int, **values: Any) -> dict[str, Any]:
    return {"name": "shop", "git_url": GIT_URL, "node_id": node_id} | values


def test_a_clone_is_queued_and_followed(operator: FlaskClient, make_node: Make, held_queue: HeldQueue) -> None:
    answer = operator.post(f"{PATH}/clone", json=clone(make_node(), branch="main", depth=1, submodules=True))
    assert answer.status_code == 202
    assert (answer.json["kind"], answer.json["state"]) == ("project.clone", "QUEUED")
    assert answer.headers["Location"] == f"/api/v1/jobs/{answer.json['id']}"
    assert held_queue.held == [answer.json["id"]]
    project = operator.get(f"{PATH}/{answer.json['project_id']}").json
    assert set(FIELDS) <= set(project)
    assert (project["status"], project["path"], project["branch"]) == ("PENDING", "/data/projects/shop", "main")


def test_the_same_clone_asked_for_twice_is_one_job(operator: FlaskClient, make_node: Make) -> None:
    values = clone(make_node())
    first, second = (operator.post(f"{PATH}/clone", json=values) for _ in range(2))
    assert (second.status_code, second.json["id"]) == (202, first.json["id"])


@pytest.mark.parametrize("name", ["SHOP", "Shop"])
def test_a_name_is_unique_on_a_node_in_any_case(operator: FlaskClient, make_node: Make, name: str) -> None:
    node_id = make_node()
    operator.post(f"{PATH}/clone", json=clone(node_id))
    answer = operator.post(f"{PATH}/clone", json=clone(node_id, name=name))
    assert (answer.status_code, answer.json["error"]) == (409, "name_taken")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"status": "OFFLINE"}, "node_offline"),
        ({"pinned": False}, "host_key_unpinned"),
        ({"cordoned": True}, "node_cordoned"),
        ({"ssh_key_id": None}, "key_missing"),
    ],
)
def test_a_node_that_is_not_ready_is_409_and_nothing_is_stored(
    operator: FlaskClient, make_node: Make, held_queue: HeldQueue, fields: dict[str, Any], error: str
) -> None:
    answer = operator.post(f"{PATH}/clone", json=clone(make_node(**fields)))
    assert (answer.status_code, answer.json["error"]) == (409, error)
    assert (operator.get(PATH).json, operator.get("/api/v1/jobs").json, held_queue.held) == ([], [], [])


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"node_id": 77}, "node_id"),
        ({"node_id": "1"}, "node_id"),
        ({"node_id": 2**63}, "node_id"),
        ({"name": "../x"}, "name"),
        ({"name": "-rf"}, "name"),
        ({"name": "x\0"}, "name"),
        ({"name": "a.git"}, "name"),
        ({"git_url": "http://git.example.com/x.git"}, "git_url"),
        ({"git_url": "https://127.0.0.1/x.git"}, "git_url"),
        ({"git_url": "https://169.254.169.254/x"}, "git_url"),
        ({"git_url": "https://u:p@git.example.com/x"}, "git_url"),
        ({"git_url": "ext::sh -c id"}, "git_url"),
        ({"branch": "--upload-pack=id"}, "branch"),
        ({"branch": "a\nb"}, "branch"),
        ({"depth": 0}, "depth"),
        ({"submodules": "yes"}, "submodules"),
        ({"status": "ACTIVE"}, "status"),
    ],
)
def test_a_wrong_value_is_422_before_anything_is_said(
    operator: FlaskClient, make_node: Make, recording_nodes: RecordingNodes, values: dict[str, Any], field: str
) -> None:
    answer = operator.post(f"{PATH}/clone", json=clone(make_node()) | values)
    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]
    assert (operator.get(PATH).json, recording_nodes.runs) == ([], [])


@pytest.mark.parametrize(
    ("act", "body", "kind"),
    [
        ("pull", None, "project.pull"),
        ("pull", {"strategy": "reset"}, "project.pull"),
        ("checkout", {"ref": "v1.2.0"}, "project.checkout"),
    ],
)
def test_an_act_is_queued(
    operator: FlaskClient, make_node: Make, make_project: Make, act: str, body: Any, kind: str
) -> None:
    project_id = make_project(make_node())
    answer = operator.post(f"{PATH}/{project_id}/{act}", **({"json": body} if body else {}))
    assert (answer.status_code, answer.json["kind"], answer.json["project_id"]) == (202, kind, project_id)
    assert answer.headers["Location"] == f"/api/v1/jobs/{answer.json['id']}"


@pytest.mark.parametrize("query", ["", "?force=true", "?force=false"])
def test_a_delete_is_queued(operator: FlaskClient, make_node: Make, make_project: Make, query: str) -> None:
    project_id = make_project(make_node())
    answer = operator.delete(f"{PATH}/{project_id}{query}")
    assert (answer.status_code, answer.json["kind"]) == (202, "project.delete")
    assert operator.get(f"{PATH}/{project_id}").json["status"] == "DELETING"


@pytest.mark.parametrize("query", ["?force=1", "?force=", "?nix=true", "?force=True"])
def test_a_delete_is_forced_by_true_only(
    operator: FlaskClient, make_node: Make, make_project: Make, query: str
) -> None:
    assert operator.delete(f"{PATH}/{make_project(make_node())}{query}").status_code == 422


@pytest.mark.parametrize(
    ("act", "body", "field"),
    [
        ("pull", {"strategy": "octopus"}, "strategy"),
        ("pull", {"force": True}, "force"),
        ("checkout", {}, "ref"),
        ("checkout", {"ref": "--force"}, "ref"),
        ("checkout", {"ref": "x" * 300}, "ref"),
    ],
)
def test_a_wrong_act_is_422(
    operator: FlaskClient, make_node: Make, make_project: Make, act: str, body: Any, field: str
) -> None:
    answer = operator.post(f"{PATH}/{make_project(make_node())}/{act}", json=body)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])


def test_another_act_on_a_busy_project_names_the_job_in_the_way(
    operator: FlaskClient, make_node: Make, make_project: Make
) -> None:
    project_id = make_project(make_node())
    job = operator.post(f"{PATH}/{project_id}/pull").json
    answer = operator.post(f"{PATH}/{project_id}/checkout", json={"ref": "v1"})
    assert (answer.status_code, answer.json["error"]) == (409, "project_busy")
    assert answer.json["errors"]["job"]["id"] == job["id"]


@pytest.mark.parametrize("act", ["pull", "checkout", "status"])
def test_what_is_not_cloned_yet_is_409(operator: FlaskClient, request_clone: Any, act: str) -> None:
    project_id, _ = request_clone()
    how: dict[str, Any] = {"pull": {}, "checkout": {"json": {"ref": "v1"}}}.get(act, {})
    answer = operator.open(f"{PATH}/{project_id}/{act}", method="GET" if act == "status" else "POST", **how)
    assert (answer.status_code, answer.json["error"]) == (409, "wrong_state")


def test_a_failed_clone_may_be_mended(
    operator: FlaskClient,
    request_clone: Any,
    run_jobs: Callable[[], None],
    recording_nodes: RecordingNodes,
) -> None:
    project_id, job_id = request_clone()
    recording_nodes.answer(ConnectionRefused("Node web-1 refuses connections."))
    run_jobs()
    failed = operator.get(f"{PATH}/{project_id}").json
    assert (failed["status"], failed["error"]["code"]) == ("ERROR", "refused")
    answer = operator.patch(f"{PATH}/{project_id}", json={"git_url": "https://git.example.com/new.git", "branch": None})
    assert (answer.status_code, answer.json["git_url"]) == (200, "https://git.example.com/new.git")
    assert operator.post(f"/api/v1/jobs/{job_id}/retry").status_code == 202


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"branch": "main"}, 409),
        ({}, 422),
        ({"name": "x"}, 422),
        ({"git_url": "file:///x"}, 422),
        ({"git_url": None}, 422),
    ],
)
def test_a_project_on_its_node_is_not_edited(
    operator: FlaskClient, make_node: Make, make_project: Make, values: dict[str, Any], status: int
) -> None:
    assert operator.patch(f"{PATH}/{make_project(make_node())}", json=values).status_code == status


def test_the_working_tree_is_shown(viewer: FlaskClient, make_node: Make, make_project: Make, mocker: Any) -> None:
    from app.commands.gitstatus import Change, Head, ProjectStatus

    head = Head("a" * 40, "{{7*7}} <b>", "Ada", None)
    tree = ProjectStatus("main", False, head, "origin/main", 1, 2, True, (Change("a\nb", "modified"),), False)
    mocker.patch.object(WorkerClient, "project_status", return_value=tree)
    answer = viewer.get(f"{PATH}/{make_project(make_node())}/status")
    assert answer.status_code == 200
    assert answer.json == {
        "branch": "main",
        "head": {"sha": "a" * 40, "subject": "{{7*7}} <b>", "author": "Ada", "committed_at": None},
        "upstream": "origin/main",
        "ahead": 1,
        "behind": 2,
        "dirty": True,
        "changes": [{"path": "a\nb", "state": "modified"}],
        "truncated": False,
    }


def test_a_node_that_cannot_be_asked_is_502(
    viewer: FlaskClient, make_node: Make, make_project: Make, recording_nodes: RecordingNodes
) -> None:
    recording_nodes.answer(ConnectionRefused("Node web-1 refuses connections."))
    answer = viewer.get(f"{PATH}/{make_project(make_node())}/status")
    assert (answer.status_code, answer.json["error"]) == (502, "refused")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["blog", "Shop"]),
        ("search=SHO", ["Shop"]),
        ("status=ERROR", ["blog"]),
        ("node_id=999", []),
        ("sort=-name", ["Shop", "blog"]),
        ("page_size=1&page=2", ["Shop"]),
    ],
)
def test_projects_are_filtered_sorted_and_paged(
    viewer: FlaskClient, make_node: Make, make_project: Make, query: str, names: list[str]
) -> None:
    node_id = make_node()
    make_project(node_id, "Shop")
    make_project(node_id, "blog", status="ERROR")
    answer = viewer.get(f"{PATH}?{query}")
    assert [project["name"] for project in answer.json] == names


def test_looks_at_silent_nodes_leave_room_for_other_requests(
    viewer: FlaskClient, make_node: Make, make_project: Make, mocker: MockerFixture
) -> None:
    """Each takes one of the web's threads for as long as its node is silent, and whoever may read may ask."""
    path = f"{PATH}/{make_project(make_node())}/status"
    mocker.patch.object(WorkerClient, "project_status", side_effect=ConnectionRefused())
    looks = mocker.patch("app.services.projects._looks", BoundedSemaphore(1))
    assert [viewer.get(path).status_code for _ in range(2)] == [502, 502]
    looks.acquire()
    answer = viewer.get(path)
    assert (answer.status_code, answer.json["error"]) == (429, "throttled")


@pytest.mark.parametrize("limit", ["MAX_QUEUED_JOBS", "MAX_QUEUED_JOBS_PER_USER"])
def test_the_queue_has_an_end(app: Flask, operator: FlaskClient, make_node: Make, limit: str) -> None:
    app.config[limit] = 2
    node_id = make_node()
    answers = [operator.post(f"{PATH}/clone", json=clone(node_id, name=name)) for name in ("a", "b", "c")]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert limit in answers[2].json["message"]
    assert [project["name"] for project in operator.get(PATH).json] == ["a", "b"]
