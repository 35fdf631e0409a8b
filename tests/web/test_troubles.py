"""What went wrong is said once, in one sentence, with what helps beside it."""

import html
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app.db import unit_of_work, utcnow
from app.models import Job, JobState, Node, NodeStatus, Project
from tests.support.application import GIT_URL, host_key_line
from tests.web.conftest import Person, said

RAW = "There are changes.\n M a.txt\n?? new.txt"


@pytest.fixture
def project_id(make_node: Callable[..., int], make_project: Callable[..., int]) -> int:
    return make_project(make_node())


@pytest.fixture
def fail(app: Flask, otto: Person, project_id: int) -> Callable[..., str]:
    """The page of the project after its newest job ended so."""

    def end(kind: str, code: str, message: str = RAW, state: JobState = JobState.FAILED, **fields: Any) -> str:
        with app.app_context(), unit_of_work() as session:
            project = session.get_one(Project, project_id)
            job = Job(kind=kind, project_id=project_id, project_name="shop", node_id=1, node_name="web-1")
            job.requested_by, job.finished_at, job.started_at = "otto", utcnow(), utcnow()
            job.state, job.error_code, job.error_message = state, code, message
            for name, value in fields.items():
                setattr(job, name, value)
            session.add(job)
            project.status, project.error_code, project.error_message = "ERROR", code, message
        return otto.get(f"/projects/{project_id}").text

    return end


def change(app: Flask, model: Any, row_id: int, **values: Any) -> None:
    with app.app_context(), unit_of_work() as session:
        row = session.get_one(model, row_id)
        for name, value in values.items():
            setattr(row, name, value)


def test_the_nodes_own_words_stand_apart_from_the_sentence(fail: Callable[..., str], otto: Person) -> None:
    page = fail("project.pull", "tree_dirty")
    assert "</b> There are changes.</p>" in page
    assert "M a.txt\n?? new.txt</pre>" in page
    for path in ("/jobs", "/projects", "/"):
        listed = otto.get(path).text
        assert "There are changes." in listed
        assert "a.txt" not in listed


def test_what_a_refused_pull_is_about_is_a_list_of_harmless_text(
    fail: Callable[..., str], otto: Person, app: Flask
) -> None:
    about = {
        "commits_here": [{"sha": "a" * 40, "subject": "<script>alert(1)</script>"}],
        "commits_here_left_out": 3,
        "commits_upstream": [],
        "commits_upstream_left_out": 0,
        "files": [{"path": "-x\\x1b[31m<b>", "state": "conflicted"}],
        "files_left_out": 0,
    }
    fail("project.pull", "not_fast_forward", error_details=about)
    for path in ("/jobs/1", "/projects/1"):
        page = otto.get(path).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;</li>" in page
        assert "and 3 more" in page
        assert "<code>-x\\x1b[31m&lt;b&gt;</code>" in page
        assert 'class="details"' not in page


@pytest.mark.parametrize("code", ["tree_dirty", "not_fast_forward"])
def test_a_pull_that_is_in_the_way_of_local_work_leads_to_the_reset(fail: Callable[..., str], code: str) -> None:
    page = fail("project.pull", code)
    assert '<a class="button" id="reset"' in page
    assert '<button type="submit" class="outline" id="retry">' in page


def test_of_files_that_git_does_not_know_only_what_puts_them_aside_is_offered(fail: Callable[..., str]) -> None:
    about = {"files": [{"path": "notes", "state": "untracked"}], "files_left_out": 0}
    page = fail("project.pull", "tree_dirty", error_details=about)
    assert "Each of these puts them aside" in page
    assert ['value="stash"' in page, 'value="rebase"' in page, 'value="backup"' in page] == [False, False, True]
    assert 'value="stash"' in fail("project.pull", "tree_dirty")


@pytest.mark.parametrize("code", ["work_unpushed", "remote_unasked"])
def test_a_refused_deletion_leads_to_the_force(
    fail: Callable[..., str], otto: Person, project_id: int, code: str
) -> None:
    page = fail("project.delete", code)
    assert f'href="/projects/{project_id}/delete?force=on"' in page
    assert f'href="/projects/{project_id}/delete?force=on"' in otto.get("/jobs/1").text
    assert 'name="force" value="on" checked' in otto.get(f"/projects/{project_id}/delete?force=on").text
    assert "checked" not in otto.get(f"/projects/{project_id}/delete").text


def test_other_failures_are_first_of_all_tried_again(fail: Callable[..., str]) -> None:
    assert '<button type="submit" class="" id="retry">' in fail("project.pull", "git_unreachable")


