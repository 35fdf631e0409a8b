from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict

from app.db import db, unit_of_work, utcnow
from app.models import Job, JobState, Run
from app.services import run_moves
from app.web.acts import STRATEGIES
from tests.web.conftest import Person, said

Make = Callable[..., int]


@pytest.fixture
def project_ids(make_node: Make, make_project: Make) -> list[int]:
    node_id = make_node()
    return [make_project(node_id, f"shop-{number}") for number in range(3)]


def choose(person: Person, ids: list[int], **fields: str) -> str:
    values = MultiDict({"csrf_token": person.csrf_token, "act": "pull", "concurrency": "10"} | fields)
    values.setlist("project_ids", [str(id_) for id_ in ids])
    return said(person.client.post("/runs/new", data=values, follow_redirects=True))


def test_several_projects_are_chosen_and_pulled(otto: Person, project_ids: list[int]) -> None:
    assert "Act on several" in otto.get("/projects").text
    assert "shop-1" in otto.get("/runs/new").text
    page = choose(otto, project_ids[:2])
    assert "Pull on 2 projects" in page
    assert "Running 2" in page


def test_every_strategy_is_offered_and_a_reset_is_asked_about_first(
    app: Flask, otto: Person, project_ids: list[int]
) -> None:
    for act in ("stash", "rebase", "backup"):
        assert f"Pull, {STRATEGIES[act]}" in choose(otto, project_ids[:2], act=act)
    asked = otto.client.post(
        "/runs/new",
        data=MultiDict([("csrf_token", otto.csrf_token), ("act", "reset"), *(("project_ids", i) for i in (1, 2))]),
    ).text
    assert "Reset 2 projects to their upstream?" in asked
    assert asked.count('name="project_ids"') == 2
    with app.app_context():
        assert db.session.query(Run).count() == 3
    assert "Reset on 2" in choose(otto, project_ids[:2], act="reset", confirmed="on")


def test_what_a_search_finds_is_ticked(otto: Person, project_ids: list[int]) -> None:
    assert otto.get("/runs/new?q=shop-1").text.count(" checked") == 1
    assert otto.get("/runs/new").text.count(" checked") == 0


def test_the_page_of_a_run_shows_what_failed_and_tries_it_again(
    app: Flask, otto: Person, project_ids: list[int]
) -> None:
    choose(otto, project_ids, act="command", line="git gc", concurrency="3")
    with app.app_context():
        with unit_of_work() as session:
            failed = {"state": JobState.FAILED, "error_code": "command_failed", "error_message": "It failed."}
            session.query(Job).update(failed | {"finished_at": utcnow()})
        run_moves.advance_all()
    page = otto.get("/runs/1")
    assert "Failed 3" in said(page)
    assert "It failed." in said(page)
    assert "/jobs/1#log" in page.text
    assert "Command on 3 projects #2" in otto.submit("/runs/1/retry")
    assert "Skipped 3" in otto.submit("/runs/2/cancel")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"act": "checkout"}, "This act needs it."),
        ({"act": "checkout", "ref": "a..b"}, "Nothing was done"),
        ({"act": "command", "line": "'"}, "A quote is not closed"),
        ({"act": "delete"}, "Choose one of these."),
        ({"concurrency": "0"}, "Nothing was done"),
    ],
)
def test_a_wrong_form_says_why_and_keeps_the_choice(
    app: Flask, otto: Person, project_ids: list[int], fields: dict[str, str], words: str
) -> None:
    assert words in choose(otto, project_ids[:1], **fields)
    with app.app_context():
        assert db.session.query(Run).count() == 0


def test_nothing_chosen_is_said(otto: Person, project_ids: list[int]) -> None:
    assert "Choose at least one project." in choose(otto, [])
