"""Choosing some of many projects or nodes: searched for within the form, which keeps what was ticked and typed."""

import re
from collections.abc import Callable

import pytest
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from app.web import choosing
from tests.web.conftest import Person, said

Make = Callable[..., int]


@pytest.fixture
def ids(make_node: Make, make_project: Make, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """More of them than are shown at once."""
    monkeypatch.setattr(choosing, "SHOWN", 2)
    node_id = make_node()
    return {name: make_project(node_id, name) for name in ("api", "docs", "shop", "shop-old")}


def send(person: Person, path: str, name: str, ticked: list[int], **fields: str) -> TestResponse:
    values = MultiDict({"csrf_token": person.csrf_token, **fields})
    values.setlist(name, [str(id_) for id_ in ticked])
    return person.client.post(path, data=values)


def boxes(page: str) -> dict[int, bool]:
    """Which ids are offered, and whether they are ticked."""
    found = re.findall(r'<input type="checkbox" name="(?:project|node)_ids" value="(\d+)"([^>]*)>', page)
    return {int(id_): "checked" in more for id_, more in found}


@pytest.mark.parametrize("path", ["/runs/new", "/playbooks/example"])
def test_a_search_shows_what_fits_and_keeps_what_was_ticked(otto: Person, ids: dict[str, int], path: str) -> None:
    assert boxes(otto.get(path).text) == {ids["api"]: False, ids["docs"]: False}
    assert "2 of 4 projects are shown" in said(otto.get(path))
    answer = send(otto, path, "project_ids", [ids["docs"]], **{"find": "search", "find.q": "shop", "concurrency": "7"})
    assert answer.status_code == 200
    assert boxes(answer.text) == {ids["docs"]: True, ids["shop"]: False, ids["shop-old"]: False}
    assert 'name="concurrency" type="number" value="7"' in answer.text
    assert "There are no runs yet" in otto.get("/runs").text


def test_all_that_a_search_finds_is_ticked_at_once(otto: Person, ids: dict[str, int]) -> None:
    fields = {"find": "all", "find.q": "SHOP", "find.status": "ACTIVE", "find.node_id": "1"}
    answer = send(otto, "/runs/new", "project_ids", [ids["api"]], **fields)
    assert boxes(answer.text) == {ids["api"]: True, ids["shop"]: True, ids["shop-old"]: True}


def test_what_is_ticked_out_of_sight_is_acted_on(otto: Person, ids: dict[str, int]) -> None:
    ticked = [ids["api"], ids["shop"]]
    fields = {"act": "pull", "concurrency": "2", "find.q": "shop", "find.status": "", "find.node_id": ""}
    assert send(otto, "/runs/new", "project_ids", ticked, **fields).location == "/runs/1"
    assert "Pull on 2 projects" in said(otto.get("/runs/1"))


def test_a_search_without_a_hit_says_so(otto: Person, ids: dict[str, int]) -> None:
    for path in ("/runs/new", "/playbooks/example"):
        answer = send(otto, path, "project_ids", [], **{"find": "search", "find.q": "nowhere"})
        assert "No project fits." in said(answer)


@pytest.mark.parametrize("path", ["/sets/new", "/sets/1/nodes", "/playbooks/node-report"])
def test_nodes_are_searched_for_too(ada: Person, make_node: Make, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(choosing, "SHOWN", 2)
    first, *_, last = [make_node(name) for name in ("alpha", "beta", "gamma", "omega")]
    made = ada.post("/sets/new", name="web", git_url="https://git.example.com/web.git", concurrency="1")
    assert made.status_code == 303
    answer = send(ada, path, "node_ids", [first], **{"find": "all", "find.q": "meg"})
    assert answer.status_code == 200
    assert boxes(answer.text) == {first: True, last: True}


def test_a_search_for_nodes_does_not_offer_those_that_take_no_work(ada: Person, make_node: Make) -> None:
    make_node("away", status="OFFLINE")
    answer = send(ada, "/sets/new", "node_ids", [], **{"find": "all", "find.q": ""})
    assert boxes(answer.text) == {1: False}
    assert "offline" in said(answer)
