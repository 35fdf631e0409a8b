"""Where one is logged in: shown on the page Account, ended there, by an admin, and by a new login."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from pytest_mock import MockerFixture
from sqlalchemy import select

from app.db import db
from app.edge.identity import limiter
from app.errors import Unauthenticated
from app.models import Event
from app.secrets import Secret
from app.services import refusals
from app.services.users import authenticate, get_user_by_name
from tests.support.application import PASSWORD
from tests.web.conftest import Person, said, token_in


def other_logins(person: Person) -> list[str]:
    """The addresses that end them."""
    return re.findall(r'action="(/account/sessions/\d+/end)"', person.get("/account").text)


def test_one_ends_a_login_elsewhere_and_stays(log_in: Callable[[str], Person]) -> None:
    here, elsewhere = log_in("viewer"), log_in("viewer")
    assert "this one" in said(here.get("/account"))
    (path,) = other_logins(here)
    assert "has ended" in here.submit(path)
    assert elsewhere.get("/nodes").location.startswith("/login")
    assert here.get("/nodes").status_code == 200


def test_one_logs_out_everywhere(log_in: Callable[[str], Person]) -> None:
    here, elsewhere = log_in("viewer"), log_in("viewer")
    assert "in every other browser" in here.submit("/account/sessions/end")
    assert here.get("/nodes").location.startswith("/login")
    assert elsewhere.get("/nodes").location.startswith("/login")


def test_a_logout_leaves_the_other_browsers(log_in: Callable[[str], Person]) -> None:
    here, elsewhere = log_in("viewer"), log_in("viewer")
    here.post("/logout")
    assert here.get("/nodes").location.startswith("/login")
    assert elsewhere.get("/nodes").status_code == 200


def test_nobody_sees_or_ends_anothers(vera: Person, otto: Person) -> None:
    assert other_logins(vera) == []
    assert vera.post("/account/sessions/999/end").status_code == 404
    assert otto.get("/nodes").status_code == 200


def test_an_admin_ends_those_of_a_user(app: Flask, ada: Person, vera: Person) -> None:
    with app.app_context():
        user_id = get_user_by_name("viewer").id
    assert "a test" in said(ada.get(f"/users/{user_id}"))
    ada.post(f"/users/{user_id}/sessions/end")
    assert vera.get("/nodes").location.startswith("/login")
    assert "Not logged in anywhere" in said(ada.get(f"/users/{user_id}"))


def test_a_login_gives_another_cookie_and_ends_the_one_before(app: Flask, vera: Person) -> None:
    before = vera.client.get_cookie("bareboat_session")
    assert before is not None
    form = {"name": "operator", "password": PASSWORD, "csrf_token": vera.csrf_token}
    assert vera.client.post("/login", data=form).status_code == 303
    thief = app.test_client()
    thief.set_cookie("bareboat_session", before.value)
    assert thief.get("/nodes").location.startswith("/login")
    assert "operator" in vera.get("/account").text


def test_an_account_is_guessed_at_no_faster_from_many_addresses(make_app: Callable[..., Flask]) -> None:
    client = make_app(RATELIMIT_ENABLED=True, LOGIN_RATE_LIMIT="2 per minute").test_client()
    limiter.reset()
    form = {"name": "viewer", "password": "wrong", "csrf_token": token_in(client.get("/login"))}
    knocks = [{"REMOTE_ADDR": f"192.0.2.{number}"} for number in range(3)]
    answers = [client.post("/login", data=form, environ_overrides=knock) for knock in knocks]
    assert [answer.status_code for answer in answers] == [401, 401, 429]


def test_a_subscriber_s_whole_network_is_one_sender(make_app: Callable[..., Flask]) -> None:
    """Of IPv6 whoever has one address has 2**64 of them."""
    client = make_app(RATELIMIT_ENABLED=True, LOGIN_RATE_LIMIT="2 per minute").test_client()
    limiter.reset()
    token = token_in(client.get("/login"))
    addresses = ["2001:db8::1", "2001:db8::2:1", "2001:db8::3", "2001:db8:0:1::1", "::ffff:192.0.2.1", "192.0.2.2"]
    answers = [
        client.post(
            "/login",
            data={"name": f"nobody-{number}", "password": "wrong", "csrf_token": token},
            environ_overrides={"REMOTE_ADDR": address},
        )
        for number, address in enumerate(addresses)
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 429, 401, 401, 401]


def test_a_crowd_that_guesses_names_does_not_fill_the_audit_log(app: Flask, mocker: MockerFixture) -> None:
    mocker.patch.object(refusals, "LOGINS", 3)
    with app.app_context():
        for number in range(6):
            with pytest.raises(Unauthenticated):
                authenticate(f"nobody-{number}", Secret("a guess of mine"), f"192.0.2.{number}")
        told = db.session.scalars(select(Event.subject).where(Event.action == "user.login")).all()
    assert told == ["a name that no user has"] * 3