def test_the_failure_of_a_pull_is_not_blamed_on_the_command_after_it(
    app: Flask, fail: Callable[..., str], otto: Person, project_id: int
) -> None:
    fail("project.pull", "git_unreachable", "No way there.")
    with app.app_context(), unit_of_work() as session:
        session.add(Job(kind="project.command", project_id=project_id, requested_by="x", state=JobState.SUCCEEDED))
    assert "Pull failed: No way there." in said(otto.get(f"/projects/{project_id}"))


def test_a_cancelled_clone_is_no_failure_and_says_who_cancelled_it(
    otto: Person, request_clone: Callable[..., tuple[int, int]]
) -> None:
    project_id, job_id = request_clone()
    otto.post(f"/jobs/{job_id}/cancel")
    for path in (f"/projects/{project_id}", f"/jobs/{job_id}"):
        answer = otto.get(path)
        assert "Clone was cancelled by operator" in said(answer)
        assert "note error" not in answer.text
        assert "xit status" not in answer.text
        assert "asked to stop" not in answer.text
    assert "– Cancelled" in said(otto.get("/projects"))


def test_a_cancel_that_was_asked_for_is_not_asked_for_again(
    app: Flask, otto: Person, request_clone: Callable[..., tuple[int, int]]
) -> None:
    project_id, job_id = request_clone()
    change(app, Job, job_id, state=JobState.RUNNING, owner="x", started_at=utcnow())
    page = otto.submit(f"/jobs/{job_id}/cancel")
    assert "Cancel was asked for" in page
    assert 'id="cancel"' not in otto.get(f"/jobs/{job_id}").text
    assert 'id="cancel"' not in otto.get(f"/projects/{project_id}").text


@pytest.mark.parametrize("path", ["/projects/1", "/jobs/1", "/projects", "/jobs"])
def test_a_pause_between_attempts_says_what_failed_and_when_it_goes_on(
    app: Flask, vera: Person, request_clone: Callable[..., tuple[int, int]], path: str
) -> None:
    request_clone()
    soon = utcnow() + timedelta(minutes=9)
    change(app, Job, 1, attempt=1, max_attempts=3, run_after=soon, error_code="x", error_message="No way.\nraw words")
    page = said(vera.get(path))
    assert "Attempt 1 of 3 failed: No way. Next try in 9 minutes" in page
    assert "waiting for its turn" not in page
    assert "raw words" not in page


def test_a_job_that_nobody_can_follow_is_given_up_by_an_admin(
    app: Flask, ada: Person, otto: Person, request_clone: Callable[..., tuple[int, int]]
) -> None:
    request_clone()
    change(app, Job, 1, state=JobState.RUNNING, owner=None, started_at=utcnow())
    change(app, Node, 1, status="OFFLINE")
    assert "Give up" not in said(otto.get("/jobs/1"))
    assert "Give up" in said(ada.get("/jobs/1"))
    assert "Given up by admin" in ada.submit("/jobs/1/abandon")


def test_after_a_pull_was_asked_for_the_page_has_no_notice_that_grows_old(otto: Person, project_id: int) -> None:
    page = otto.submit(f"/projects/{project_id}/pull")
    assert "asked for (job" not in page
    assert "Pull #1" in page


def test_a_reset_is_called_a_reset(otto: Person, project_id: int) -> None:
    assert "Reset #1" in otto.submit(f"/projects/{project_id}/pull", strategy="reset")
    assert "Reset #1" in said(otto.get("/jobs"))


@pytest.mark.parametrize(("fields", "why"), [({"status": "OFFLINE"}, "offline"), ({"cordoned": True}, "cordoned")])
def test_nothing_is_offered_that_the_node_would_not_take(
    app: Flask, otto: Person, project_id: int, fields: dict[str, Any], why: str
) -> None:
    change(app, Node, 1, **fields)
    answer = otto.get(f"/projects/{project_id}")
    assert f"takes no work: {why}" in said(answer)
    assert f'action="/projects/{project_id}/pull"' not in answer.text
    assert f'action="/projects/{project_id}/checkout"' not in answer.text
    assert f"takes no deletion now: {why}" in said(otto.get(f"/projects/{project_id}/delete"))


def test_a_tree_that_cannot_be_seen_is_not_called_as_it_is_now(app: Flask, otto: Person, project_id: int) -> None:
    change(app, Node, 1, status="OFFLINE", status_detail="It is down.")
    page = said(otto.get(f"/projects/{project_id}/worktree"))
    assert "It cannot be seen now: Node web-1 is offline: It is down." in page
    assert "as it is now" not in page


