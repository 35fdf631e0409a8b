"""The second factor on the pages: set up, logged in with, turned off, reset, demanded."""

import re
from collections.abc import Callable

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.edge.identity import limiter
from app.secrets import Secret
from app.services import second_factor, users
from app.services.events import Actor
from tests.support.application import PASSWORD
from tests.web.conftest import Person, said, token_in

CODE = re.compile(r"\b(?:[a-z2-7]{4}-){3}[a-z2-7]{4}\b")


def set_up(app: Flask, name: str) -> list[str]:
    """The recovery codes."""
    with app.app_context():
        user = users.get_user_by_name(name)
        asker = Actor(user.name, user.role)
        secret = second_factor.begin(Secret(PASSWORD), asker).secret.reveal()
        return [code.reveal() for code in second_factor.confirm(pyotp.TOTP(secret).now(), asker)]


def send_password(client: FlaskClient, name: str = "viewer", wanted: str = "") -> TestResponse:
    form = {"name": name, "password": PASSWORD, "next": wanted, "csrf_token": token_in(client.get("/login"))}
    return client.post("/login", data=form)


def send_code(client: FlaskClient, code: str) -> TestResponse:
    return client.post("/login/code", data={"code": code, "csrf_token": token_in(client.get("/login/code"))})


def test_it_is_set_up_on_the_pages(vera: Person) -> None:
    page = vera.post("/account/second-factor", password=PASSWORD)
    secret = re.search(r'<code id="secret">([A-Z2-7]+)</code>', page.text)
    assert secret is not None
    assert 'src="data:image/svg+xml' in page.text
    assert "no-store" in page.headers["Cache-Control"]
    page = vera.post("/account/second-factor/confirm", code=pyotp.TOTP(secret[1]).now())
    assert len(CODE.findall(page.text)) == 10
    account = vera.get("/account")
    assert "Recovery codes left: 10" in said(account)
    assert secret[1] not in account.text


def test_a_wrong_first_code_is_asked_for_again(vera: Person) -> None:
    vera.post("/account/second-factor", password=PASSWORD)
    page = vera.post("/account/second-factor/confirm", code="none")
    assert page.status_code == 422
    assert "wrong" in said(page)
    assert 'id="secret"' in page.text


def test_a_wrong_password_sets_nothing_up(vera: Person) -> None:
    page = vera.post("/account/second-factor", password="a guess of mine")
    assert (page.status_code, 'id="secret"' in page.text) == (422, False)
    assert "This is not your password." in said(page)


def test_the_password_alone_logs_nobody_in_that_has_one(app: Flask) -> None:
    codes, client = set_up(app, "viewer"), app.test_client()
    assert send_password(client, wanted="/jobs").location == "/login/code"
    assert client.get("/nodes").location.startswith("/login")
    assert send_code(client, "000000x").status_code == 401
    assert client.get("/nodes").location.startswith("/login")
    assert send_code(client, codes[0]).location == "/jobs"
    assert client.get("/nodes").status_code == 200


def test_a_recovery_code_does_not_log_in_twice(app: Flask) -> None:
    codes, first, second = set_up(app, "viewer"), app.test_client(), app.test_client()
    send_password(first)
    send_password(second)
    assert send_code(first, codes[0]).status_code == 303
    assert send_code(second, codes[0]).status_code == 401


def test_a_code_without_the_password_is_worth_nothing(app: Flask) -> None:
    set_up(app, "viewer")
    client = app.test_client()
    assert client.get("/login/code").location == "/login"
    token = token_in(client.get("/login"))
    assert client.post("/login/code", data={"code": "1", "csrf_token": token}).location == "/login"


def test_a_password_that_was_changed_meanwhile_leads_back_to_the_login(app: Flask) -> None:
    codes, client = set_up(app, "viewer"), app.test_client()
    send_password(client)
    token = token_in(client.get("/login/code"))
    with app.app_context():
        user = users.get_user_by_name("viewer")
        users.update_user(user.id, {"password": Secret("another long password")}, Actor("admin", user.role))
    assert client.post("/login/code", data={"code": codes[0], "csrf_token": token}).location == "/login"


