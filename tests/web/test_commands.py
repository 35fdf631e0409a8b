"""A command is typed, shown as it would run, and run unchanged."""

import html
import json
import re
from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.db import db
from app.errors import ConnectionRefused
from app.models import Job
from app.ssh.recording import RecordingNodes
from app.ssh.watch import Result
from tests.web.conftest import Person, said

SHA = "0a1beaa3c9d1f0b5a2e4d6c8b7a9f8e7d6c5b4a3"
HEAD = f"{SHA}\0Mend <b>the</b> cart\0Ada\x002026-01-02T03:04:05+00:00\0".encode()
HIDDEN = re.compile(r'name="command" value="([^"]*)"')


@pytest.fixture
def page(make_node: Callable[..., int], make_project: Callable[..., int], recording_nodes: RecordingNodes) -> str:
    recording_nodes.answer(Result("exit", 0, HEAD), lambda target, command: bool(command.refusals))
    return f"/projects/{make_project(make_node())}"


def command_in(answer: TestResponse) -> str:
    found = HIDDEN.search(answer.text)
    assert found is not None
    return html.unescape(found[1])


def test_a_command_is_previewed_and_then_run_unchanged(
    app: Flask, otto: Person, page: str, run_jobs: Callable[[], None]
) -> None:
    typed = {
        "line": "pytest -q 'a b' \"$(reboot)\" ''\r\n'x\r\ny'",
        "cwd": "web",
        "env": "CI=1",
        "timeout_seconds": "60",
    }
    shown = otto.post(f"{page}/command/preview", **typed)
    for words in ("4 '$(reboot)'", "5 ''", "6 'x\\ny'", "deploy on web-1", "/data/projects/shop/web", SHA[:12]):
        assert words in said(shown)
    assert "<b>the</b>" not in shown.text
    assert "No job" in said(otto.get("/jobs?project_id=1"))
    answer = otto.post(f"{page}/command", command=command_in(shown))
    assert (answer.status_code, answer.location) == (303, "/jobs/1")
    run_jobs()
    with app.app_context():
        job = db.session.get_one(Job, 1)
        assert job.params["argv"] == ["pytest", "-q", "a b", "$(reboot)", "", "x\ny"]
        assert (job.params["cwd"], job.params["env"], job.params["timeout_seconds"]) == ("web", {"CI": "1"}, 60)
        assert (job.params["commit"], job.state.value, job.exit_status) == (SHA, "SUCCEEDED", 0)
    job_page = said(otto.get("/jobs/1"))
    assert "pytest -q 'a b' '$(reboot)'" in job_page
    assert "Exit status 0" in job_page


def test_values_of_variables_are_not_on_the_page_of_the_job(otto: Person, page: str) -> None:
    shown = otto.post(f"{page}/command/preview", line="true", env="TOKEN=hunter2")
    otto.post(f"{page}/command", command=command_in(shown))
    job_page = otto.get("/jobs/1").text
    assert "TOKEN" in job_page
    assert "hunter2" not in job_page


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"line": "cat /etc/passwd"}, "absolute path outside the project"),
        ({"line": "cat 'x"}, "A quote is not closed"),
        ({"line": "   "}, "Missing data"),
        ({"line": "''"}, "The first word must be a program"),
        ({"line": "true", "cwd": "../x"}, "'..' component"),
        ({"line": "true", "env": "PATH=/tmp"}, "PATH may not be set"),
        ({"line": "true", "timeout_seconds": "3601"}, "1 to 3600 seconds"),
    ],
)
def test_a_refused_command_keeps_what_was_typed_and_names_the_rule(
    otto: Person, page: str, recording_nodes: RecordingNodes, fields: dict[str, str], rule: str
) -> None:
    answer = otto.post(f"{page}/command/preview", **{"env": "KEPT=yes"} | fields)
    assert answer.status_code == 422
    assert "wrong" in answer.text
    assert rule in said(answer)
    assert html.escape(fields["line"].strip(), quote=False).replace("'", "&#39;") in answer.text
    assert recording_nodes.runs == []


def test_a_program_that_is_not_allowed_is_said_at_the_line(app: Flask, otto: Person, page: str) -> None:
    app.config["ALLOWED_COMMANDS"] = ("git",)
    answer = otto.post(f"{page}/command/preview", line="sh")
    assert answer.status_code == 422
    assert 'id="line-wrong"' in answer.text
    assert "allowed are: git" in said(answer)


def test_a_node_that_does_not_answer_is_said_on_the_form(
    otto: Person, page: str, recording_nodes: RecordingNodes
) -> None:
    recording_nodes.answer(ConnectionRefused())
    assert "is sshd running there?" in said(otto.post(f"{page}/command/preview", line="true"))


@pytest.mark.parametrize("command", ["", "{", "[]", "{}", '{"argv": ["true"], "x": 1}', '{"argv": "true"}', "[" * 9999])
def test_what_no_preview_has_shown_is_not_run(otto: Person, page: str, command: str) -> None:
    assert "begin anew" in otto.submit(f"{page}/command", command=command)
    assert json.loads(otto.get("/api/v1/jobs").text) == []


def test_the_rules_hold_for_what_comes_back_too(otto: Person, page: str) -> None:
    assert "absolute path outside" in otto.submit(f"{page}/command", command='{"argv": ["cat", "/etc/passwd"]}')


def test_a_command_that_failed_is_said_on_the_page_of_its_project(
    otto: Person, page: str, recording_nodes: RecordingNodes, run_jobs: Callable[[], None]
) -> None:
    recording_nodes.answer(Result("exit", 2, b"boom <i>\x1b[31m"), lambda target, command: not command.refusals)
    otto.post(f"{page}/command", command='{"argv": ["make"]}')
    run_jobs()
    answer = otto.get(page)
    assert "Command failed:" in said(answer)
    assert "boom &lt;i&gt;\\x1b[31m" in answer.text
    assert "\x1b" not in answer.text


def test_a_viewer_is_offered_no_command(vera: Person, page: str) -> None:
    assert "/command" not in vera.get(page).text
    assert vera.post(f"{page}/command", command="{}").status_code == 403
