"""Another SSH key for the fleet, as it is asked for; what is done on nodes is in tests/ssh/test_rotation.py."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

Make = Callable[..., int]


@pytest.fixture
def old_id(admin: FlaskClient, make_node: Make) -> int:
    """The key of two nodes."""
    first = make_node("web-1")
    key_id = int(admin.get(f"/api/v1/nodes/{first}").json["ssh_key_id"])
    make_node("web-2", ssh_key_id=key_id)
    return key_id


@pytest.fixture
def new_id(admin: FlaskClient) -> int:
    return int(admin.post("/api/v1/ssh-keys", json={"name": "fleet-2", "generate": "ed25519"}).json["id"])


def path(key_id: int) -> str:
    return f"/api/v1/ssh-keys/{key_id}/rotation"


def test_all_nodes_with_the_key_are_in_the_run_unless_some_are_named(
    admin: FlaskClient, old_id: int, new_id: int
) -> None:
    answer = admin.post(path(old_id), json={"to_key_id": new_id, "concurrency": 1})
    assert (answer.status_code, answer.json["kind"], answer.json["concurrency"]) == (202, "node.rotate_key", 1)
    members = admin.get(f"{answer.headers['Location']}/members").json
    assert [member["node_name"] for member in members] == ["web-1", "web-2"]
    assert answer.json["params"]["to_key"] == "fleet-2"
    one = [members[0]["node_id"]]
    assert admin.post(path(old_id), json={"to_key_id": new_id, "node_ids": one}).json["size"] == 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "to_key_id"),
        ({"to_key_id": 999}, "to_key_id"),
        ({"to_key_id": "same"}, "to_key_id"),
        ({"to_key_id": "new", "node_ids": [999]}, "node_ids"),
        ({"to_key_id": "new", "node_ids": []}, "node_ids"),
        ({"to_key_id": "new", "concurrency": 0}, "concurrency"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_begun(
    admin: FlaskClient, old_id: int, new_id: int, values: dict[str, object], field: str
) -> None:
    meant = {"same": old_id, "new": new_id}
    given = values | {name: meant[str(id_)] for name, id_ in values.items() if str(id_) in meant}
    refused = admin.post(path(old_id), json=given)
    assert (refused.status_code, list(refused.json["errors"])) == (422, [field])
    assert admin.get("/api/v1/runs").json == []


def test_a_key_that_no_node_uses_has_nothing_to_change(admin: FlaskClient, old_id: int, new_id: int) -> None:
    refused = admin.post(path(new_id), json={"to_key_id": old_id})
    assert (refused.status_code, refused.json["error"]) == (409, "wrong_state")
    assert admin.post(path(999), json={"to_key_id": old_id}).status_code == 404


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"from_key_id": 1},
        {"from_key_id": 1, "to_key_id": 1},
        {"from_key_id": 1, "to_key_id": 999},
        {"from_key_id": "1", "to_key_id": [2]},
        {"from_key_id": True, "to_key_id": 2},
        {"from_key_id": 1, "to_key_id": 10**30},
        {"from_key_id": 1, "to_key_id": 2, "x": 1},
    ],
)
def test_a_run_by_hand_needs_two_keys_that_are_there(
    admin: FlaskClient, old_id: int, new_id: int, params: dict[str, object]
) -> None:
    refused = admin.post("/api/v1/runs", json={"kind": "node.rotate_key", "params": params, "node_ids": [1]})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["params"])


def test_operators_change_no_keys(operator: FlaskClient, old_id: int, new_id: int) -> None:
    assert operator.post(path(old_id), json={"to_key_id": new_id}).status_code == 403
    run = {"kind": "node.rotate_key", "params": {"from_key_id": old_id, "to_key_id": new_id}, "node_ids": [1]}
    assert operator.post("/api/v1/runs", json=run).status_code == 403


def test_a_node_that_got_a_third_key_meanwhile_is_left_alone(admin: FlaskClient, old_id: int, new_id: int) -> None:
    third = admin.post("/api/v1/ssh-keys", json={"name": "third", "generate": "ed25519"}).json["id"]
    admin.patch("/api/v1/nodes/1", json={"ssh_key_id": third})
    run = {"kind": "node.rotate_key", "params": {"from_key_id": old_id, "to_key_id": new_id}, "node_ids": [1]}
    answer = admin.post("/api/v1/runs", json=run)
    member = admin.get(f"{answer.headers['Location']}/members").json[0]
    assert (member["state"], member["error"]["code"]) == ("failed", "wrong_state")


def test_the_page_shows_the_nodes_and_goes_to_the_run(
    person_of: Callable[[str], FlaskClient], old_id: int, new_id: int
) -> None:
    person = person_of("admin")
    assert f"/keys/{old_id}/rotate" in person.get("/keys").text
    page = person.get(f"/keys/{old_id}/rotate").text
    assert "web-1, web-2" in page
    assert "fleet-2" in page
    refused = person.post(f"/keys/{old_id}/rotate", data={"to_key_id": "", "concurrency": "10"})
    assert refused.status_code == 422
    begun = person.post(f"/keys/{old_id}/rotate", data={"to_key_id": str(new_id), "concurrency": "2"})
    assert (begun.status_code, "/runs/" in begun.headers["Location"]) == (303, True)
    assert "Change SSH key" in person.get(begun.headers["Location"]).text
    assert "nothing to change" in person.get(f"/keys/{new_id}/rotate").text
