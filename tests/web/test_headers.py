"""What a browser is told with every answer, and from whom word of a proxy is taken."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, request

from app.edge.headers import CONTENT_SECURITY_POLICY
from tests.web.conftest import Person

FORWARDED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "bareboat.example"}


def seen_by(app: Flask) -> dict[str, object]:
    """What the application makes of a request that says it was forwarded."""
    seen: dict[str, object] = {}

    @app.before_request
    def look() -> None:
        seen.update(address=request.remote_addr, is_secure=request.is_secure, host=request.host)

    seen["hsts"] = app.test_client().get("/login", headers=FORWARDED).headers.get("Strict-Transport-Security")
    return seen


@pytest.mark.parametrize("path", ["/login", "/nowhere", "/api/v1/nodes", "/healthz", "/static/bareboat.css"])
def test_every_answer_is_hardened(app: Flask, path: str) -> None:
    headers = app.test_client().get(path).headers
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY
    assert (headers["X-Frame-Options"], headers["X-Content-Type-Options"]) == ("DENY", "nosniff")


@pytest.mark.parametrize("path", ["/", "/account", "/tokens", "/users", "/api/v1/nodes", "/api/v1/docs"])
def test_private_pages_are_kept_nowhere(ada: Person, path: str) -> None:
    assert ada.get(path).headers["Cache-Control"] == "no-store"


def test_browsers_are_held_to_tls_once_they_came_by_it(app: Flask) -> None:
    client = app.test_client()
    assert "Strict-Transport-Security" not in client.get("/login").headers
    assert "max-age=31536000" in client.get("/login", base_url="https://localhost").headers["Strict-Transport-Security"]


def test_nobodys_word_is_taken_for_a_proxys(make_app: Callable[..., Flask]) -> None:
    assert seen_by(make_app()) == {"address": "127.0.0.1", "is_secure": False, "host": "localhost", "hsts": None}


def test_a_trusted_proxys_word_counts(make_app: Callable[..., Flask]) -> None:
    seen = seen_by(make_app(TRUSTED_PROXIES=1))
    assert (seen["address"], seen["is_secure"], seen["host"]) == ("203.0.113.9", True, "bareboat.example")
    assert seen["hsts"]


def test_only_as_many_proxies_are_believed_as_there_are(make_app: Callable[..., Flask]) -> None:
    app = make_app(TRUSTED_PROXIES=1)
    forged = FORWARDED | {"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
    app.add_url_rule("/address", view_func=lambda: str(request.remote_addr))
    assert app.test_client().get("/address", headers=forged).text == "203.0.113.9"


def test_the_cookie_is_out_of_reach_of_scripts_other_sites_and_plain_http(make_app: Callable[..., Flask]) -> None:
    app = make_app(SESSION_COOKIE_SECURE=True)
    cookie = app.test_client().get("/login", base_url="https://localhost").headers["Set-Cookie"]
    assert [part.strip() for part in cookie.split(";")[1:]] == ["Secure", "HttpOnly", "Path=/", "SameSite=Lax"]


@pytest.mark.parametrize(
    ("settings", "asked", "is_secure"),
    [
        ({}, {"base_url": "http://localhost"}, False),
        ({}, {"base_url": "https://localhost"}, True),
        ({}, {"headers": FORWARDED}, False),
        ({"TRUSTED_PROXIES": 1}, {"headers": FORWARDED}, True),
        ({"TRUSTED_PROXIES": 1, "SESSION_COOKIE_SECURE": False}, {"headers": FORWARDED}, False),
        ({"SESSION_COOKIE_SECURE": True}, {"base_url": "http://localhost"}, True),
    ],
    ids=str,
)
def test_a_cookie_that_is_given_over_tls_goes_back_over_tls_only(
    make_app: Callable[..., Flask], settings: dict[str, Any], asked: dict[str, Any], is_secure: bool
) -> None:
    cookie = make_app(**settings).test_client().get("/login", **asked).headers["Set-Cookie"]
    assert ("Secure" in cookie.split("; ")) is is_secure
