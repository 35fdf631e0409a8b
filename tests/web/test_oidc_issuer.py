"""The issuer is away, slow, or not who it should be; and settings of it that do not fit together."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from pytest_mock import MockerFixture

from app.errors import DeliveryFailed, SettingsWrong
from app.services import oidc
from app.services.outgoing import Answer
from tests.support import receivers
from tests.support.application import PASSWORD
from tests.support.fakes import FakeServer
from tests.support.issuer import FakeIssuer
from tests.support.ports import free_port
from tests.web.conftest import SetUp, begin, enter, said, token_in


def test_when_the_issuer_is_down_a_page_says_so_and_passwords_still_work(issuer: FakeIssuer, set_up: SetUp) -> None:
    client = set_up(OIDC_ISSUER=f"http://127.0.0.1:{free_port()}").test_client()
    answer = client.get("/login/oidc")
    assert (answer.status_code, "Example Login is out of reach" in said(answer)) == (503, True)
    form = {"name": "viewer", "password": PASSWORD, "csrf_token": token_in(answer)}
    assert client.post("/login", data=form).location == "/"


@pytest.mark.parametrize("behave", [receivers.hangs, receivers.answers_a_gigabyte, receivers.redirects_to("/x")])
def test_an_issuer_that_misbehaves_costs_seconds_and_is_not_asked_again_at_once(
    issuer: FakeIssuer, set_up: SetUp, mocker: MockerFixture, behave: Any
) -> None:
    mocker.patch.object(oidc, "_ASK_SECONDS", 1.0)
    mocker.patch.object(oidc, "_FAILED_SECONDS", 600.0)
    spy = mocker.spy(oidc, "ask")
    with FakeServer(behave) as server:
        client = set_up(OIDC_ISSUER=f"http://127.0.0.1:{server.port}").test_client()
        assert [client.get("/login/oidc").status_code for _ in range(3)] == [503, 503, 503]
    assert spy.call_count == 1


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"issuer": "https://evil.example"}, "calls itself by another name"),
        ({"token_endpoint": None}, "token_endpoint is not usable"),
        ({"token_endpoint": "http://192.0.2.1/token"}, "token_endpoint is not usable"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint is not usable"),
        ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri is not usable"),
        ({"jwks_uri": "https://169.254.169.254/keys"}, "DENIED_NETWORKS"),
    ],
    ids=str,
)
def test_what_an_issuer_says_of_itself_is_checked(
    issuer: FakeIssuer, set_up: SetUp, metadata: dict[str, Any], why: str
) -> None:
    issuer.metadata = metadata
    answer = set_up().test_client().get("/login/oidc")
    assert (answer.status_code, why in said(answer)) == (503, True)


def test_a_wrong_secret_is_said_to_be_an_admins_affair(issuer: FakeIssuer, set_up: SetUp) -> None:
    _, answer = enter(set_up(OIDC_CLIENT_SECRET="another"), issuer)
    assert (answer.status_code, "compares OIDC_CLIENT_ID and OIDC_CLIENT_SECRET" in said(answer)) == (503, True)


def test_an_issuers_new_key_is_fetched(issuer: FakeIssuer, set_up: SetUp, mocker: MockerFixture) -> None:
    mocker.patch.object(oidc, "_KEYS_SECONDS", 0.0)
    site = set_up()
    enter(site, issuer)
    issuer.new_key()
    assert enter(site, issuer)[1].status_code == 303
    assert issuer.asked.count("/jwks") == 2


def test_what_the_issuer_says_of_itself_is_kept(issuer: FakeIssuer, set_up: SetUp) -> None:
    site = set_up()
    enter(site, issuer)
    enter(site, issuer)
    assert issuer.asked.count("/jwks") == issuer.asked.count("/.well-known/openid-configuration") == 1


def test_it_works_at_the_external_address_only(issuer: FakeIssuer, set_up: SetUp) -> None:
    client = set_up().test_client()
    answer = client.get("/login/oidc", base_url="http://other.example")
    assert (answer.status_code, "works at http://localhost only" in said(answer)) == (401, True)
    assert issuer.asked == []


def test_the_button_is_there_only_when_it_is_set_up(app: Flask, issuer: FakeIssuer, set_up: SetUp) -> None:
    assert "/login/oidc" not in app.test_client().get("/login").text
    assert app.test_client().get("/login/oidc").status_code == 404
    page = set_up().test_client().get("/login?next=/nodes")
    assert "Log in with Example Login" in said(page)
    assert "/login/oidc?next=/nodes" in page.text


def test_the_secret_is_shown_nowhere(issuer: FakeIssuer, set_up: SetUp, caplog: pytest.LogCaptureFixture) -> None:
    site = set_up()
    client, answer = enter(site, issuer)
    secret = issuer.settings["OIDC_CLIENT_SECRET"]
    found = oidc_settings(site)
    shown = [answer.text, client.get("/account").text, begin(site.test_client()), caplog.text, repr(found)]
    assert [text for text in shown if secret in text] == []


def oidc_settings(site: Flask) -> object:
    with site.app_context():
        issuer = oidc.find_issuer()
        assert issuer is not None
        return issuer.settings


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"OIDC_CLIENT_SECRET": None}, "OIDC_CLIENT_SECRET is missing"),
        ({"OIDC_ISSUER": None}, "OIDC_ISSUER is missing"),
        ({"EXTERNAL_URL": None}, "EXTERNAL_URL is missing"),
        ({"OIDC_ROLES": {}}, "OIDC_ROLES is missing"),
        ({"OIDC_ROLES": {"x": "root"}}, "OIDC_ROLES maps"),
        ({"OIDC_ROLES": "admin"}, "OIDC_ROLES maps"),
        ({"OIDC_ALLOW_LOOPBACK_HTTP": False}, "OIDC_ISSUER is not usable"),
        ({"OIDC_ISSUER": "http://login.example.com"}, "OIDC_ISSUER is not usable"),
        ({"EXTERNAL_URL": "https://x.example/path"}, "EXTERNAL_URL is scheme and host"),
        ({"OIDC_NAME": ""}, "OIDC_NAME has to be"),
        ({"OIDC_CLIENT_ID": 7}, "OIDC_CLIENT_ID has to be"),
    ],
    ids=str,
)
def test_settings_that_do_not_fit_together_stop_the_start(
    issuer: FakeIssuer, bare_app: Callable[..., Flask], wrong: dict[str, Any], named: str
) -> None:
    with pytest.raises(SettingsWrong, match=named):
        bare_app(**issuer.settings | wrong)


@pytest.mark.parametrize(
    "said_of_keys",
    [
        [],
        "x",
        {"keys": 5},
        {"keys": [5]},
        {"keys": [{"kty": "RSA", "n": 5, "e": 1}]},
        {"keys": [{"kty": ["RSA"]}]},
        {"keys": [{"kty": "EC", "crv": "P-256", "x": "", "y": ""}]},
    ],
    ids=str,
)
def test_keys_that_are_none_are_an_issuer_that_is_not_understood(
    issuer: FakeIssuer, set_up: SetUp, mocker: MockerFixture, said_of_keys: Any
) -> None:
    mocker.patch.object(issuer, "_keys", return_value=said_of_keys)
    answer = set_up().test_client().get("/login/oidc")
    assert (answer.status_code, "not understood" in said(answer)) == (503, True)


@pytest.mark.parametrize(
    "token",
    [
        [],
        "error",
        1,
        None,
        {"id_token": {}},
        {"id_token": "a.b.c"},
        {"id_token": "x" * 60_000},
        {"id_token": "x", "expires_in": []},
        {"error": []},
        {"error": {"a": 1}},
    ],
    ids=lambda token: str(token)[:40],
)
def test_a_token_that_is_none_lets_nobody_in(
    issuer: FakeIssuer, site: Flask, mocker: MockerFixture, token: Any
) -> None:
    mocker.patch.object(issuer, "redeem", return_value=(200, token))
    assert enter(site, issuer)[1].status_code in (401, 503)


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks", "/token"])
def test_a_crowd_of_brackets_is_no_fault_of_ours(
    issuer: FakeIssuer, set_up: SetUp, mocker: MockerFixture, path: str
) -> None:
    """As many as the limit of 64 KiB leaves room for."""
    real, crowd = oidc.ask, Answer(200, b"[" * 60_000)
    mocker.patch.object(oidc, "ask", lambda what, *a, **b: crowd if what.url.target == path else real(what, *a, **b))
    client = set_up().test_client()
    answer = client.get("/login/oidc")
    if path == "/token":
        answer = client.get(issuer.authorize(str(answer.location)))
    assert answer.status_code == 503


def test_an_issuer_that_is_silent_does_not_take_every_thread(
    issuer: FakeIssuer, set_up: SetUp, mocker: MockerFixture
) -> None:
    mocker.patch.object(oidc, "_MOST_WAITING", 1)
    is_asked, goes_on = threading.Event(), threading.Event()

    def wait(*_: Any, **__: Any) -> Any:
        is_asked.set()
        goes_on.wait(60)
        raise DeliveryFailed("It did not answer in time.")

    mocker.patch.object(oidc, "ask", wait)
    site = set_up()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(site.test_client().get, "/login/oidc")
        assert is_asked.wait(60)
        second = site.test_client().get("/login/oidc")
        goes_on.set()
        assert first.result(60).status_code == 503
    assert (second.status_code, "try again in a moment" in said(second)) == (503, True)
