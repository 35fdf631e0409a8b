from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.models import Role
from app.services import users
from app.services.events import SYSTEM
from tests.support.application import client_with_token

PATH = "/api/v1/tokens"


@pytest.fixture
def viewer(person_of: Callable[[str], FlaskClient]) -> FlaskClient:
    """In a browser, as are the others here: tokens make no tokens."""
    return person_of("viewer")


@pytest.fixture
def operator(person_of: Callable[[str], FlaskClient]) -> FlaskClient:
    return person_of("operator")


@pytest.fixture
def admin(person_of: Callable[[str], FlaskClient]) -> FlaskClient:
    return person_of("admin")


def user_id_of(app: Flask, role: Role) -> int:
    with app.app_context():
        return users.get_user_by_name(role.value).id


def test_a_new_token_is_shown_once_and_works(app: Flask, viewer: FlaskClient) -> None:
    answer = viewer.post(PATH, json={"name": "ci", "days": 7})
    assert answer.status_code == 201
    assert list(answer.json) == ["id", "user_id", "name", "role", "created_at", "expires_at", "last_used_at", "token"]
    assert client_with_token(app, answer.json["token"]).get("/api/v1/nodes").status_code == 200
    assert answer.json["token"] not in viewer.get(PATH).text


def test_a_deleted_token_is_nobody(app: Flask, viewer: FlaskClient) -> None:
    made = viewer.post(PATH, json={"name": "ci"}).json
    assert viewer.delete(f"{PATH}/{made['id']}").status_code == 204
    assert client_with_token(app, made["token"]).get("/api/v1/nodes").status_code == 401


def test_one_sees_ones_own_tokens_only(app: Flask, viewer: FlaskClient, operator: FlaskClient) -> None:
    operator.post(PATH, json={"name": "secret plan"})
    viewer.post(PATH, json={"name": "test"})
    assert [token["name"] for token in viewer.get(PATH).json] == ["test"]
    answer = viewer.get(f"{PATH}?user_id={user_id_of(app, Role.OPERATOR)}")
    assert (answer.status_code, answer.json["error"]) == (403, "forbidden")


def test_ones_own_id_is_no_other(app: Flask, viewer: FlaskClient) -> None:
    viewer.post(PATH, json={"name": "ci"})
    assert len(viewer.get(f"{PATH}?user_id={user_id_of(app, Role.VIEWER)}").json) == 1


def test_of_anothers_token_nothing_is_told(viewer: FlaskClient, operator: FlaskClient) -> None:
    made = operator.post(PATH, json={"name": "ci"}).json
    answers = [viewer.delete(f"{PATH}/{token_id}") for token_id in (made["id"], 999)]
    assert [answer.status_code for answer in answers] == [404, 404]


def test_an_admin_sees_and_ends_anybodys(app: Flask, admin: FlaskClient, viewer: FlaskClient) -> None:
    made = viewer.post(PATH, json={"name": "ci"}).json
    seen = admin.get(f"{PATH}?user_id={user_id_of(app, Role.VIEWER)}").json
    assert next(token["id"] for token in seen) == made["id"]
    assert admin.delete(f"{PATH}/{made['id']}").status_code == 204


@pytest.mark.parametrize(
    "values",
    [{}, {"name": ""}, {"name": "a\n"}, {"name": "x" * 256}, {"name": "ci", "days": 0}, {"name": "ci", "days": 3651}],
)
def test_a_wrong_token_is_422(viewer: FlaskClient, values: dict[str, object]) -> None:
    assert viewer.post(PATH, json=values).status_code == 422


def test_a_token_has_the_role_of_its_user(app: Flask, viewer: FlaskClient) -> None:
    made = viewer.post(PATH, json={"name": "ci"}).json
    assert client_with_token(app, made["token"]).get("/api/v1/events").status_code == 403


def test_a_token_makes_no_token(client_of: Callable[[str | None], FlaskClient]) -> None:
    thief = client_of("admin")
    answer = thief.post(PATH, json={"name": "for later", "days": 3650})
    assert (answer.status_code, answer.json["error"]) == (403, "forbidden")
    assert thief.post("/tokens", data={"name": "for later", "days": "3650"}).status_code == 403
    assert [token["name"] for token in thief.get(PATH).json] == ["test"]


def test_a_token_may_be_given_less_than_its_owner_may(app: Flask, admin: FlaskClient) -> None:
    made = admin.post(PATH, json={"name": "ci", "role": "viewer"}).json
    assert made["role"] == "viewer"
    program = client_with_token(app, made["token"])
    assert program.get("/api/v1/nodes").status_code == 200
    assert program.get("/api/v1/events").status_code == 403


def test_a_token_is_never_given_more_than_its_owner_may(viewer: FlaskClient) -> None:
    answer = viewer.post(PATH, json={"name": "ci", "role": "operator"})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["role"])
    assert viewer.get(PATH).json == []


def test_a_token_falls_with_its_owner(app: Flask, operator: FlaskClient) -> None:
    program = client_with_token(app, operator.post(PATH, json={"name": "ci", "role": "operator"}).json["token"])
    assert program.post("/api/v1/projects/999/pull").status_code == 404
    user_id = user_id_of(app, Role.OPERATOR)
    with app.app_context():
        users.update_user(user_id, {"role": Role.VIEWER}, SYSTEM)
    assert program.post("/api/v1/projects/999/pull").status_code == 403
    assert program.get("/api/v1/tokens").json[0]["role"] == "viewer"
    with app.app_context():
        users.update_user(user_id, {"is_active": False}, SYSTEM)
    assert program.get("/api/v1/nodes").status_code == 401


def test_a_token_that_has_a_role_does_not_rise_with_its_owner(app: Flask, viewer: FlaskClient) -> None:
    program = client_with_token(app, viewer.post(PATH, json={"name": "ci", "role": "viewer"}).json["token"])
    with app.app_context():
        users.update_user(user_id_of(app, Role.VIEWER), {"role": Role.ADMIN}, SYSTEM)
    assert program.get("/api/v1/events").status_code == 403
