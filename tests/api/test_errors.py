"""The one error shape, whatever goes wrong, and however hostile the request is."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pytest_mock import MockerFixture
from sqlalchemy.exc import IntegrityError, NoResultFound, OperationalError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.test import TestResponse

from app.errors import ConnectionLost, MasterKeyMissing

SHAPE = ["code", "status", "error", "message", "errors"]
HUGE = 2**63


def ensure_problem(answer: TestResponse, status: int, error: str) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.content_type == "application/json"
    problem: dict[str, Any] = answer.json
    assert list(problem) == SHAPE
    assert (problem["code"], problem["error"]) == (status, error)
    assert problem["message"]
    assert "Traceback" not in answer.text
    return problem


@pytest.mark.parametrize("path", ["/api/nix", "/api/v1/nix", "/api/v1/nodes/", "/api/v1/nodes/x", "/api/v2/nodes"])
def test_an_unknown_address_is_404_in_the_shape(admin: FlaskClient, path: str) -> None:
    ensure_problem(admin.get(path), 404, "not_found")


@pytest.mark.parametrize("number", ["0", "-1", "01", "1.0", str(HUGE), "9" * 5000, "%D9%A3", "1%00", "1%0A", "1e3"])
def test_what_cannot_be_an_id_is_404(admin: FlaskClient, number: str) -> None:
    ensure_problem(admin.get(f"/api/v1/nodes/{number}"), 404, "not_found")


@pytest.mark.parametrize("noun", ["nodes", "projects", "jobs", "ssh-keys", "users"])
def test_the_largest_id_is_only_not_found(admin: FlaskClient, noun: str) -> None:
    ensure_problem(admin.get(f"/api/v1/{noun}/{HUGE - 1}"), 404, "not_found")


def test_a_wrong_method_is_told_the_right_ones(admin: FlaskClient) -> None:
    answer = admin.put("/api/v1/nodes")
    ensure_problem(answer, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe{}",
        b'{"name": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"name": NaN}',
        b'{"ssh_port": Infinity}',
        b'{"ssh_port": ' + b"9" * 5000 + b"}",
        b"\0",
    ],
)
def test_a_body_that_is_no_json_is_400(admin: FlaskClient, body: bytes) -> None:
    ensure_problem(admin.post("/api/v1/nodes", data=body, content_type="application/json"), 400, "bad_request")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_a_body_that_does_not_say_json_is_415(admin: FlaskClient, content_type: str | None) -> None:
    answer = admin.post("/api/v1/nodes", data=b'{"name": "x"}', content_type=content_type)
    ensure_problem(answer, 415, "unsupported_media_type")


def test_a_body_over_the_limit_is_413(admin: FlaskClient) -> None:
    answer = admin.post("/api/v1/nodes", data=b" " * (1024 * 1024 + 1), content_type="application/json")
    ensure_problem(answer, 413, "body_too_large")


@pytest.mark.parametrize("body", [[], "x", 1, None, True, [{}]])
def test_a_body_that_is_no_object_is_422(admin: FlaskClient, body: Any) -> None:
    ensure_problem(admin.post("/api/v1/nodes", json=body), 422, "invalid_value")


def test_a_missing_body_names_what_is_required(admin: FlaskClient) -> None:
    problem = ensure_problem(admin.post("/api/v1/nodes"), 422, "invalid_value")
    assert set(problem["errors"]) == {"name", "hostname", "ssh_user"}


def test_an_unknown_field_is_refused_by_name(admin: FlaskClient) -> None:
    values = {"name": "web-1", "hostname": "web-1", "ssh_user": "deploy", "status": "ONLINE"}
    assert list(ensure_problem(admin.post("/api/v1/nodes", json=values), 422, "invalid_value")["errors"]) == ["status"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=x", "page"),
        (f"page={HUGE}", "page"),
        ("page_size=201", "page_size"),
        ("page_size=", "page_size"),
        ("sort=nix", "sort"),
        ("sort=-", "sort"),
        ("status=online", "status"),
        ("cordoned=1", "cordoned"),
        ("search=%00", "search"),
        ("search=%FF%FE%ED%A0%80%00", "search"),
        ("nix=1", "nix"),
    ],
)
def test_a_wrong_query_is_refused_by_field(admin: FlaskClient, query: str, field: str) -> None:
    assert list(ensure_problem(admin.get(f"/api/v1/nodes?{query}"), 422, "invalid_value")["errors"]) == [field]


def test_a_fault_of_ours_is_500_without_its_inside(app: Flask, admin: FlaskClient, mocker: MockerFixture) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False
    mocker.patch("app.services.nodes.list_nodes", side_effect=RuntimeError("the inside"))
    answer = admin.get("/api/v1/nodes")
    ensure_problem(answer, 500, "internal_error")
    assert "inside" not in answer.text


def test_a_locked_database_is_503_and_says_when_to_come_back(admin: FlaskClient, mocker: MockerFixture) -> None:
    error = OperationalError("SELECT secret", {}, Exception("database is locked"))
    mocker.patch("app.services.nodes.list_nodes", side_effect=error)
    answer = admin.get("/api/v1/nodes")
    ensure_problem(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (NoResultFound(), 404, "not_found"),
        (StaleDataError(), 404, "not_found"),
        (IntegrityError("INSERT secret", {}, Exception("FOREIGN KEY")), 409, "conflict"),
    ],
)
def test_a_race_with_somebody_else_is_no_fault(
    admin: FlaskClient, mocker: MockerFixture, error: Exception, status: int, word: str
) -> None:
    mocker.patch("app.services.nodes.list_nodes", side_effect=error)
    assert "secret" not in str(ensure_problem(admin.get("/api/v1/nodes"), status, word))


@pytest.mark.parametrize(
    ("error", "status"), [(ConnectionLost("Node web-1 went silent."), 502), (MasterKeyMissing(), 500)]
)
def test_an_error_of_ours_keeps_its_word_and_message(
    admin: FlaskClient, mocker: MockerFixture, error: Any, status: int
) -> None:
    mocker.patch("app.services.nodes.list_nodes", side_effect=error)
    assert ensure_problem(admin.get("/api/v1/nodes"), status, error.code)["message"] == error.message


def test_errors_have_the_headers_of_every_answer(nobody: FlaskClient) -> None:
    answer = nobody.get("/api/v1/nix")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
