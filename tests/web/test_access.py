"""Who may do what on the pages: every view and method of the URL map, as every role and as nobody."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from app.edge.identity import limiter
from app.models import Role
from tests.web.conftest import Person, token_in
from tests.web.test_every_page import OPEN

MISSING_ID = 999_999
VIEWERS_ACTS = {
    "web.change_password",
    "web.begin_second_factor",
    "web.renew_recovery_codes",
    "web.confirm_second_factor",
    "web.disable_second_factor",
    "web.end_one_session",
    "web.end_own_sessions",
    "web.create_token",
    "web.revoke_token",
}
ENDS_ALL = "web.end_own_sessions"  # asked last: whoever asks is nobody afterwards


def rules_of(app: Flask) -> Iterator[tuple[str, str, str, Role]]:
    """Endpoint, method, path and needed role. A view without a rule has no `required_role`, and fails here."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.endpoint == ENDS_ALL):
        if rule.endpoint.startswith("web.") and rule.endpoint not in OPEN:
            built = rule.build(dict.fromkeys(rule.arguments, MISSING_ID))
            assert built is not None
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule.endpoint, method, built[1], app.view_functions[rule.endpoint].required_role  # type: ignore[attr-defined]


def status_of(person: Person, method: str, path: str) -> int:
    return (person.post if method == "POST" else person.get)(path).status_code


@pytest.mark.parametrize("role", list(Role))
def test_each_page_and_form_lets_in_its_role_and_those_above(
    app: Flask, log_in: Callable[[str], Person], role: Role
) -> None:
    person = log_in(role.value)
    answers = {(method, path): (status_of(person, method, path), needed) for _, method, path, needed in rules_of(app)}
    wrong = {key for key, (status, needed) in answers.items() if (status != 403) != role.includes(needed)}
    assert wrong == set()
    assert {key for key, (status, _) in answers.items() if status >= 500 or status in (400, 401)} == set()


def test_nobody_is_let_in_by_any_page_or_form(app: Flask) -> None:
    person = Person(app.test_client(), "")
    answers = {(method, path): person.client.open(path, method=method) for _, method, path, _ in rules_of(app)}
    assert len(answers) > 80
    let_in = {key for key, answer in answers.items() if not is_refused(key[0], answer.status_code, answer.location)}
    assert let_in == set()


def test_nobody_is_let_in_by_a_form_s_token_of_a_visitor(make_app: Callable[..., Flask]) -> None:
    """Whoever has seen the login has a session, and a token for its forms; limits are asked before roles."""
    site = make_app(RATELIMIT_ENABLED=True)
    limiter.reset()
    visitor = site.test_client()
    form = {"csrf_token": token_in(visitor.get("/login"))}
    answers = {path: visitor.post(path, data=form) for _, method, path, _ in rules_of(site) if method == "POST"}
    assert len(answers) > 60
    assert {path: answer.status_code for path, answer in answers.items() if answer.location != "/login"} == {}


def is_refused(method: str, status: int, location: str | None) -> bool:
    """A form of nobody's has no token of a session; a page leads to the login."""
    return status == 400 if method == "POST" else (status in (302, 303) and str(location).startswith("/login"))


def test_what_viewers_may_do_is_about_themselves(app: Flask) -> None:
    acts = {endpoint for endpoint, method, _, role in rules_of(app) if role is Role.VIEWER and method != "GET"}
    assert acts == VIEWERS_ACTS


@pytest.mark.parametrize("noun", ["/users", "/events", "/notification-channels"])
def test_users_events_and_channels_are_for_admins_whatever_the_view(app: Flask, noun: str) -> None:
    assert {role for _, _, path, role in rules_of(app) if path.startswith(noun)} == {Role.ADMIN}


@pytest.mark.parametrize("noun", ["/keys", "/nodes", "/credentials", "/git-hosts"])
def test_what_is_changed_of_keys_nodes_and_credentials_is_for_admins(app: Flask, noun: str) -> None:
    roles = {
        (path, role)
        for _, method, path, role in rules_of(app)
        if path.startswith(noun) and method == "POST" and not path.endswith("/probe")
    }
    assert {path for path, role in roles if role is not Role.ADMIN} == set()


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/xml"])
def test_a_form_of_another_type_is_refused(ada: Person, kind: str) -> None:
    headers = {"X-CSRFToken": ada.csrf_token}
    answer = ada.client.post("/users/new", data=b"{}", content_type=kind, headers=headers)
    assert answer.status_code == 415