def asked_for_a_code(make_app: Callable[..., Flask], rate: str) -> tuple[FlaskClient, str]:
    """A browser whose password was right, where logins are limited, and the token of the form for the code."""
    app = make_app(RATELIMIT_ENABLED=True, LOGIN_RATE_LIMIT=rate)
    limiter.reset()
    set_up(app, "viewer")
    client = app.test_client()
    send_password(client)
    return client, token_in(client.get("/login/code"))


def test_codes_are_guessed_no_faster_than_passwords(make_app: Callable[..., Flask]) -> None:
    client, token = asked_for_a_code(make_app, "2 per minute")
    knocks = [{"REMOTE_ADDR": f"192.0.2.{number}"} for number in range(3)]
    form = {"code": "nonsense", "csrf_token": token}
    answers = [client.post("/login/code", data=form, environ_overrides=knock) for knock in knocks]
    assert [answer.status_code for answer in answers] == [401, 401, 429]


def test_it_is_turned_off_with_password_and_code(app: Flask, vera: Person) -> None:
    codes = set_up(app, "viewer")
    assert vera.post("/account/second-factor/off", password=PASSWORD, code="nonsense").status_code == 422
    assert "is off" in vera.submit("/account/second-factor/off", password=PASSWORD, code=codes[0])


def test_new_recovery_codes_are_shown_once_and_the_old_ones_are_over(app: Flask, vera: Person) -> None:
    path, old = "/account/second-factor/recovery-codes", set_up(app, "viewer")
    assert vera.post(path, password=PASSWORD, code="nonsense").status_code == 422
    page = vera.post(path, password=PASSWORD, code=old[0])
    new = CODE.findall(page.text)
    assert len(new) == 10
    assert "no-store" in page.headers["Cache-Control"]
    account = vera.get("/account")
    assert "Recovery codes left: 10" in said(account)
    assert CODE.findall(account.text) == []
    client = app.test_client()
    send_password(client)
    assert [send_code(client, code).status_code for code in (old[1], new[1])] == [401, 303]


def test_an_admin_resets_it_for_somebody_who_lost_it(app: Flask, ada: Person, vera: Person) -> None:
    set_up(app, "viewer")
    with app.app_context():
        user_id = users.get_user_by_name("viewer").id
    assert "is reset" in ada.submit(f"/users/{user_id}/second-factor/reset")
    assert vera.get("/nodes").location.startswith("/login")
    assert send_password(app.test_client()).location == "/"
    assert "has no second factor" in ada.submit(f"/users/{user_id}/second-factor/reset")


@pytest.mark.parametrize("path", ["/", "/nodes", "/users", "/events", "/tokens"])
def test_an_admin_without_one_gets_to_the_account_only_where_it_is_demanded(
    app: Flask, ada: Person, otto: Person, path: str
) -> None:
    app.config["REQUIRE_SECOND_FACTOR_FOR_ADMINS"] = True
    assert ada.get(path).location == "/account"
    assert ada.get("/account").status_code == 200
    assert ada.client.get("/api/v1/nodes").json["error"] == "second_factor_needed"
    assert otto.get("/nodes").status_code == 200
    set_up(app, "admin")
    assert ada.get(path).status_code == 200


def test_codes_are_not_guessed_at_for_hours(make_app: Callable[..., Flask]) -> None:
    """Three of a million count at a time: as many guesses as at a password would find one within weeks."""
    client, token = asked_for_a_code(make_app, "1000 per minute")
    form = {"code": "000000", "csrf_token": token}
    statuses = [client.post("/login/code", data=form).status_code for _ in range(31)]
    assert statuses == [401] * 30 + [429]
