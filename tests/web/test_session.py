"""Login, logout, and what a session is worth."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from pytest_mock import MockerFixture

from app.edge.identity import limiter
from app.web.session import is_own_path
from tests.support.application import PASSWORD
from tests.web.conftest import Person, said, token_in


def test_after_the_login_comes_the_page_that_was_wanted(app: Flask) -> None:
    client = app.test_client()
    asked = client.get("/nodes?q=web")
    page = client.get(asked.location)
    form = {"name": "viewer", "password": PASSWORD, "csrf_token": token_in(page), "next": "/nodes?q=web"}
    assert client.post("/login", data=form).location == "/nodes?q=web"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "/\n/evil",
        "javascript:x",
        "x",
        "",
    ],
)
def test_another_site_is_never_where_a_login_leads(target: str) -> None:
    assert not is_own_path(target)


def test_no_crowd_at_the_login_fills_the_memory(app: Flask, mocker: MockerFixture) -> None:
    """A password's check is dear by design, and nobody has to be anybody to ask for one."""
    together, most = Counter[str](), [0]

    def verify(*_: str) -> bool:
        together["now"] += 1
        most[0] = max(most[0], together["now"])
        threading.Event().wait(0.02)
        together["now"] -= 1
        return False

    mocker.patch("app.services.users._hasher").verify = verify
    client = app.test_client()
    form = {"name": "viewer", "password": "wrong", "csrf_token": token_in(client.get("/login"))}
    cookie = client.get_cookie("bareboat_session")
    assert cookie is not None
    headers = {"Cookie": f"bareboat_session={cookie.value}"}

    def knock(_: int) -> int:
        return app.test_client(use_cookies=False).post("/login", data=form, headers=headers).status_code

    with ThreadPoolExecutor(8) as crowd:
        assert set(crowd.map(knock, range(8))) == {401}
    assert most == [2]


def test_a_foreign_target_leads_home(app: Flask) -> None:
    client = app.test_client()
    form = {"name": "viewer", "password": PASSWORD, "csrf_token": token_in(client.get("/login"))}
    assert client.post("/login", data=form | {"next": "//evil.example"}).location == "/"


def test_a_wrong_password_and_an_unknown_name_read_the_same(app: Flask) -> None:
    client = app.test_client()
    token = token_in(client.get("/login"))
    answers = [
        client.post("/login", data={"name": name, "password": "wrong", "csrf_token": token, "next": "/jobs"})
        for name in ("viewer", "nosuch")
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert said(answers[0]) == said(answers[1])
    assert 'value="/jobs"' in answers[0].text


def test_a_login_without_its_token_is_refused_kindly(app: Flask) -> None:
    answer = app.test_client().post("/login", data={"name": "viewer", "password": PASSWORD})
    assert answer.status_code == 400
    assert "expired" in answer.text


def test_an_act_without_the_token_is_not_done(ada: Person, make_node: Callable[..., int]) -> None:
    node_id = make_node()
    assert ada.client.post(f"/nodes/{node_id}/delete").status_code == 400
    assert ada.get(f"/nodes/{node_id}").status_code == 200


def test_logout_ends_the_session(vera: Person) -> None:
    vera.post("/logout")
    assert vera.get("/nodes").location.startswith("/login")


def test_a_copy_of_the_cookie_is_worth_nothing_after_the_logout(app: Flask, vera: Person) -> None:
    thief = app.test_client()
    cookie = vera.client.get_cookie("bareboat_session")
    assert cookie is not None
    thief.set_cookie("bareboat_session", cookie.value)
    assert thief.get("/nodes").status_code == 200
    vera.post("/logout")
    assert thief.get("/nodes").location.startswith("/login")


def test_too_many_failures_are_throttled_and_a_page_says_so(make_app: Callable[..., Flask]) -> None:
    client = make_app(RATELIMIT_ENABLED=True, LOGIN_RATE_LIMIT="2 per minute").test_client()
    limiter.reset()
    form = {"name": "viewer", "password": "wrong", "csrf_token": token_in(client.get("/login"))}
    answers = [client.post("/login", data=form) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert "Wait a minute" in answers[-1].text


def test_a_page_that_refreshes_itself_is_sent_to_the_login(app: Flask) -> None:
    answer = app.test_client().get("/nodes", headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == "/login"


def test_a_page_that_refreshes_itself_does_not_keep_the_session_alive(vera: Person) -> None:
    assert vera.get("/nodes", headers={"X-Background": "1"}).headers.get("Set-Cookie") is None


KNOWN_KEYS = [
    "dev",
    "changeme",
    "\x02\x01thisismyscretkey\x01\x02\\e\\y\\y\\h",
    "CHANGE_ME_TO_A_COMPLEX_RANDOM_SECRET",
]


@pytest.mark.parametrize("key", KNOWN_KEYS)
def test_a_cookie_signed_with_a_key_that_everybody_knows_is_nobody_s(app: Flask, vera: Person, key: str) -> None:
    """CVE-2023-27524: the key of the documentation was left in place."""
    cookie = vera.client.get_cookie("bareboat_session")
    assert cookie is not None
    forger = Flask("forger")
    signer = SecureCookieSessionInterface()
    with vera.client.session_transaction() as session:
        inside = dict(session)
    forger.secret_key = key
    forged = signer.get_signing_serializer(forger)
    assert forged is not None
    thief = app.test_client()
    thief.set_cookie("bareboat_session", forged.dumps(inside))
    assert thief.get("/nodes").location.startswith("/login")
    forger.secret_key = app.config["SECRET_KEY"]
    real = signer.get_signing_serializer(forger)
    assert real is not None
    thief.set_cookie("bareboat_session", real.dumps(inside))
    assert thief.get("/nodes").status_code == 200, "what this test forges is taken when the key is right"
