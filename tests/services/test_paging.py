"""Pages and their totals: exact where they are short, a lower bound that says so where they are long."""

import json

import pytest
from flask import Flask
from pytest_mock import MockerFixture
from sqlalchemy import select

from app.models import Project
from app.services import paging, projects
from app.services.paging import Page
from bench.fill import Size
from tests.support.application import client_with_token, token_of
from tests.support.large import fill_database

FIFTY = Size(nodes=5, projects=50, jobs=10, under_way=2, schedules=2, probes_per_node=1, events=5)
BY_NAME = select(Project).order_by(Project.name_folded, Project.id)


@pytest.fixture
def fifty(app: Flask, mocker: MockerFixture) -> Flask:
    """Fifty projects, where twenty are worth counting."""
    mocker.patch.object(paging, "COUNT_LIMIT", 20)
    mocker.patch.object(paging, "SEARCH_COUNT_LIMIT", 20)
    fill_database(app, FIFTY)
    return app


def turn(app: Flask, page: int, page_size: int) -> Page[Project]:
    with app.app_context():
        return paging.paginate(BY_NAME, page, page_size)


def test_a_long_list_says_that_its_total_is_the_least_that_there_are(fifty: Flask) -> None:
    first = turn(fifty, 1, 10)
    assert (len(first.items), first.total, first.is_exact) == (10, 21, False)


def test_pages_follow_one_another_to_the_end_without_gap_or_double(fifty: Flask) -> None:
    found = [project.id for page in range(1, 8) for project in turn(fifty, page, 8).items]
    assert sorted(found) == list(range(1, 51))
    assert len(found) == 50


@pytest.mark.parametrize("page_size", [7, 8, 10, 25, 50, 200])
def test_pages_that_are_found_from_the_end_are_the_same(fifty: Flask, mocker: MockerFixture, page_size: int) -> None:
    def pages() -> list[tuple[list[int], bool]]:
        turned = [turn(fifty, page, page_size) for page in range(1, 10)]
        return [([project.id for project in page.items], page.pages > page.page) for page in turned]

    from_the_start = pages()
    mocker.patch.object(paging, "FAR", 1)
    assert pages() == from_the_start


def test_a_page_in_the_far_half_is_found_from_the_end(fifty: Flask, mocker: MockerFixture) -> None:
    mocker.patch.object(paging, "FAR", 1)
    from_the_end = mocker.spy(paging, "_backwards")
    asked = []
    for page in range(1, 6):
        from_the_end.reset_mock()
        turn(fifty, page, 10)
        asked.append(from_the_end.called)
    assert asked == [False, False, False, True, True]


def test_every_page_but_the_last_knows_that_there_is_another(fifty: Flask) -> None:
    assert [turn(fifty, page, 10).pages > page for page in range(1, 6)] == [True, True, True, True, False]


def test_the_last_page_knows_the_exact_total(fifty: Flask) -> None:
    last = turn(fifty, 5, 10)
    assert (last.total, last.is_exact) == (50, True)


def test_a_page_behind_the_last_is_empty(fifty: Flask) -> None:
    assert turn(fifty, 9, 10).items == []


@pytest.mark.parametrize("page", range(1, 6))
def test_a_search_turns_the_same_pages_as_a_list(fifty: Flask, page: int) -> None:
    with fifty.app_context():
        found = projects.list_projects({}, "-", None, page, 10)
        assert [project.id for project in found.items] == [project.id for project in turn(fifty, page, 10).items]
        assert found.total >= min(page * 10 + 1, 50)


def test_rest_tells_no_last_page_where_the_total_is_not_known(fifty: Flask) -> None:
    answer = client_with_token(fifty, token_of(fifty, "viewer")).get("/api/v1/projects?page=2&page_size=10")
    told = {"total": 21, "total_is_exact": False, "page": 2, "first_page": 1, "previous_page": 1, "next_page": 3}
    assert json.loads(answer.headers["X-Pagination"]) == told
