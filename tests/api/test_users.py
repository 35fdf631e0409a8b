from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

PATH = "/api/v1/users"
ADA: dict[str, Any] = {"name": "ada", "role": "operator", "password": "correct horse battery"}


@pytest.fixture
def admin(person_of: Callable[[str], FlaskClient]) -> FlaskClient:
    """In a browser: tokens do not change users."""
    return person_of("admin")


def id_of(admin: FlaskClient, name: str) -> int:
    return next(user["id"] for user in admin.get(PATH).json if user["name"] == name)


def test_a_user_is_added_and_shown_without_the_password(admin: FlaskClient) -> None:
    answer = admin.post(PATH, json=ADA)
    assert answer.status_code == 201
    assert list(answer.json) == ["id", "name", "role", "is_active", "created_at", "has_password"]
    assert admin.get(answer.headers["Location"]).json == answer.json
    assert [user["name"] for user in admin.get(PATH).json] == ["ada", "admin", "operator", "viewer"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " ada"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"role": "root"}, "role"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 1025}, "password"),
        ({"is_active": True}, "is_active"),
    ],
)
def test_a_wrong_user_is_422(admin: FlaskClient, values: dict[str, Any], field: str) -> None:
    answer = admin.post(PATH, json=ADA | values)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])


def test_a_name_is_taken_once(admin: FlaskClient) -> None:
    answer = admin.post(PATH, json=ADA | {"name": "viewer"})
    assert (answer.status_code, answer.json["error"]) == (409, "name_taken")


def test_a_shut_account_is_nobody_at_once(admin: FlaskClient, viewer: FlaskClient) -> None:
    answer = admin.patch(f"{PATH}/{id_of(admin, 'viewer')}", json={"is_active": False})
    assert (answer.status_code, answer.json["is_active"]) == (200, False)
    assert viewer.get("/api/v1/nodes").status_code == 401


def test_a_role_counts_from_the_next_request(admin: FlaskClient, viewer: FlaskClient) -> None:
    admin.patch(f"{PATH}/{id_of(admin, 'viewer')}", json={"role": "admin"})
    assert viewer.get("/api/v1/events").status_code == 200


@pytest.mark.parametrize("values", [{"role": "viewer"}, {"is_active": False}])
def test_the_last_admin_stays(admin: FlaskClient, values: dict[str, Any]) -> None:
    user_id = id_of(admin, "admin")
    answer = admin.patch(f"{PATH}/{user_id}", json=values)
    assert (answer.status_code, answer.json["error"]) == (409, "wrong_state")
    assert admin.get(f"{PATH}/{user_id}").json["role"] == "admin"


@pytest.mark.parametrize("values", [{}, {"name": "x"}, {"role": None}, {"is_active": 1}, {"password": "short"}])
def test_a_wrong_change_is_422(admin: FlaskClient, values: dict[str, Any]) -> None:
    assert admin.patch(f"{PATH}/{id_of(admin, 'viewer')}", json=values).status_code == 422


def test_a_token_changes_no_user(admin: FlaskClient, client_of: Callable[[str | None], FlaskClient]) -> None:
    thief, user_id = client_of("admin"), id_of(admin, "viewer")
    answers = [thief.post(PATH, json=ADA), thief.patch(f"{PATH}/{user_id}", json={"role": "admin"})]
    assert [(answer.status_code, answer.json["error"]) for answer in answers] == [(403, "forbidden")] * 2
    assert [(user["name"], user["role"]) for user in admin.get(PATH).json] == [
        (name, name) for name in ("admin", "operator", "viewer")
    ]
    assert admin.get("/api/v1/events").json[0]["action"] == "access.refused"
