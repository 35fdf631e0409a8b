"""Every page for every role: what is shown, what is refused, and who is sent to the login."""

from collections.abc import Callable, Iterable

import pytest
from flask import Flask

from app.db import unit_of_work
from app.models import ForgeKind, Project
from app.secrets import Secret
from app.services import channels, credentials, githosts, hooks, project_sets, runs, schedules
from app.services.events import SYSTEM
from tests.support.application import GIT_URL
from tests.web.conftest import Person

FOR_ALL = ("/", "/nodes", "/nodes/1", "/projects", "/projects/1", "/projects/1/worktree", "/jobs", "/jobs/1", "/keys")
FOR_ALL += ("/jobs/1/log", "/tokens", "/account", "/schedules", "/schedules/1")
FOR_ALL += ("/credentials", "/git-hosts", "/trash")
FOR_OPERATORS = ("/projects/new", "/projects/1/delete", "/projects/1/edit", "/projects/1/reset", "/projects/1/command")
FOR_OPERATORS += ("/projects/1/schedules/new", "/schedules/1/delete")
FOR_OPERATORS += ("/projects/1/credential", "/jobs/cancel")
FOR_ALL += ("/runs", "/runs/1", "/playbooks", "/playbooks/example", "/projects/1/playbooks")
FOR_OPERATORS += ("/runs/new",)
FOR_ALL += ("/projects/1/hooks/1",)
FOR_ALL += ("/sets", "/sets/1", "/sets/1/hooks/2")
FOR_OPERATORS += ("/sets/new", "/sets/1/edit", "/sets/1/delete", "/sets/1/nodes/1/remove")
FOR_OPERATORS += ("/sets/1/hooks/new", "/sets/1/hooks/2/rotate", "/sets/1/hooks/2/delete")
FOR_OPERATORS += ("/projects/1/hooks/new", "/projects/1/hooks/1/rotate", "/projects/1/hooks/1/delete")
FOR_ADMINS = ("/nodes/new", "/nodes/1/edit", "/nodes/1/delete", "/nodes/1/host-keys/1/unpin", "/keys/new", "/events")
FOR_ADMINS += ("/credentials/new", "/credentials/1/delete")
FOR_ADMINS += ("/notification-channels", "/notification-channels/new", "/notification-channels/1")
FOR_ADMINS += ("/notification-channels/1/delete", "/notification-channels/1/rotate")
FOR_ADMINS += ("/keys/1/delete", "/keys/1/rotate", "/users", "/users/new", "/users/1", "/users/2")
OPEN = {
    "web.static",
    "web.login",
    "web.log_in",
    "web.logout",
    "web.ask_code",
    "web.send_code",
    "web.begin_oidc",
    "web.finish_oidc",
}


@pytest.fixture
def content(app: Flask, request_clone: Callable[..., tuple[int, int]]) -> None:
    """One key, node, project, job and schedule, each with the id 1."""
    assert request_clone() == (1, 1)
    with app.app_context():
        values = {"name": "shop", "kind": "https", "host": "git.example.com", "username": "bot"}
        credentials.create_credential(values | {"token": Secret("t0ken")}, SYSTEM)
        githosts.create_host("github.com", 22, SYSTEM)
        channels.create_channel({"name": "ops", "kind": "json", "url": Secret("https://192.0.2.9/")}, SYSTEM)
        project_sets.create_set({"name": "all", "git_url": GIT_URL}, [], runs.RunOptions(), SYSTEM)
        for owner in (hooks.HookOwner(1), hooks.HookOwner(set_id=1)):
            hooks.create_hook(owner, {"forge": ForgeKind.GITHUB}, SYSTEM)
        with unit_of_work() as session:
            session.get_one(Project, 1).set_id = 1
        runs.request_run("project.pull", {}, [1], runs.RunOptions(), SYSTEM)
        schedules.create_schedule({"name": "nightly", "project_id": 1, "cron": "0 4 * * *"}, SYSTEM)


def test_a_viewer_sees_what_is_for_all_and_is_refused_the_rest(content: None, vera: Person) -> None:
    assert _statuses(vera, FOR_ALL) == {200}
    assert _statuses(vera, FOR_OPERATORS + FOR_ADMINS) == {403}


def test_an_operator_sees_what_is_for_operators_and_is_refused_the_rest(content: None, otto: Person) -> None:
    assert _statuses(otto, FOR_ALL + FOR_OPERATORS) == {200}
    assert _statuses(otto, FOR_ADMINS) == {403}


def test_an_admin_sees_everything(content: None, ada: Person) -> None:
    assert _statuses(ada, FOR_ALL + FOR_OPERATORS + FOR_ADMINS) == {200}


def test_a_refused_page_has_a_way_back(vera: Person) -> None:
    assert "To the dashboard" in vera.get("/events").text


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


def test_an_empty_installation_has_useful_pages(ada: Person) -> None:
    assert "Make or import a key" in ada.get("/").text
    assert "Add the first node" in ada.get("/nodes").text
    assert "Clone the first one" in ada.get("/projects").text
    assert "Add a node</a> first" in ada.get("/projects/new").text
    assert "No job has run yet" in ada.get("/jobs").text
    assert "Make the first one" in ada.get("/keys").text
    assert "You have none" in ada.get("/tokens").text


@pytest.mark.parametrize("path", ["/nodes/99", "/nodes/9999999999999999999999", "/projects/0", "/jobs/-1", "/nowhere"])
def test_what_is_not_there_is_a_page_with_a_way_back(ada: Person, path: str) -> None:
    answer = ada.get(path)
    assert answer.status_code == 404
    assert "To the dashboard" in answer.text


def test_an_odd_address_shows_the_list_all_the_same(content: None, ada: Person) -> None:
    queries = ("page=0", "page=-3", "page=x", "page=9999999999999999999", "status=BOGUS", "node_id=x", "state=%00")
    assert _statuses(ada, [f"{path}?{query}" for path in ("/nodes", "/projects", "/jobs") for query in queries]) == {
        200
    }


def test_a_viewer_sees_no_button_that_is_refused_to_viewers(content: None, vera: Person) -> None:
    pages = "".join(vera.get(path).text for path in FOR_ALL)
    posts = {part.split('"')[0] for part in pages.split('<form class="act" method="post" action="')[1:]}
    assert posts <= {"/logout", "/account/sessions/end"}
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


def _statuses(person: Person, paths: Iterable[str]) -> set[int]:
    return {person.get(path).status_code for path in paths}
