"""A person at the pages: logged in, sending each form with its token, reading what comes back."""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.services import oidc
from app.services.sessions import Browser, start_session
from app.services.users import get_user_by_name
from tests.support.issuer import FakeIssuer

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Person:
    client: FlaskClient
    csrf_token: str

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, **options)

    def post(self, path: str, **fields: Any) -> TestResponse:
        return self.client.post(path, data=fields | {"csrf_token": self.csrf_token})

    def submit(self, path: str, **fields: Any) -> str:
        """Post, follow the redirect, and answer what the page says."""
        answer = self.client.post(path, data=fields | {"csrf_token": self.csrf_token}, follow_redirects=True)
        return said(answer)


SetUp = Callable[..., Flask]


def begin(client: FlaskClient, wanted: str = "") -> str:
    """Where a login by OIDC sends the browser."""
    answer = client.get("/login/oidc", query_string={"next": wanted})
    assert answer.status_code == 303, said(answer)
    return str(answer.location)


def enter(site: Flask, issuer: FakeIssuer, wanted: str = "") -> tuple[FlaskClient, TestResponse]:
    """A browser that has been at the issuer, and what it is answered when it comes back."""
    client = site.test_client()
    return client, client.get(issuer.authorize(begin(client, wanted)))


def said(answer: TestResponse) -> str:
    """The page's text as a person reads it: without tags, spaces joined."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


def token_in(answer: TestResponse) -> str:
    found = TOKEN.search(answer.text)
    assert found is not None
    return found[1]


@pytest.fixture
def log_in(app: Flask) -> Callable[[str], Person]:
    """Without the password, whose checking is slow by design; test_session.py goes through the form."""

    def enter(name: str) -> Person:
        with app.app_context():
            token = start_session(get_user_by_name(name), Browser("127.0.0.1", "a test")).reveal()
        client = app.test_client()
        with client.session_transaction() as session:
            session["_user_id"] = token
        return Person(client, token_in(client.get("/")))

    return enter


@pytest.fixture
def ada(log_in: Callable[[str], Person]) -> Person:
    """An admin."""
    return log_in("admin")


@pytest.fixture
def otto(log_in: Callable[[str], Person]) -> Person:
    """An operator."""
    return log_in("operator")


@pytest.fixture
def vera(log_in: Callable[[str], Person]) -> Person:
    """A viewer."""
    return log_in("viewer")


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as made:
        made.person["groups"] = ["ops", "else"]
        yield made


@pytest.fixture
def set_up(app: Flask, issuer: FakeIssuer) -> Iterator[SetUp]:
    """The application with logins by OIDC at the issuer, and settings of a test's own."""

    def make(**settings: Any) -> Flask:
        app.config.update(issuer.settings | settings)
        oidc.init_app(app)
        return app

    yield make
    app.config.update(OIDC_ISSUER=None, OIDC_CLIENT_ID=None, OIDC_CLIENT_SECRET=None, OIDC_ROLES=None)
    oidc.init_app(app)


@pytest.fixture
def site(set_up: SetUp) -> Flask:
    return set_up()