def test_the_page_of_a_deletion_names_the_ignored_files(otto: Person, project_id: int) -> None:
    page = said(otto.get(f"/projects/{project_id}/delete"))
    assert "Files that git ignores go too" in page
    assert ".env" in page


def test_what_was_never_cloned_is_forgotten_and_not_deleted(
    otto: Person, make_node: Callable[..., int], make_project: Callable[..., int], run_jobs: Callable[[], None]
) -> None:
    project_id = make_project(make_node(status="OFFLINE"), cloned_at=None, status="ERROR")
    assert ">Forget</a>" in otto.get(f"/projects/{project_id}").text
    page = said(otto.get(f"/projects/{project_id}/delete"))
    assert "nothing on the node is touched" in page
    assert "is removed with all" not in page
    otto.post(f"/projects/{project_id}/delete", forget="on", typed_name="shop")
    run_jobs()
    assert "shop is forgotten here" in said(otto.get("/jobs/1"))
    assert otto.get(f"/projects/{project_id}").status_code == 404


@pytest.mark.parametrize("cloned", [True, False])
def test_nothing_is_forgotten_without_its_name(
    otto: Person, make_node: Callable[..., int], make_project: Callable[..., int], cloned: bool
) -> None:
    more = {} if cloned else {"cloned_at": None, "status": "ERROR"}
    path = f"/projects/{make_project(make_node(), **more)}/delete"
    assert "To forget it, type shop" in said(otto.get(path))
    for typed in ({}, {"typed_name": "Shop"}):
        answer = otto.post(path, forget="on", **typed)
        assert answer.status_code == 422
        assert "Nothing was forgotten: type the project's name" in said(answer)
    assert "No job has run yet" in otto.get("/jobs").text


def test_a_name_in_use_leads_to_the_project_that_has_it(otto: Person, project_id: int) -> None:
    answer = otto.post("/projects/new", name="Shop", git_url=GIT_URL, node_id="1")
    assert answer.status_code == 422
    assert f'by the project <a href="/projects/{project_id}">shop</a>' in answer.text


def test_no_editor_is_spoken_of_where_none_is_set(ada: Person, project_id: int) -> None:
    assert "Editor" not in said(ada.get(f"/projects/{project_id}"))
    assert "Editor" not in said(ada.get("/nodes/1"))


def test_a_node_gets_its_jump_host_in_the_form(ada: Person, make_node: Callable[..., int]) -> None:
    make_node("gate")
    inner = make_node("inner")
    form = ada.get(f"/nodes/{inner}/edit").text
    assert ">gate</option>" in form
    assert ">inner</option>" not in form
    values = {"name": "inner", "hostname": "192.0.2.1", "ssh_port": "22", "ssh_user": "deploy"}
    page = ada.submit(f"/nodes/{inner}/edit", **values, projects_root="/data/projects", jump_node_id="1")
    assert "Jump host gate" in page
    assert 'value="1" selected>gate' in ada.get(f"/nodes/{inner}/edit").text
    assert "would lead through itself" in ada.submit("/nodes/1/edit", **values | {"name": "gate"}, jump_node_id="2")


REFUSED_LOGIN = "web-1 does not accept the SSH key of fleet; look at its authorized_keys."


def test_a_refused_login_is_said_once_and_no_step_behind_it_is_ticked(
    app: Flask, ada: Person, make_node: Callable[..., int]
) -> None:
    node_id = make_node(status="OFFLINE")
    change(app, Node, node_id, status_reason="auth_failed", status_detail=REFUSED_LOGIN, failures=2)
    answer = ada.get(f"/nodes/{node_id}")
    page = said(answer)
    assert page.count(REFUSED_LOGIN) == 1
    assert "Then press Probe now" in page
    assert '<li class="now"><div><b>Let Bareboat in, then probe.' in answer.text
    assert "missed" not in page


def test_a_node_that_was_seen_once_keeps_that_step_ticked(
    app: Flask, ada: Person, make_node: Callable[..., int]
) -> None:
    node_id = make_node(status="OFFLINE")
    change(
        app, Node, node_id, status_reason="refused", status_detail="Nobody there.", failures=2, last_seen_at=utcnow()
    )
    answer = ada.get(f"/nodes/{node_id}")
    assert '<li class="done"><div><b>Let Bareboat in, then probe.' in answer.text
    assert "Mend what the probe found: Nobody there. Then press Probe now" in said(answer)
    assert "2 probes missed" in said(answer)


