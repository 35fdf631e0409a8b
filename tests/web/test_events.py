"""The page of events: a form that is sent by address, so that a finding can be sent on, and needs no script."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.db import unit_of_work
from app.services.events import SYSTEM, event
from app.web import events
from tests.web.conftest import Person, said


@pytest.fixture
def many(app: Flask, make_node: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    make_node("web-1")
    monkeypatch.setattr(events, "PAGE_SIZE", 3)
    with app.app_context(), unit_of_work() as session:
        for number in range(7):
            session.add(event(SYSTEM, "project.pull", f"project shop (job {number})", "FAILED", node_name="web-1"))


def test_what_was_looked_for_stays_in_the_form(many: None, ada: Person) -> None:
    asked = "action=project.pull&outcome=FAILED&node=web-1&search=job+1&trouble=on&since=2026-01-31T12:00"
    page = ada.get(f"/events?{asked}")
    assert "project shop (job 1)" in said(page)
    assert "project shop (job 2)" not in said(page)
    for kept in (
        '<option value="project.pull" selected>',
        '<option value="FAILED" selected>',
        'name="node" value="web-1"',
        'value="job 1"',
        'name="trouble" value="on" checked',
        'value="2026-01-31T12:00"',
    ):
        assert kept in page.text


def test_one_pages_on_by_links_that_keep_what_is_looked_for(many: None, ada: Person) -> None:
    first = ada.get("/events?project=shop")
    assert "(job 6)" in said(first)
    link = first.text.split('<a rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "project=shop" in link
    second = ada.get(link)
    assert "(job 3)" in said(second)
    assert "(job 4)" not in said(second)
    assert '<a href="/events?project=shop">« The newest</a>' in second.text


def test_nothing_found_has_a_way_back(many: None, ada: Person) -> None:
    assert "No event fits. Show all events" in said(ada.get("/events?actor=nobody"))


def test_a_kind_of_act_may_be_all_of_a_noun(many: None, ada: Person) -> None:
    page = ada.get("/events?action=project")
    assert '<option value="project" selected>project: any</option>' in page.text
    assert "(job 6)" in said(page)


def test_a_time_that_is_none_is_said_beside_it(many: None, ada: Person) -> None:
    answer = ada.get("/events?since=yesterday")
    assert answer.status_code == 422
    assert 'id="since-wrong">Write a time as' in answer.text
    assert "(job 6)" not in said(answer)
