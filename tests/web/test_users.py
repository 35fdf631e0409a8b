"""Admins look after users; everybody changes an own password."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.edge.identity import limiter
from app.secrets import Secret
from app.services import users
from tests.support.application import PASSWORD
from tests.web.conftest import Person, said, token_in

NEW = "another long enough password"


@pytest.fixture
def otto_id(app: Flask) -> int:
    with app.app_context():
        return users.get_user_by_name("operator").id


def test_a_user_is_added_and_listed(ada: Person) -> None:
    page = ada.submit("/users/new", name="grace", role="operator", password=NEW)
    assert "The operator grace is made" in page
    assert "grace operator active" in page


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"password": "short"}, "Length must be between 10 and 1024"),
        ({"name": "viewer"}, "In use."),
        ({"role": "root"}, "Must be one of"),
    ],
)
def test_a_refused_user_keeps_the_name_and_never_the_password(ada: Person, fields: dict[str, str], rule: str) -> None:
    answer = ada.post("/users/new", **{"name": "grace", "role": "viewer", "password": NEW} | fields)
    assert answer.status_code == 422
    assert rule in said(answer)
    assert NEW not in answer.text
    assert 'autocomplete="new-password"' in answer.text


def test_a_changed_role_counts_at_once_and_the_log_says_from_what_to_what(
    ada: Person, vera: Person, app: Flask
) -> None:
    with app.app_context():
        vera_id = users.get_user_by_name("viewer").id
    assert "the new role counts from now on" in ada.submit(f"/users/{vera_id}/role", role="operator")
    assert vera.get("/nodes").location.startswith("/login")
    assert "role: viewer → operator" in said(ada.get("/events"))


def test_a_disabled_user_is_out_and_comes_back_when_enabled(ada: Person, otto: Person, otto_id: int) -> None:
    page = ada.submit(f"/users/{otto_id}/state", is_active="off")
    assert "disabled" in page
    assert "Enable operator" in page
    assert otto.get("/nodes").location.startswith("/login")
    assert "Disable operator" in ada.submit(f"/users/{otto_id}/state", is_active="on")
    assert "is_active: true → false" in said(ada.get("/events"))


def test_a_reset_password_is_the_one_to_log_in_with(ada: Person, otto_id: int, app: Flask) -> None:
    assert "the new password is needed" in ada.submit(f"/users/{otto_id}/password", password=NEW)
    assert NEW not in ada.get("/events").text
    with app.app_context():
        assert users.authenticate("operator", Secret(NEW), None).id == otto_id


def test_a_password_that_is_too_short_is_said_at_its_field(ada: Person, otto_id: int) -> None:
    answer = ada.post(f"/users/{otto_id}/password", password="short")
    assert answer.status_code == 422
    assert 'id="password-wrong"' in answer.text


def test_an_admin_does_not_shut_the_own_account(ada: Person, app: Flask) -> None:
    with app.app_context():
        own_id = users.get_user_by_name("admin").id
    assert "This is you" in said(ada.get(f"/users/{own_id}"))
    refused = ada.post(f"/users/{own_id}/state", is_active="off")
    assert refused.status_code == 422
    assert "your own account" in said(refused)
    assert ada.get("/users").status_code == 200


@pytest.mark.parametrize("act", ["role", "state", "password"])
def test_only_admins_change_users(otto: Person, otto_id: int, act: str) -> None:
    assert otto.post(f"/users/{otto_id}/{act}", role="admin").status_code == 403


def test_ones_own_password_is_changed_and_other_browsers_are_out(
    vera: Person, log_in: Callable[[str], Person], app: Flask
) -> None:
    elsewhere = log_in("viewer")
    page = vera.submit("/account/password", current_password=PASSWORD, password=NEW, again=NEW)
    assert "Your password is changed" in page
    assert vera.get("/nodes").status_code == 200
    assert elsewhere.get("/nodes").location.startswith("/login")
    with app.app_context():
        assert users.authenticate("viewer", Secret(NEW), None).name == "viewer"


@pytest.mark.parametrize(
    ("fields", "field", "rule"),
    [
        ({"current_password": "not the password"}, "current_password", "This is not your password"),
        ({"again": "something else"}, "again", "Not the same as the new password"),
        ({"password": "too few", "again": "too few"}, "password", "Length must be between 10 and 1024"),
    ],
)
def test_a_password_that_is_not_changed_says_why_and_ends_no_session(
    vera: Person, log_in: Callable[[str], Person], fields: dict[str, str], field: str, rule: str
) -> None:
    elsewhere = log_in("viewer")
    typed = {"current_password": PASSWORD, "password": NEW, "again": NEW} | fields
    answer = vera.post("/account/password", **typed)
    assert answer.status_code == 422
    assert f'id="{field}-wrong"' in answer.text
    assert rule in said(answer)
    assert all(secret not in answer.text for secret in typed.values())
    assert elsewhere.get("/nodes").status_code == 200


def test_the_password_is_not_guessed_faster_than_at_the_login(make_app: Callable[..., Flask]) -> None:
    app = make_app(RATELIMIT_ENABLED=True, LOGIN_RATE_LIMIT="2 per minute")
    limiter.reset()
    client = app.test_client()
    person = Person(client, "")
    form = {"name": "viewer", "password": PASSWORD, "csrf_token": token_in(client.get("/login"))}
    client.post("/login", data=form)
    guess = {"current_password": "wrong", "password": NEW, "again": NEW, "csrf_token": token_in(person.get("/account"))}
    answers = [client.post("/account/password", data=guess) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [422, 422, 429]


def test_the_account_leads_to_the_api_tokens(vera: Person) -> None:
    assert 'href="/account"' in vera.get("/").text
    assert 'href="/tokens"' in vera.get("/account").text