def test_a_root_without_its_mark_is_accepted_by_admins_only(
    app: Flask, ada: Person, otto: Person, make_node: Callable[..., int]
) -> None:
    node_id = make_node()
    marked = {"root_marked_at": utcnow(), "status_reason": "root_unmarked", "last_seen_at": utcnow()}
    change(app, Node, node_id, **marked, status_detail="/data/projects: is it mounted?")
    page = otto.get(f"/nodes/{node_id}")
    assert "is it mounted? Then press Probe now" in said(page)
    assert "an admin can accept it as it is" in said(page)
    assert "Accept this root" in ada.get(f"/nodes/{node_id}").text
    assert "is accepted as it is; the next clone marks it" in ada.submit(f"/nodes/{node_id}/accept-root")
    assert "nothing was cloned to node" in ada.submit(f"/nodes/{node_id}/accept-root").lower()


def test_a_key_that_is_pinned_already_is_not_called_pinned_again(ada: Person, make_node: Callable[..., int]) -> None:
    node_id, line = make_node(pinned=False), host_key_line()
    assert "1 host key pinned." in ada.submit(f"/nodes/{node_id}/pin", pasted=line)
    page = ada.submit(f"/nodes/{node_id}/pin", pasted=f"{line}\n{host_key_line()}")
    assert "1 host key pinned." in page
    assert "1 host key was already pinned; nothing was changed." in page


def test_the_audit_log_tells_a_cordon_from_its_end(ada: Person, make_node: Callable[..., int]) -> None:
    node_id = make_node()
    ada.post(f"/nodes/{node_id}/cordon", cordoned="on")
    ada.post(f"/nodes/{node_id}/cordon", cordoned="off")
    page = said(ada.get("/events"))
    assert "cordoned: false → true" in page
    assert "cordoned: true → false" in page


def test_values_of_a_job_are_words(otto: Person, project_id: int) -> None:
    otto.post(f"/projects/{project_id}/delete", typed_name="shop")
    assert "Force no" in said(otto.get("/jobs/1"))
    assert "Asked for" in html.unescape(otto.get("/jobs/1").text)


def test_outcomes_of_events_are_words(ada: Person, project_id: int, run_jobs: Callable[[], None]) -> None:
    ada.post(f"/projects/{project_id}/delete", forget="on", typed_name="shop")
    run_jobs()
    page = ada.get("/events").text
    assert 'data-label="Outcome">Asked for<' in page
    assert 'data-label="Outcome">Succeeded<' in page
    assert 'data-label="Outcome">Done<' in page


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("refused", "Held: web-1 is away. It starts when the node is back."),
        ("host_key_mismatch", "Held: web-1 shows another host key than the pinned one. It starts when an admin has"),
        ("auth_failed", "Held: web-1 refuses the login. It starts when an admin has put that right"),
    ],
)
def test_a_held_job_says_what_it_waits_for(
    app: Flask, vera: Person, request_clone: Callable[..., tuple[int, int]], reason: str, words: str
) -> None:
    request_clone()
    change(app, Node, 1, status=NodeStatus.OFFLINE, status_reason=reason)
    assert words in said(vera.get("/jobs/1"))
    assert "waiting for its turn" not in said(vera.get("/jobs"))


def test_all_that_wait_can_be_cancelled_after_a_question(
    app: Flask, otto: Person, request_clone: Callable[..., tuple[int, int]]
) -> None:
    request_clone()
    assert "/jobs/cancel" in otto.get("/jobs").text
    assert "Cancel 1 waiting job?" in said(otto.get("/jobs/cancel"))
    assert "Cancelled" in otto.submit("/jobs/cancel")
    assert "No job waits" in said(otto.get("/jobs/cancel"))
    assert "/jobs/cancel" not in otto.get("/jobs").text


def test_a_cancel_of_a_job_whose_node_is_away_says_when_it_is_carried_out(
    app: Flask, otto: Person, request_clone: Callable[..., tuple[int, int]]
) -> None:
    request_clone()
    change(app, Job, 1, state=JobState.RUNNING, started_at=utcnow(), is_attached=True)
    change(app, Node, 1, status=NodeStatus.OFFLINE, status_reason="timeout")
    assert "What runs there goes on" in said(otto.get("/jobs/1"))
    page = otto.submit("/jobs/1/cancel")
    assert "Cancel was asked for" in page
    assert "web-1 is away: it is carried out when the node is back." in page
