"""The browser's session at the API: it counts, and what changes something needs its CSRF token."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.edge.identity import start_session
from app.services.users import get_user_by_name


@pytest.fixture
def browser(make_app: Callable[..., Flask]) -> FlaskClient:
    """Logged in as the operator, by a view of the test's own."""
    app = make_app()
    app.add_url_rule("/test-login", view_func=lambda: (start_session(get_user_by_name("operator")), "in")[1])
    client = app.test_client()
    assert client.get("/test-login").text == "in"
    return client


def csrf_token_of(browser: FlaskClient) -> str:
    found = re.search(r'name="csrf-token" content="([^"]+)"', browser.get("/api/v1/docs").text)
    assert found
    return found[1]


def test_a_session_may_read(browser: FlaskClient) -> None:
    assert browser.get("/api/v1/nodes").status_code == 200


@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_session_without_its_csrf_token_changes_nothing(browser: FlaskClient, token: str) -> None:
    answer = browser.post("/api/v1/tokens", json={"name": "ci"}, headers={"X-CSRFToken": token})
    assert (answer.status_code, answer.json["error"]) == (400, "csrf_failed")
    assert list(answer.json) == ["code", "status", "error", "message", "errors"]
    assert browser.get("/api/v1/tokens").json == []


def test_a_session_with_its_csrf_token_may_act(browser: FlaskClient) -> None:
    headers = {"X-CSRFToken": csrf_token_of(browser)}
    assert browser.post("/api/v1/tokens", json={"name": "ci"}, headers=headers).status_code == 201


def test_a_header_of_authorization_is_judged_alone(browser: FlaskClient) -> None:
    answer = browser.post("/api/v1/tokens", json={"name": "ci"}, headers={"Authorization": "Bearer bbt_wrong"})
    assert answer.status_code == 401


def test_nobody_is_given_no_session_by_the_docs(nobody: FlaskClient) -> None:
    assert "Set-Cookie" not in nobody.get("/api/v1/docs").headers
