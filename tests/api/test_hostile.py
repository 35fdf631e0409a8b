"""Every field of every body, given every hostile value: refused or taken, but never a fault."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.errors import BareboatError
from app.models import ForgeKind
from app.secrets import Secret
from app.services import channels, githosts, hooks, schedules
from app.services.events import SYSTEM
from app.ssh.recording import RecordingNodes
from tests.support.application import GIT_URL, host_key_line

HOSTILE: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    2**63,
    10**40,
    "",
    " ",
    "1",
    "-rf",
    "../x",
    "x;reboot",
    "$(reboot)",
    "a\0b",
    "a\nb",
    "\x1b[2J",
    "\ud800",
    "\u202e",
    "{{7*7}}",
    "x" * 300,
    "x" * 70_000,
    [],
    ["x"],
    {},
    {"x": {"y": []}},
    {"a\0": "\ud800"},
]


@pytest.fixture
def bodies(app: Flask, make_node: Any, make_project: Any, make_key: Any) -> dict[str, dict[str, Any]]:
    """A good body for each address that takes one."""
    node_id, key_id = make_node(), make_key()
    project_id = make_project(node_id)
    node = {"name": "n", "hostname": "h", "ssh_user": "u", "ssh_key_id": key_id}
    schedule = {"name": "s", "project_id": project_id, "cron": "0 4 * * *", "timezone": "UTC"}
    with app.app_context():
        hook_id = hooks.create_hook(hooks.HookOwner(project_id), {"forge": ForgeKind.GITHUB}, SYSTEM)[0].id
        channel = {"name": "c", "kind": "json", "url": "https://192.0.2.9/"}
        channel_id = channels.create_channel(channel | {"url": Secret("https://192.0.2.9/")}, SYSTEM)[0].id
        host_id = githosts.create_host("first.example", 22, SYSTEM).id
        schedule_id = schedules.create_schedule(schedule | {"name": "first"}, SYSTEM).id
    return {
        "POST /nodes": node,
        f"PATCH /nodes/{node_id}": node,
        f"POST /nodes/{node_id}/host-keys": {"public_key": host_key_line()},
        f"POST /nodes/{node_id}/host-keys/import": {"known_hosts": f"192.0.2.1 {host_key_line()}"},
        "POST /ssh-keys": {"name": "k", "generate": "ed25519"},
        "POST /git-credentials": {"name": "g", "kind": "https", "host": "h.example", "username": "u", "token": "t"},
        "POST /git-hosts": {"host": "h.example", "port": 22},
        f"POST /git-hosts/{host_id}/host-keys": {"public_key": host_key_line()},
        "POST /projects/clone": {"name": "p", "git_url": GIT_URL, "node_id": node_id, "branch": "main", "depth": 1},
        f"PATCH /projects/{project_id}": {"git_url": GIT_URL, "branch": "main"},
        f"POST /projects/{project_id}/pull": {"strategy": "reset"},
        f"POST /projects/{project_id}/checkout": {"ref": "main"},
        f"POST /projects/{project_id}/commands": {"argv": ["true"]},
        f"POST /projects/{project_id}/hooks": {"forge": "github", "branch": "main"},
        f"PATCH /projects/{project_id}/hooks/{hook_id}": {"branch": "main"},
        "POST /notification-channels": channel | {"name": "d"},
        f"PATCH /notification-channels/{channel_id}": {"name": "c", "url": "https://192.0.2.9/"},
        "POST /schedules": schedule,
        f"PATCH /schedules/{schedule_id}": {"name": "s", "cron": "0 4 * * *"},
        "POST /runs": {"kind": "project.pull", "project_ids": [project_id], "params": {}, "concurrency": 1},
        f"POST /projects/{project_id}/playbooks/own/runs": {"inputs": {}},
        "POST /playbooks/example/runs": {"project_ids": [project_id], "inputs": {}},
        "POST /tokens": {"name": "t", "days": 1},
        "POST /users": {"name": "u", "role": "viewer", "password": "short"},
    }


def fields_of(app: Flask, address: str) -> set[str]:
    """All that the schema of this address knows, so that a new field is tried without a word here."""
    method, _, path = address.partition(" ")
    adapter = app.url_map.bind("localhost")
    rule, _ = adapter.match(f"/api/v1{path}", method=method, return_rule=True)
    document = app.test_client().get("/api/v1/openapi.json").json
    assert document
    place = str(rule.rule).replace("<id:", "{").replace("<string:", "{").replace(">", "}")
    content = document["paths"][place][method.lower()]["requestBody"]["content"]["application/json"]
    return set(document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]["properties"])


def attempts(app: Flask, bodies: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for address, body in bodies.items():
        for field in sorted(fields_of(app, address) | {"unknown"}):
            yield from ((address, body | {field: value}) for value in HOSTILE)


def test_no_value_is_a_fault(
    app: Flask,
    person_of: Callable[[str], FlaskClient],
    bodies: dict[str, dict[str, Any]],
    recording_nodes: RecordingNodes,
) -> None:
    admin = person_of("admin")
    unreachable = BareboatError("nothing is to be said to a node")
    recording_nodes.answer(unreachable)
    answers = []
    for address, body in attempts(app, bodies):
        method, _, path = address.partition(" ")
        answer = admin.open(f"/api/v1{path}", method=method, json=body)
        answers.append((answer.status_code, address, str(body)[:200]))
    assert len(answers) > 1000
    assert [answer for answer in answers if answer[0] not in (200, 201, 202, 409, 422)] == []
    assert recording_nodes.runs == []
