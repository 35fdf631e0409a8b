"""Webhooks on pages: address and secret shown once, a log, another secret, turned off, deleted when confirmed."""

import re
from collections.abc import Callable

import pytest
from flask import Flask

from app.db import unit_of_work
from app.jobs.queue import HeldQueue
from app.models import Project, ProjectSet
from tests.support.pushes import github
from tests.web.conftest import Person, said

NEW = "/projects/1/hooks/new"


@pytest.fixture
def project_id(make_node: Callable[..., int], make_project: Callable[..., int]) -> int:
    return make_project(make_node(), branch="main")


@pytest.fixture
def made(project_id: int, otto: Person) -> str:
    return otto.post(NEW, forge="github").text


def test_address_and_secret_are_shown_once(made: str, otto: Person) -> None:
    address, secret = shown(made)
    assert address.startswith("http://localhost/api/v1/hooks/bbh_")
    later = otto.get("/projects/1/hooks/1").text
    assert address not in later
    assert secret not in later


def test_a_push_is_in_its_log_and_on_the_project_s_page(made: str, otto: Person, vera: Person) -> None:
    address, secret = shown(made)
    delivery = github(secret)
    sent = otto.client.application.test_client().post(
        address.removeprefix("http://localhost"), data=delivery.body, headers=delivery.headers
    )
    assert sent.status_code == 202
    page = vera.get("/projects/1/hooks/1")
    assert "pull asked for #1" in said(page)
    assert 'href="/jobs/1"' in page.text
    assert "GitHub #1 as the project" in said(vera.get("/projects/1"))


def test_what_a_sender_calls_an_event_is_text_on_the_page(made: str, vera: Person, otto: Person) -> None:
    address, _ = shown(made)
    delivery = github("wrong").but(X_GitHub_Event="<script>alert(1)</script>")
    otto.client.application.test_client().post(
        address.removeprefix("http://localhost"), data=delivery.body, headers=delivery.headers
    )
    page = vera.get("/projects/1/hooks/1").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_refused_branch_is_said_at_its_field(project_id: int, otto: Person) -> None:
    answer = otto.post(NEW, forge="gitea", branch="-x")
    assert answer.status_code == 422
    assert 'id="branch-wrong"' in answer.text


def test_a_new_secret_is_shown_once_when_confirmed(made: str, otto: Person) -> None:
    assert "A new secret" in said(otto.get("/projects/1/hooks/1/rotate"))
    assert shown(otto.post("/projects/1/hooks/1/rotate").text) != shown(made)


def test_it_is_turned_off_and_on_and_deleted(made: str, otto: Person) -> None:
    assert "The webhook is off" in otto.submit("/projects/1/hooks/1/disable")
    assert "The webhook is on" in otto.submit("/projects/1/hooks/1/enable")
    assert "Delete this GitHub webhook?" in said(otto.get("/projects/1/hooks/1/delete"))
    assert "delete it at the forge, too" in otto.submit("/projects/1/hooks/1/delete")
    assert otto.get("/projects/1/hooks/1").status_code == 404


def test_a_hook_of_a_set_is_made_shown_with_its_run_turned_off_and_deleted(
    app: Flask, project_id: int, otto: Person, held_queue: HeldQueue
) -> None:
    with app.app_context(), unit_of_work() as session:
        session.add(ProjectSet(name="all", name_folded="all", git_url="https://git.example.com/x.git"))
        session.flush()
        session.get_one(Project, project_id).set_id = 1
    wrong = otto.post("/sets/1/hooks/new", forge="github", concurrency="0")
    assert (wrong.status_code, 'id="concurrency-wrong"' in wrong.text) == (422, True)
    address, secret = shown(otto.post("/sets/1/hooks/new", forge="github", concurrency="3", max_failures="1").text)
    delivery = github(secret)
    path = address.removeprefix("http://localhost")
    assert app.test_client().post(path, data=delivery.body, headers=delivery.headers).status_code == 202
    page = otto.get("/sets/1/hooks/1")
    assert "3 at a time, none further after 1 failed" in said(page)
    assert 'href="/runs/1"' in page.text
    assert "GitHub #1 as the set" in said(otto.get("/sets/1"))
    assert "The webhook is off" in otto.submit("/sets/1/hooks/1/disable")
    assert shown(otto.post("/sets/1/hooks/1/rotate").text) != (address, secret)
    assert "delete it at the forge, too" in otto.submit("/sets/1/hooks/1/delete")
    assert otto.get("/sets/1/hooks/1").status_code == 404


def test_a_viewer_changes_nothing(made: str, vera: Person) -> None:
    paths = [f"/projects/1/hooks/1/{act}" for act in ("enable", "disable", "rotate", "delete")]
    assert {vera.post(path).status_code for path in (*paths, NEW)} == {403}


def shown(page: str) -> tuple[str, str]:
    found = re.findall(r'<code id="hook-(?:address|secret)">([^<]+)</code>', page)
    return found[0], found[1]
