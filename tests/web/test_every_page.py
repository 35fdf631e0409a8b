"""Every page for every role: what is shown, what is refused, and who is sent to the login."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.web.conftest import Person

FOR_ALL = ("/", "/nodes", "/nodes/1", "/projects", "/projects/1", "/projects/1/worktree", "/jobs", "/jobs/1", "/keys")
FOR_ALL += ("/jobs/1/log", "/tokens")
FOR_OPERATORS = ("/projects/new", "/projects/1/delete", "/projects/1/reset")
FOR_ADMINS = ("/nodes/new", "/nodes/1/edit", "/nodes/1/delete", "/nodes/1/host-keys/1/unpin", "/keys/new", "/events")
FOR_ADMINS += ("/keys/1/delete",)
OPEN = {"web.static", "web.login", "web.log_in", "web.logout"}


@pytest.fixture
def content(request_clone: Callable[..., tuple[int, int]]) -> None:
    """One key, node, project and job, each with the id 1."""
    assert request_clone() == (1, 1)


@pytest.mark.parametrize("path", FOR_ALL)
def test_a_viewer_sees_what_is_for_all(content: None, vera: Person, path: str) -> None:
    assert vera.get(path).status_code == 200


@pytest.mark.parametrize("path", FOR_OPERATORS)
def test_an_operator_sees_what_is_for_operators(content: None, otto: Person, path: str) -> None:
    assert otto.get(path).status_code == 200


@pytest.mark.parametrize("path", FOR_ADMINS)
def test_an_admin_sees_what_is_for_admins(content: None, ada: Person, path: str) -> None:
    assert ada.get(path).status_code == 200


@pytest.mark.parametrize("path", FOR_OPERATORS + FOR_ADMINS)
def test_a_viewer_is_refused_what_is_for_others(content: None, vera: Person, path: str) -> None:
    answer = vera.get(path)
    assert answer.status_code == 403
    assert "To the dashboard" in answer.text


@pytest.mark.parametrize("path", FOR_ADMINS)
def test_an_operator_is_refused_what_is_for_admins(content: None, otto: Person, path: str) -> None:
    assert otto.get(path).status_code == 403


def test_every_view_says_which_role_it_needs(app: Flask) -> None:
    views = {name: view for name, view in app.view_functions.items() if name.startswith("web.")}
    assert {name for name, view in views.items() if not hasattr(view, "required_role")} == OPEN


def test_every_view_sends_nobody_to_the_login(app: Flask) -> None:
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("web.") and rule.endpoint not in OPEN and "GET" in (rule.methods or ()):
            built = rule.build(dict.fromkeys(rule.arguments, 1))
            assert built is not None
            assert client.get(built[1]).location.startswith("/login"), rule


@pytest.mark.parametrize("path", ["/", "/nodes", "/projects", "/projects/new", "/jobs", "/keys", "/tokens", "/events"])
def test_an_empty_installation_has_useful_pages(ada: Person, path: str) -> None:
    assert ada.get(path).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/nodes/99", "/projects/99", "/jobs/99", "/nodes/9999999999999999999999", "/projects/0", "/jobs/-1", "/nowhere"],
)
def test_what_is_not_there_is_a_page_with_a_way_back(ada: Person, path: str) -> None:
    answer = ada.get(path)
    assert answer.status_code == 404
    assert "To the dashboard" in answer.text


@pytest.mark.parametrize(
    "query",
    ["?page=0", "?page=-3", "?page=x", "?page=99999999999999999999", "?status=BOGUS", "?node_id=x", "?state=%00"],
)
@pytest.mark.parametrize("path", ["/nodes", "/projects", "/jobs"])
def test_an_odd_address_shows_the_list_all_the_same(content: None, ada: Person, path: str, query: str) -> None:
    assert ada.get(path + query).status_code == 200


def test_a_viewer_sees_no_button_that_is_refused_to_viewers(content: None, vera: Person) -> None:
    pages = "".join(vera.get(path).text for path in FOR_ALL)
    posts = {part.split('"')[0] for part in pages.split('<form class="act" method="post" action="')[1:]}
    assert posts <= {"/logout"}
    assert "/new" not in pages
    assert "/delete" not in pages


def test_no_page_has_anything_inline(content: None, ada: Person) -> None:
    pages = "".join(ada.get(path).text for path in FOR_ALL + FOR_OPERATORS + FOR_ADMINS)
    for forbidden in ("<style", " style=", "hx-on", "onclick=", "javascript:", "<script>"):
        assert forbidden not in pages


def test_a_demo_says_so_on_every_page(make_app: Callable[..., Flask]) -> None:
    page = make_app(DEMO=True).test_client().get("/login").text
    assert "throw-away" in page


def test_a_real_installation_is_no_demo(app: Flask) -> None:
    assert "throw-away" not in app.test_client().get("/login").text


def test_every_page_has_a_title_of_its_own(content: None, ada: Person) -> None:
    titles = [ada.get(path).text.split("<title>")[1].split("</title>")[0] for path in FOR_ALL if "log" not in path]
    assert len(set(titles)) == len(titles)
