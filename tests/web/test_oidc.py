"""Login by OIDC, against an issuer on loopback that a test bends: who gets in, as whom, and what is refused."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import OctKey
from pytest_mock import MockerFixture
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.db import db
from app.models import Event, Role, User
from app.services import users
from app.services.events import SYSTEM
from app.services.users import get_user_by_name, update_user
from tests.support.application import PASSWORD
from tests.support.issuer import CLIENT_ID, CLIENT_SECRET, FakeIssuer, new_key, signed
from tests.web.conftest import SetUp, begin, enter, said, token_in


def user_of(site: Flask, name: str) -> User:
    with site.app_context():
        return get_user_by_name(name)


def refusals(site: Flask) -> list[str]:
    with site.app_context():
        is_refused = (Event.action == "user.login") & (Event.outcome == "refused")
        return [str(row.detail) for row in db.session.scalars(select(Event).where(is_refused))]


def ensure_refused(site: Flask, answer: TestResponse, why: str) -> None:
    assert (answer.status_code, "Log in" in answer.text) == (401, True)
    assert why in said(answer)
    assert [why in detail for detail in refusals(site)] == [True]


def test_who_is_known_to_the_issuer_gets_in_with_the_claims_role(site: Flask, issuer: FakeIssuer) -> None:
    client, answer = enter(site, issuer, "/nodes?q=web")
    assert (answer.status_code, answer.location) == (303, "/nodes?q=web")
    assert "grace operator" in said(client.get("/account"))
    user = user_of(site, "grace")
    assert (user.role, user.has_password) == (Role.OPERATOR, False)


def test_the_highest_role_of_the_claim_counts(site: Flask, issuer: FakeIssuer) -> None:
    issuer.person["groups"] = ["all", "bosses", "ops"]
    client, _ = enter(site, issuer)
    assert client.get("/users").status_code == 200


def test_a_role_may_be_one_text_inside_of_another_claim(set_up: SetUp, issuer: FakeIssuer) -> None:
    site = set_up(OIDC_ROLE_CLAIM="realm.roles")
    issuer.person["realm"] = {"roles": "bosses"}
    client, _ = enter(site, issuer)
    assert client.get("/users").status_code == 200


def test_es256_is_taken_too(site: Flask, issuer: FakeIssuer) -> None:
    issuer.algorithm = "ES256"
    issuer.new_key()
    _, answer = enter(site, issuer)
    assert answer.status_code == 303


def test_a_login_never_leads_to_another_site(site: Flask, issuer: FakeIssuer) -> None:
    _, answer = enter(site, issuer, "//evil.example/")
    assert answer.location == "/"


def test_the_cookie_is_another_after_the_login(site: Flask, issuer: FakeIssuer) -> None:
    client = site.test_client()
    path = issuer.authorize(begin(client))
    before = client.get_cookie("bareboat_session")
    client.get(path)
    after = client.get_cookie("bareboat_session")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    with client.session_transaction() as session:
        assert "sent_to_issuer" not in session


def test_a_login_is_listed_and_told(site: Flask, issuer: FakeIssuer) -> None:
    client, _ = enter(site, issuer)
    assert "this one" in said(client.get("/account"))
    with site.app_context():
        rows = db.session.scalars(select(Event).where(Event.actor == "grace").order_by(Event.id)).all()
        told = [(row.action, row.outcome) for row in rows]
        assert told == [("user.create", "ok"), ("user.login", "ok")]
        assert issuer.url in str(rows[1].detail)


@pytest.mark.parametrize("query", ["code=x&state=wrong", "code=x", "state=", "error=access_denied&state=wrong", ""])
def test_an_answer_to_no_question_of_ours_is_refused(site: Flask, issuer: FakeIssuer, query: str) -> None:
    client = site.test_client()
    begin(client)
    ensure_refused(site, client.get(f"/login/oidc/callback?{query}"), "does not belong to a login that was begun here")
    assert "/token" not in issuer.asked


def test_another_browsers_answer_is_refused(site: Flask, issuer: FakeIssuer) -> None:
    """Else somebody could be logged in as somebody else without noticing."""
    path = issuer.authorize(begin(site.test_client()))
    ensure_refused(site, site.test_client().get(path), "does not belong to a login that was begun here")


def test_a_code_is_good_once(site: Flask, issuer: FakeIssuer) -> None:
    client = site.test_client()
    path = issuer.authorize(begin(client))
    cookie = client.get_cookie("bareboat_session")
    assert cookie is not None
    assert client.get(path).status_code == 303
    thief = site.test_client()  # with all that the browser had before
    thief.set_cookie("bareboat_session", cookie.value)
    ensure_refused(site, thief.get(path), "does not take the code")


def test_who_says_no_at_the_issuer_is_not_in(site: Flask, issuer: FakeIssuer) -> None:
    client = site.test_client()
    state = issuer.authorize(begin(client)).partition("state=")[2]
    answer = client.get(f"/login/oidc/callback?error=access_denied&state={state}")
    ensure_refused(site, answer, "Example Login has not let you in")


def test_an_answer_that_names_another_issuer_is_refused(site: Flask, issuer: FakeIssuer) -> None:
    client = site.test_client()
    path = issuer.authorize(begin(client))
    ensure_refused(site, client.get(f"{path}&iss=https://evil.example"), "of another login server")


@pytest.mark.parametrize(
    "bent",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another client"},
        {"aud": [CLIENT_ID, "another"]},
        {"aud": [CLIENT_ID], "azp": "another"},
        {"iss": "https://evil.example"},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"iat": 9_999_999_999},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a\x00b"},
        {"sub": "é"},
        {"at_hash": "bm90IGl0"},
    ],
    ids=str,
)
def test_a_claim_that_is_wrong_lets_nobody_in(site: Flask, issuer: FakeIssuer, bent: dict[str, Any]) -> None:
    issuer.bent = bent
    client, answer = enter(site, issuer)
    assert answer.status_code == 401
    assert len(refusals(site)) == 1
    assert client.get("/nodes").location.startswith("/login")


def encoded(header: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")


def unsigned(issuer: FakeIssuer, claims: dict[str, Any]) -> str:
    body = signed(issuer, claims).split(".")[1]
    return f"{encoded({'alg': 'none'})}.{body}."


def signed_with_the_secret(issuer: FakeIssuer, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(CLIENT_SECRET.encode() * 2), ["HS256"])


def signed_with_the_public_key(issuer: FakeIssuer, claims: dict[str, Any]) -> str:
    """As if it were a secret: the classic confusion of algorithms."""
    kid = issuer.key.kid
    body = f"{encoded({'alg': 'HS256', 'kid': kid})}.{signed(issuer, claims).split('.')[1]}"
    mac = hmac.digest(issuer.key.as_pem(private=False), body.encode(), "sha256")
    return f"{body}.{urlsafe_b64encode(mac).decode().rstrip('=')}"


def signed_by_another(issuer: FakeIssuer, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": issuer.key.kid}, claims, new_key("RS256"), ["RS256"])


def signed_by_another_way(issuer: FakeIssuer, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "PS256", "kid": issuer.key.kid}, claims, issuer.key, ["PS256"])


def altered(issuer: FakeIssuer, claims: dict[str, Any]) -> str:
    head, _, end = signed(issuer, claims).split(".")
    return f"{head}.{signed(issuer, claims | {'groups': 'bosses'}).split('.')[1]}.{end}"


def nonsense(issuer: FakeIssuer, claims: dict[str, Any]) -> str:
    return "not.a.token"


@pytest.mark.parametrize(
    "token",
    [
        unsigned,
        signed_with_the_secret,
        signed_with_the_public_key,
        signed_by_another,
        signed_by_another_way,
        altered,
        nonsense,
    ],
    ids=lambda token: token.__name__,
)
def test_a_signature_that_is_not_the_issuers_lets_nobody_in(
    site: Flask, issuer: FakeIssuer, token: Callable[..., str]
) -> None:
    issuer.token = token
    _, answer = enter(site, issuer)
    ensure_refused(site, answer, "does not prove who you are")


@pytest.mark.parametrize("groups", [None, [], ["else"], "else", {"ops": True}, [["ops"]], 7])
def test_without_a_role_nobody_gets_in(site: Flask, issuer: FakeIssuer, groups: Any) -> None:
    issuer.person["groups"] = groups
    _, answer = enter(site, issuer)
    ensure_refused(site, answer, "gives you no role here")


@pytest.mark.parametrize("name", ["admin", "Admin", "bareboat", "cli:r", "(no login)", "", " x", "a\nb", "x" * 65, 7])
def test_a_name_that_is_taken_or_of_no_use_is_not_taken_over(site: Flask, issuer: FakeIssuer, name: Any) -> None:
    before = user_of(site, "admin")
    issuer.person |= {"preferred_username": name, "groups": ["bosses"]}
    client, answer = enter(site, issuer)
    assert answer.status_code == 401
    assert client.get("/users").location.startswith("/login")
    assert user_of(site, "admin").password_hash == before.password_hash


def test_whose_name_is_taken_reads_what_to_do(site: Flask, issuer: FakeIssuer) -> None:
    issuer.person["preferred_username"] = "admin"
    _, answer = enter(site, issuer)
    ensure_refused(site, answer, "have your name changed at Example Login")


def test_a_subject_is_who_counts_whatever_the_name(site: Flask, issuer: FakeIssuer) -> None:
    enter(site, issuer)
    issuer.person["preferred_username"] = "hopper"
    client, _ = enter(site, issuer)
    assert "grace operator" in said(client.get("/account"))
    issuer.person |= {"preferred_username": "grace", "sub": "s-2"}
    _, answer = enter(site, issuer)
    ensure_refused(site, answer, "The name grace is taken")


def test_who_is_disabled_stays_out(site: Flask, issuer: FakeIssuer) -> None:
    enter(site, issuer)
    with site.app_context():
        update_user(get_user_by_name("grace").id, {"is_active": False}, SYSTEM)
    _, answer = enter(site, issuer)
    ensure_refused(site, answer, "The account grace is disabled here")


def test_the_role_follows_the_claim_at_each_login(site: Flask, issuer: FakeIssuer) -> None:
    issuer.person["groups"] = ["bosses"]
    earlier, _ = enter(site, issuer)
    issuer.person["groups"] = ["all"]
    client, _ = enter(site, issuer)
    assert user_of(site, "grace").role is Role.VIEWER
    assert client.get("/users").status_code == 403
    assert earlier.get("/nodes").location.startswith("/login")


def test_who_has_lost_every_role_is_logged_out_elsewhere_too(site: Flask, issuer: FakeIssuer) -> None:
    earlier, _ = enter(site, issuer)
    issuer.person["groups"] = []
    enter(site, issuer)
    assert earlier.get("/nodes").location.startswith("/login")


def test_who_logs_in_by_oidc_sets_no_password(site: Flask, issuer: FakeIssuer) -> None:
    client, _ = enter(site, issuer)
    page = client.get("/account")
    assert "You log in by OIDC" in said(page)
    form = {"current_password": "x", "password": PASSWORD, "again": PASSWORD, "csrf_token": token_in(page)}
    assert "has no password here" in said(client.post("/account/password", data=form))


@pytest.mark.parametrize("password", ["", "x", PASSWORD])
def test_no_password_lets_in_who_has_none(
    site: Flask, issuer: FakeIssuer, mocker: MockerFixture, password_hash: str, password: str
) -> None:
    """Not even what unknown names are compared with, which is PASSWORD here."""
    enter(site, issuer)
    mocker.patch.object(users, "_nobodys_hash", return_value=password_hash)
    other = site.test_client()
    form = {"name": "grace", "password": password, "csrf_token": token_in(other.get("/login"))}
    answer = other.post("/login", data=form)
    assert (answer.status_code, "Whoever was added by Example Login has no password" in said(answer)) == (401, True)


def test_nobody_gives_a_password_to_who_logs_in_by_oidc(
    site: Flask, issuer: FakeIssuer, person_of: Callable[[str], FlaskClient]
) -> None:
    enter(site, issuer)
    path = f"/api/v1/users/{user_of(site, 'grace').id}"
    answer = person_of("admin").patch(path, json={"password": PASSWORD, "role": "admin"})
    assert (answer.status_code, answer.json["error"]) == (409, "wrong_state")
    assert "has no password here" in answer.json["message"]
    assert user_of(site, "grace").role is Role.OPERATOR
    page = said(person_of("admin").get(f"/users/{user_of(site, 'grace').id}"))
    assert "grace logs in by OIDC: there is no password here" in page
    assert "Reset the password" not in page
    assert user_of(site, "grace").password_hash == ""


def test_an_admin_by_oidc_is_not_asked_for_a_second_factor_of_ours(site: Flask, issuer: FakeIssuer) -> None:
    site.config["REQUIRE_SECOND_FACTOR_FOR_ADMINS"] = True
    issuer.person["groups"] = ["bosses"]
    client, _ = enter(site, issuer)
    assert client.get("/users").status_code == 200
