"""Schedules on pages: made with examples beside, refused by field, turned off and on, deleted when confirmed."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.db import unit_of_work
from app.models import Node, NodeStatus, Schedule
from app.services import schedule_runs
from tests.web.conftest import Person, said

FORM = {
    "name": "nightly",
    "cron": "30 4 * * 1-5",
    "timezone": "Europe/Berlin",
    "params": "strategy=reset",
    "overlap": "queue",
    "catch_up": "skip",
}
NEW = "/projects/1/schedules/new"


@pytest.fixture
def project_id(make_node: Callable[..., int], make_project: Callable[..., int]) -> int:
    return make_project(make_node())


@pytest.fixture
def schedule_id(project_id: int, otto: Person) -> int:
    assert otto.post(NEW, **FORM).status_code == 303
    return 1


def test_the_form_helps_with_examples_and_zones(project_id: int, otto: Person) -> None:
    page = otto.get(NEW)
    assert '<option value="Europe/Berlin">' in page.text
    assert "0 7 * * 1-5 at 07:00 from Monday to Friday" in said(page)


def test_a_schedule_is_made_and_shown_as_its_zone_s_clock_will(project_id: int, otto: Person) -> None:
    page = otto.submit(NEW, **FORM)
    assert "Schedule nightly is made." in page
    assert "04:30" in page
    assert "Pull, reset to the upstream" in page
    assert "strategy" not in page
    assert "wait for it" in page
    assert "skip what was missed" in page


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("cron", "0 25 * * *", "The hour '25' is not allowed"),
        ("timezone", "Berlin", "Not a time zone"),
        ("name", "<script>alert(1)</script>", "starts with a letter or digit"),
        ("overlap", "pause", "Must be one of"),
        ("params", "strategy=force", "A pull has 'strategy' only"),
    ],
)
def test_a_refused_schedule_keeps_what_was_typed_and_names_the_rule(
    project_id: int, otto: Person, field: str, value: str, rule: str
) -> None:
    answer = otto.post(NEW, **FORM | {field: value})
    assert answer.status_code == 422
    assert rule in said(answer)
    assert f'id="{field}-wrong"' in answer.text
    assert "<script>alert" not in answer.text


def test_with_a_line_it_is_a_command(project_id: int, otto: Person) -> None:
    page = otto.submit(NEW, **FORM, line="make 'two words' $HOME")
    assert "Command make 'two words' '$HOME'" in page


def test_the_chosen_act_counts_and_not_what_is_hidden(project_id: int, otto: Person) -> None:
    assert "Act Pull, reset to the upstream" in otto.submit(NEW, **FORM, act="pull", line="git gc")
    answer = otto.post(NEW, **FORM | {"name": "other", "act": "command"})
    assert answer.status_code == 422
    assert "This act needs it." in said(answer)


@pytest.mark.parametrize(("line", "rule"), [("make '", "A quote is not closed"), ("ls ../..", "'..' component")])
def test_a_refused_command_is_said_at_its_line(project_id: int, otto: Person, line: str, rule: str) -> None:
    answer = otto.post(NEW, **FORM, line=line)
    assert answer.status_code == 422
    assert rule in said(answer)
    assert 'id="line-wrong"' in answer.text


def test_a_name_that_is_taken_is_said_at_the_name(schedule_id: int, otto: Person) -> None:
    assert 'id="name-wrong"' in otto.post(NEW, **FORM).text


def test_the_project_s_page_and_the_list_show_it(schedule_id: int, vera: Person) -> None:
    for path in ("/projects/1", "/schedules"):
        page = said(vera.get(path))
        assert "nightly" in page
        assert "30 4 * * 1-5 Europe/Berlin" in page
        assert "04:30" in page


def test_the_last_run_is_shown_with_its_job(schedule_id: int, otto: Person) -> None:
    assert otto.post("/schedules/1/run").headers["Location"] == "/jobs/1"
    for path in ("/schedules", "/schedules/1", "/projects/1"):
        page = otto.get(path).text
        assert 'href="/jobs/1"' in page


def test_a_refused_run_says_why(app: Flask, schedule_id: int, otto: Person) -> None:
    with app.app_context():
        with unit_of_work() as session:
            session.query(Node).one().status = NodeStatus.OFFLINE
            session.get_one(Schedule, 1).catch_up = "once"  # type: ignore[assignment]
            session.get_one(Schedule, 1).next_run_at = session.get_one(Schedule, 1).created_at
        schedule_runs.run_due_schedules()
    assert "refused: Node web-1 is offline" in said(otto.get("/schedules"))
    assert "Node web-1 is offline" in otto.submit("/schedules/1/run")


def test_it_is_turned_off_and_on(schedule_id: int, otto: Person) -> None:
    assert "Schedule nightly is off." in otto.submit("/schedules/1/disable")
    assert "Next run off" in said(otto.get("/schedules/1"))
    assert "Schedule nightly is on" in otto.submit("/schedules/1/enable")


def test_it_is_deleted_when_confirmed(schedule_id: int, otto: Person) -> None:
    assert "Delete schedule nightly?" in said(otto.get("/schedules/1/delete"))
    assert "Schedule nightly is deleted." in otto.submit("/schedules/1/delete")
    assert otto.get("/schedules/1").status_code == 404


def test_a_viewer_changes_nothing(schedule_id: int, vera: Person) -> None:
    paths = ("/schedules/1/run", "/schedules/1/disable", "/schedules/1/enable", "/schedules/1/delete", NEW)
    assert {vera.post(path, **FORM).status_code for path in paths} == {403}
